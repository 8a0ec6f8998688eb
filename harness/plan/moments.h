/* When the faults of one run strike, and whom: drawn from the run's seed before the run starts, so
 * that the same seed gives the same faults. */
#ifndef DV_HARNESS_MOMENTS_H
#define DV_HARNESS_MOMENTS_H

#include "harness/config/experiment.h"

struct dv_moment {
    double at_s;  /* since the run's start; NaN: after an epoch */
    int64_t rank; /* -1: not one rank, but all or mpiexec */
};

struct dv_moments {
    struct dv_moment *item; /* in the order of their times */
    size_t count;
};

/* Moments before `limit_s`, in `memory`. Distributions are of the time between two kills (a renewal
 * process from the run's start); GSL's quantile functions of uniform numbers give the times, a
 * Weibull distribution's scale follows from its mean, mtbf = scale Γ(1 + 1/shape). */
struct dv_moments dv_moments_draw(const struct dv_fault *fault, uint64_t seed, int64_t ranks,
                                  double limit_s, struct dv_arena *memory);

#endif

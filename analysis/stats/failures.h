/* When the nodes of a machine fail: a stream of moments, one for each failure of any node.
 *
 * Every node is a renewal process: when it has failed, a new one takes its place. Nodes that have not
 * failed yet are not simulated one by one: of N times to failure only the smallest are needed, and the
 * next smallest of those that are left comes after an exponential step of mean 1 / left in the
 * cumulated hazard. So a million nodes cost what their failures cost. */
#ifndef DV_ANALYSIS_FAILURES_H
#define DV_ANALYSIS_FAILURES_H

#include "analysis/stats/results.h"

#include <gsl/gsl_rng.h>

struct dv_machine {
    enum dv_failure_law law;
    double shape;       /* Weibull: below 1, nodes fail less and less the older they are */
    double node_mtbf_s; /* mean of a node's time to failure; INFINITY: never */
    double age_s;       /* of all nodes when the job begins */
    int64_t nodes;
};

/* One run's failures. The memory is the stream's; `moments` (ascending) is borrowed. */
struct dv_failures {
    struct dv_machine machine;
    double scale_s; /* of the Weibull distribution */
    double next_first_s, hazard;
    int64_t unfailed; /* nodes that have not failed yet */
    double *replaced; /* heap: when nodes that took another's place will fail */
    size_t replaced_count, replaced_room;
    const double *moments; /* instead of a machine: these */
    size_t moment_count, moment_next;
    gsl_rng *rng; /* borrowed */
};

void dv_failures_begin(struct dv_failures *failures, const struct dv_machine *machine,
                       gsl_rng *rng);
/* The given moments and no others. */
void dv_failures_replay(struct dv_failures *failures, const double *moments, size_t count);
void dv_failures_end(struct dv_failures *failures);

/* The next failure, in s since the job's start; INFINITY: there is none. Never before the last. */
double dv_failures_next(struct dv_failures *failures);

#endif

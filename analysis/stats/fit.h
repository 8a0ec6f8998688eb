/* Straight lines through points with outliers. */
#ifndef DV_ANALYSIS_FIT_H
#define DV_ANALYSIS_FIT_H

#include "analysis/stats/paired.h"

#include <stdint.h>

/* A point belongs to a cluster (a run): points of one cluster are not independent. Points of a
 * cluster lie one behind the other. */
struct dv_point {
    double x, y;
    int64_t cluster;
};

/* y = a + b x. If x hardly varies there is no slope to be seen: `b` is NaN throughout, and `a` the
 * median of y. */
struct dv_line {
    struct dv_estimate a, b;
    double residual_median; /* median of |y - a - b x| */
    size_t points, clusters;
};

/* x varies enough for a slope if its range is at least this share of the largest x. */
#define DV_FIT_RANGE_MIN 0.05

/* M-estimate with Tukey's bisquare (gsl_multifit_robust; Holland and Welsch, Comm. Statist. A 6,
 * 1977). The intervals are the percentiles of `resamples` fits to clusters drawn with replacement
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13); fewer than 6 clusters,
 * or no resamples, give none. False: fewer than 3 points, or no memory. */
bool dv_fit_line(const struct dv_point *points, size_t count, double confidence, size_t resamples,
                 uint64_t seed, struct dv_line *line);

#endif

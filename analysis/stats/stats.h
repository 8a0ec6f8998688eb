/* Statistics of small samples, distribution-free.
 *
 * Samples are plain arrays of doubles in any order; nothing is changed or kept, no sample is ever
 * dropped. A sample that holds a NaN gives NaN: missing values are the caller's to leave out and to
 * count. */
#ifndef DV_ANALYSIS_STATS_H
#define DV_ANALYSIS_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* The order statistics x_(low_rank) and x_(high_rank), ranks from 1, that enclose the median with
 * probability `coverage`: at least the confidence asked for, because ranks are whole numbers. */
struct dv_interval {
    double low, high, coverage;
    size_t low_rank, high_rank;
};

/* NaN for an empty sample. */
double dv_stats_median(const double *sample, size_t count);
double dv_stats_minimum(const double *sample, size_t count);
double dv_stats_maximum(const double *sample, size_t count);

/* The quantile `fraction` (0..1) with linear interpolation between order statistics (Hyndman and
 * Fan's type 7). */
double dv_stats_quantile(const double *sample, size_t count, double fraction);

/* The narrowest symmetric pair of order statistics that encloses the median with at least
 * `confidence` (0.95). False when the sample is too small for that (fewer than 6 values for 95 %);
 * `*interval` is then left alone. */
bool dv_stats_median_interval(const double *sample, size_t count, double confidence,
                              struct dv_interval *interval);

/* NaN for an empty sample or one with a value that is not positive. */
double dv_stats_geometric_mean(const double *sample, size_t count);

#endif

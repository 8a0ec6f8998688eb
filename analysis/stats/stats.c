#include "analysis/stats/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sorted copy, or NULL: empty, a NaN in it, or no memory. */
static double *sorted_copy(const double *sample, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(sample[i]))
            return NULL;
    }
    double *copy = count ? malloc(count * sizeof *copy) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, sample, count * sizeof *copy);
    gsl_sort(copy, 1, count);
    return copy;
}

double dv_stats_quantile(const double *sample, size_t count, double fraction)
{
    double *sorted = sorted_copy(sample, count);
    if (!sorted)
        return NAN;
    double value = gsl_stats_quantile_from_sorted_data(sorted, 1, count, fraction);
    free(sorted);
    return value;
}

double dv_stats_median(const double *sample, size_t count)
{
    return dv_stats_quantile(sample, count, 0.5);
}

double dv_stats_minimum(const double *sample, size_t count)
{
    return dv_stats_quantile(sample, count, 0.0);
}

double dv_stats_maximum(const double *sample, size_t count)
{
    return dv_stats_quantile(sample, count, 1.0);
}

bool dv_stats_median_interval(const double *sample, size_t count, double confidence,
                              struct dv_interval *interval)
{
    /* The number of values below the median is Binomial(count, 1/2); the pair (l, count + 1 - l)
     * misses the median when fewer than l values lie on one side of it. */
    size_t low_rank = 0;
    double coverage = 0;
    for (size_t rank = 1; rank <= count / 2; rank++) {
        double covered = 1.0 - 2.0 * gsl_cdf_binomial_P((unsigned)rank - 1, 0.5, (unsigned)count);
        if (covered < confidence)
            break;
        low_rank = rank;
        coverage = covered;
    }
    double *sorted = low_rank ? sorted_copy(sample, count) : NULL;
    if (!sorted)
        return false;
    *interval = (struct dv_interval){
        .low = sorted[low_rank - 1],
        .high = sorted[count - low_rank],
        .coverage = coverage,
        .low_rank = low_rank,
        .high_rank = count + 1 - low_rank,
    };
    free(sorted);
    return true;
}

double dv_stats_geometric_mean(const double *sample, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(sample[i] > 0))
            return NAN;
        sum += log(sample[i]);
    }
    return count ? exp(sum / (double)count) : NAN;
}

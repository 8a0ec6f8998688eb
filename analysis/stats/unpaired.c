#include "analysis/stats/unpaired.h"

#include "analysis/stats/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* All b[j] - a[i] in rising order, malloc'ed; NULL: an empty sample, a NaN, or no memory. */
static double *sorted_differences(const double *a, size_t a_count, const double *b, size_t b_count)
{
    double *differences =
        a_count && b_count ? malloc(a_count * b_count * sizeof *differences) : NULL;
    for (size_t i = 0; differences && i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            differences[i * b_count + j] = b[j] - a[i];
            if (isnan(b[j] - a[i])) {
                free(differences);
                return NULL;
            }
        }
    }
    if (differences)
        gsl_sort(differences, 1, a_count * b_count);
    return differences;
}

/* P(U < k) of the number U of pairs with b > a, no ties: U is a sum of at most n parts that are at
 * most m each, and all such partitions are equally likely. */
static bool exact_below(size_t n, size_t m, size_t k, double *below)
{
    size_t sums = n * m + 1;
    double *ways = calloc((n + 1) * sums, sizeof *ways), all = 0, low = 0; /* ways[parts][sum] */
    if (!ways)
        return false;
    ways[0] = 1;
    for (size_t part = 1; part <= m; part++) {
        for (size_t parts = 1; parts <= n; parts++) {
            for (size_t sum = part; sum < sums; sum++)
                ways[parts * sums + sum] += ways[(parts - 1) * sums + sum - part];
        }
    }
    for (size_t i = 0; i < (n + 1) * sums; i++) {
        all += ways[i];
        low += i % sums < k ? ways[i] : 0;
    }
    free(ways);
    *below = low / all;
    return true;
}

static bool is_exact(const double *differences, size_t n, size_t m)
{
    bool ties = false;
    for (size_t i = 0; i < n * m; i++)
        ties = ties || differences[i] == 0;
    return !ties && n <= DV_RANK_SUM_EXACT_MAX && m <= DV_RANK_SUM_EXACT_MAX;
}

/* Variance of U with ties: n m / 12 (N + 1 - sum (t^3 - t) / (N (N - 1))). */
static double tied_variance(const double *a, size_t n, const double *b, size_t m)
{
    size_t all = n + m;
    double *values = malloc(all * sizeof *values), ties = 0;
    if (!values)
        return NAN;
    memcpy(values, a, n * sizeof *values);
    memcpy(values + n, b, m * sizeof *values);
    gsl_sort(values, 1, all);
    for (size_t first = 0, next; first < all; first = next) {
        for (next = first + 1; next < all && values[next] == values[first];)
            next++;
        double t = (double)(next - first);
        ties += t * t * t - t;
    }
    free(values);
    double total = (double)all;
    return (double)n * (double)m / 12 * (total + 1 - ties / (total * (total - 1)));
}

double dv_stats_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count)
{
    double *differences = sorted_differences(a, a_count, b, b_count), p = NAN, below;
    if (!differences)
        return NAN;
    size_t pairs = a_count * b_count, doubled = 0; /* twice U, in which a tie counts half */
    for (size_t i = 0; i < pairs; i++)
        doubled += differences[i] > 0 ? 2 : differences[i] == 0;
    size_t smaller = doubled < 2 * pairs - doubled ? doubled : 2 * pairs - doubled;
    if (is_exact(differences, a_count, b_count)) {
        if (exact_below(a_count, b_count, smaller / 2 + 1, &below))
            p = fmin(1, 2 * below);
    } else {
        double sd = sqrt(tied_variance(a, a_count, b, b_count));
        double distance = ((double)pairs - (double)smaller) / 2 - 0.5;
        p = sd > 0 ? fmin(1, 2 * gsl_cdf_ugaussian_Q(fmax(distance, 0) / sd)) : 1;
    }
    free(differences);
    return p;
}

/* The largest k for which at most `alpha` / 2 lies below it, 0 if there is none; `*coverage`. */
static bool bound_rank(size_t n, size_t m, double alpha, size_t *rank, double *coverage)
{
    double below = 0, next = 0;
    *rank = 0;
    *coverage = 1;
    if (n > DV_RANK_SUM_EXACT_MAX || m > DV_RANK_SUM_EXACT_MAX) {
        double sd = sqrt((double)n * (double)m * (double)(n + m + 1) / 12);
        *rank = (size_t)floor((double)(n * m) / 2 - gsl_cdf_ugaussian_Qinv(alpha / 2) * sd);
        *coverage = 1 - alpha;
        return true;
    }
    for (size_t k = 1; k <= n * m / 2 + 1; k++) {
        if (!exact_below(n, m, k, &next))
            return false;
        if (next > alpha / 2)
            break;
        *rank = k;
        below = next;
    }
    *coverage = 1 - 2 * below;
    return true;
}

bool dv_stats_shift(const double *a, size_t a_count, const double *b, size_t b_count,
                    double confidence, struct dv_estimate *shift)
{
    double *differences = sorted_differences(a, a_count, b, b_count), coverage;
    size_t pairs = a_count * b_count, rank;
    bool done = differences && bound_rank(a_count, b_count, 1 - confidence, &rank, &coverage);
    if (done) {
        double value = dv_stats_median(differences, pairs);
        *shift = rank > 0 ? (struct dv_estimate){value, differences[rank - 1],
                                                 differences[pairs - rank], coverage}
                          : (struct dv_estimate){value, NAN, NAN, NAN};
    }
    free(differences);
    return done;
}

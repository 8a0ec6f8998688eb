/* Comparing two treatments that were measured in the same randomised blocks, distribution-free.
 *
 * Nothing is kept or changed, no sample is ever dropped; a NaN in a sample gives no result (false,
 * or NaN): missing values are the caller's to leave out and to count. What is said of error rates
 * holds for independent pairs. */
#ifndef DV_ANALYSIS_PAIRED_H
#define DV_ANALYSIS_PAIRED_H

#include <stdbool.h>
#include <stddef.h>

/* An estimate with its confidence interval. `coverage` is what the interval attains: at least what
 * was asked for. Too few values for an interval: its three members are NaN. */
struct dv_estimate {
    double value, low, high, coverage;
};

/* W+, the sum of the ranks of positive differences, and the two-sided p of "the differences are
 * symmetric about 0". `exact`: from the distribution over all assignments of signs, ties and zeros
 * included; else from the normal approximation with corrections for continuity and ties. */
struct dv_wilcoxon {
    double positive_ranks, p;
    size_t zeros;
    bool exact;
};

/* Up to this many differences are tested exactly. */
#define DV_WILCOXON_EXACT_MAX 100

/* Wilcoxon's signed-rank test; tied values share their mean rank, zeros take part in the ranking and
 * then count for neither sign (F. Wilcoxon, Biometrics Bulletin 1, 1945; J. W. Pratt, JASA 54,
 * 1959). False: no values, a NaN, or no memory. */
bool dv_stats_wilcoxon(const double *differences, size_t count, struct dv_wilcoxon *result);

/* The same with Walsh averages: the Hodges-Lehmann estimate of the differences' centre, and the
 * interval that holds exactly the shifts which the test would not reject, if there are no ties
 * (Hodges and Lehmann, Ann. Math. Stat. 34, 1963; Hollander, Wolfe and Chicken, Nonparametric
 * Statistical Methods, 3rd ed., 3.2-3.3). False: as above. */
bool dv_stats_hodges_lehmann(const double *differences, size_t count, double confidence,
                             struct dv_estimate *shift);

/* Median with its order-statistic interval; NaNs for what there is not. */
struct dv_estimate dv_stats_median_estimate(const double *sample, size_t count, double confidence);

/* Median of treated[i] / base[i] with its order-statistic interval. False: no pairs, a value that
 * is not positive, or no memory. */
bool dv_stats_paired_ratio(const double *treated, const double *base, size_t count,
                           double confidence, struct dv_estimate *ratio);

/* Holm's step-down adjustment for `count` tests made together (S. Holm, Scand. J. Stat. 6, 1979).
 * NaNs stay NaN and do not count as tests. False: no memory. */
bool dv_stats_holm(const double *p, size_t count, double *adjusted);

/* Does the interval lie within [1 / (1 + margin), 1 + margin]? With the confidence interval of a
 * ratio at 1 - alpha this is two one-sided tests at alpha / 2 (D. J. Schuirmann, J. Pharmacokin.
 * Biopharm. 15, 1987). The margin must be fixed before the data are seen. */
bool dv_stats_equivalent(const struct dv_estimate *ratio, double margin);

/* Two-sided p of "no trend", for values in the order in which they were measured: Mann-Kendall
 * (H. B. Mann, Econometrica 13, 1945; M. G. Kendall, Rank Correlation Methods, 4th ed.). Exact for
 * up to DV_KENDALL_EXACT_MAX values without ties, else normal with corrections for continuity and
 * ties. NaN: fewer than 3 values, all of them equal, a NaN, or no memory. */
double dv_stats_drift(const double *values, size_t count);
#define DV_KENDALL_EXACT_MAX 100

#endif

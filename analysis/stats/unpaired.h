/* Comparing two samples that were not measured in pairs, distribution-free; the rules of paired.h
 * hold. */
#ifndef DV_ANALYSIS_UNPAIRED_H
#define DV_ANALYSIS_UNPAIRED_H

#include "analysis/stats/paired.h"

/* Up to this many values in each sample, without ties, the distribution is exact. */
#define DV_RANK_SUM_EXACT_MAX 50

/* Wilcoxon's rank-sum test, which is that of Mann and Whitney (Ann. Math. Stat. 18, 1947): two-sided
 * p of "both samples are from one distribution". Otherwise the normal approximation with corrections
 * for continuity and ties. NaN: an empty sample, a NaN, or no memory. */
double dv_stats_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count);

/* How much larger b is: the median of all differences b[j] - a[i], and the interval of the shifts
 * that the test would not reject (Hodges and Lehmann, Ann. Math. Stat. 34, 1963; Hollander, Wolfe and
 * Chicken, 3rd ed., 4.2-4.3). False: as above. */
bool dv_stats_shift(const double *a, size_t a_count, const double *b, size_t b_count,
                    double confidence, struct dv_estimate *shift);

#endif

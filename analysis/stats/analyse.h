/* From a study to tables: one function for each group of tables, all reading the study and adding
 * rows to the results. Nothing is kept. Rows whose sample is empty are left out and listed. */
#ifndef DV_ANALYSIS_ANALYSE_H
#define DV_ANALYSIS_ANALYSE_H

#include "analysis/stats/study.h"

#define DV_AXIS_MAX 16

/* Values of one factor. */
struct dv_axis {
    double value[DV_AXIS_MAX];
    size_t count;
};

struct dv_analysis_options {
    double confidence; /* of all intervals */
    double margin;     /* ratios within [1/(1+margin), 1+margin] are equal */
    enum dv_time time; /* that overheads compare */
    uint64_t seed;     /* of the bootstrap */
    size_t resamples;
    struct dv_axis mtbfs_s;  /* of the whole job, for the table of optimum intervals */
    double raw_bandwidth;    /* B/s that the storage takes without DejaVu; NaN: not measured */
    double memory_bandwidth; /* B/s that memcpy reaches; NaN: not measured */
};

void dv_analyse_overhead(const struct dv_study *study, const struct dv_analysis_options *options,
                         struct dv_results *results);
void dv_analyse_geomean(const struct dv_study *study, const struct dv_analysis_options *options,
                        struct dv_results *results);
void dv_analyse_stall(const struct dv_study *study, const struct dv_analysis_options *options,
                      struct dv_results *results);
void dv_analyse_bytes(const struct dv_study *study, const struct dv_analysis_options *options,
                      struct dv_results *results);
void dv_analyse_recovery(const struct dv_study *study, const struct dv_analysis_options *options,
                         struct dv_results *results);
void dv_analyse_models(const struct dv_study *study, const struct dv_analysis_options *options,
                       struct dv_results *results);
void dv_analyse_optimum(const struct dv_study *study, const struct dv_analysis_options *options,
                        struct dv_results *results);

/* Holm's adjustment over the comparisons with one base in one application, class and rank count of a
 * campaign, then the verdicts.. */
void dv_overhead_judge(struct dv_results *results, double confidence);

#endif

/* The rows of a campaign put together for comparison. Pointers go into the tables, which must
 * outlive this. */
#ifndef DV_HARNESS_REPORT_DATA_H
#define DV_HARNESS_REPORT_DATA_H

#include "harness/record/schema.h"

#include <stdbool.h>

/* Room for "<group> <treatment>", each of them at most half of it. */
#define DV_LABEL_BYTES 768

/* One strategy, interval and fault; the same in all groups. Bases come first. */
struct dv_treatment {
    const struct dv_run_row *example;
    char label[DV_LABEL_BYTES / 2];
};

/* One application, class and number of ranks. */
struct dv_group {
    const struct dv_run_row *example;
    char label[DV_LABEL_BYTES / 2];
};

struct dv_report_data {
    const struct dv_tables *tables;
    struct dv_treatment *treatments;
    size_t treatment_count;
    struct dv_group *groups;
    size_t group_count;
};

void dv_report_data_make(const struct dv_tables *tables, struct dv_report_data *data);
void dv_report_data_free(struct dv_report_data *data);

enum dv_measure { DV_MEASURE_WALL, DV_MEASURE_APPLICATION };

/* A sample of one number per measured, good run. `values`: room for all runs. Return the count. */
size_t dv_sample_times(const struct dv_report_data *data, size_t group, size_t treatment,
                       enum dv_measure measure, double *values);
/* Pairs of two treatments: blocks of one campaign in which both are good. `a`, `b`: room for all
 * runs. Return the count. */
size_t dv_sample_pairs(const struct dv_report_data *data, size_t group, size_t treatment_a,
                       size_t treatment_b, enum dv_measure measure, double *a, double *b);
/* Ratios to another treatment, paired by block: blocks in which both are good. */
size_t dv_sample_ratios(const struct dv_report_data *data, size_t group, size_t treatment,
                        size_t base, enum dv_measure measure, double *values);
/* One number per committed epoch: the largest of its ranks (`sum`: their sum), of the column at
 * `offset` in struct dv_epoch_row; epochs that did not report it are left out. `values`: room for
 * all epoch rows. */
size_t dv_sample_epochs(const struct dv_report_data *data, size_t group, size_t treatment,
                        size_t offset, bool sum, double *values);
/* Is the run with this number a measured, good run of the cell? */
bool dv_sample_has_run(const struct dv_report_data *data, size_t group, size_t treatment,
                       int64_t run);
/* Committed epochs of each measured good run. */
size_t dv_sample_epoch_counts(const struct dv_report_data *data, size_t group, size_t treatment,
                              double *values);
/* From kill to running, for each fault that was injected in a measured good run. */
size_t dv_sample_recoveries(const struct dv_report_data *data, size_t group, size_t treatment,
                            double *values);
/* The treatment of this kind of base, or -1. */
int dv_report_base(const struct dv_report_data *data, int strategy_kind);

/* The label of a run: "cg.A.2 full+coordinated @ 1s". */
void dv_run_label(const struct dv_run_row *row, char *text, size_t text_bytes);

#endif

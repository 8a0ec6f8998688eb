/* Campaigns read for analysis: runs put together in cells, epochs and restarts summed over ranks. */
#ifndef DV_ANALYSIS_STUDY_H
#define DV_ANALYSIS_STUDY_H

#include "analysis/stats/results.h"
#include "harness/record/schema.h"

#include <stdbool.h>

/* The runs of one application, class, number of ranks, strategy, interval and fault of a campaign.
 * Only good ones: measured (no warm-up) and verified. */
struct dv_study_cell {
    struct dv_cell_key key;
    const char *fault; /* "none" */
    int32_t kind;      /* enum dv_strategy_kind */
    size_t campaign;
    const struct dv_run_row **runs; /* in the campaign's order */
    size_t run_count;
};

/* One committed epoch of a good run, all ranks together. Missing: NaN. */
struct dv_epoch_sum {
    size_t cell;
    int64_t run, epoch, last_rank, slowest_rank;
    double stall_s, write_s, commit_s; /* of the slowest rank; write: with fsync */
    double populated_bytes, examined_bytes, data_bytes, file_bytes;
};

/* One restart of a good run, all ranks together. */
struct dv_restart_sum {
    size_t cell;
    int64_t run, incarnation;
    double restore_s, loaded_bytes;
};

struct dv_study {
    struct dv_tables *campaigns; /* cells point into them */
    size_t campaign_count;
    struct dv_study_cell *cells;
    size_t cell_count;
    struct dv_epoch_sum *epochs;
    size_t epoch_count;
    struct dv_restart_sum *restarts;
    size_t restart_count;
};

/* Read the files. Adds to `results`, which must have no sources yet: the sources, and what is left out (warm-up, failed runs, cells
 * that were not run). Free with dv_study_close whatever this returns. */
enum dv_status dv_study_open(struct dv_study *study, char *const *files, size_t count,
                             struct dv_results *results) DV_CHECKED;
/* Make the cells, epochs and restarts of the campaigns that are in the study, one for each of the
 * `sources`. dv_study_open has done so. */
void dv_study_arrange(struct dv_study *study, const struct dv_results *sources,
                      struct dv_results *results);
void dv_study_close(struct dv_study *study);

/* Of the same campaign, application, class and ranks, without faults; NULL: there is none. */
const struct dv_study_cell *dv_study_base(const struct dv_study *study,
                                          const struct dv_study_cell *cell, int32_t kind);
/* The base whose difference is what checkpoints cost: idle, else native. */
const struct dv_study_cell *dv_study_cost_base(const struct dv_study *study,
                                               const struct dv_study_cell *cell);
bool dv_study_cell_has_faults(const struct dv_study_cell *cell);
/* "demo: cg.A.2 full+coordinated @ 1 s, kill rank 1" */
void dv_study_cell_label(const struct dv_study_cell *cell, char *text, size_t text_bytes);

bool dv_study_cell_has_run(const struct dv_study_cell *cell, int64_t run);
/* The good run of a block, or NULL. */
const struct dv_run_row *dv_study_cell_run_in_block(const struct dv_study_cell *cell,
                                                    int64_t block);
/* Running times of the blocks in which both cells have a good run with that time; room for
 * cell->run_count. `blocks` may be NULL. Returns the number of pairs. */
size_t dv_study_cell_pairs(const struct dv_study_cell *cell, const struct dv_study_cell *base,
                           enum dv_time time, double *times, double *base_times, int64_t *blocks);
double dv_run_time(const struct dv_run_row *run, enum dv_time time);

#endif

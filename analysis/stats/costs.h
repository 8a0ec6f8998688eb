/* What a strategy was measured to cost, for formulas and for the simulator. */
#ifndef DV_ANALYSIS_COSTS_H
#define DV_ANALYSIS_COSTS_H

#include "analysis/stats/study.h"

/* A malloc'ed sample. {NULL, 0} is an empty one. */
struct dv_sample {
    double *value;
    size_t count;
};
void dv_sample_add(struct dv_sample *sample, double value);

/* What one more checkpoint adds to the running time of a cell, in s, and how it was found: the
 * median over blocks of (running time - the base's) / epochs; the median stall if there is no base,
 * or if that is larger (noise: a run cannot lose less than it stands still). NaN: no epochs. */
double dv_study_cell_checkpoint_cost(const struct dv_study *study, size_t cell,
                                     enum dv_cost_source *source);

/* Measured recoveries, in s: those of the same application, class, ranks and strategy in any
 * campaign; if there are none, of the strategy whatever it ran. The caller frees the sample. */
void dv_study_cell_recoveries(const struct dv_study *study, const struct dv_study_cell *cell,
                              struct dv_sample *sample);

/* A committed epoch of a run, for replaying. */
struct dv_cost_epoch {
    double stall_s, commit_s;
    double drag_s; /* lost while the image was written: what the checkpoint cost beyond the stall */
    double populated_bytes, data_bytes, file_bytes; /* all ranks together */
};

struct dv_strategy_costs {
    char strategy[96];
    struct dv_cost_epoch *epochs;
    size_t epoch_count;
    struct dv_sample recoveries;
    /* s/B, of the models (drag: runtime beyond the stall); 0: not to be seen, or negative */
    double stall_slope, commit_slope, drag_slope;
};

/* Which cells: NULL or NaN is any. */
struct dv_cost_filter {
    const char *strategy, *application, *class_name;
    int64_t ranks; /* 0: any */
    double interval_s;
    size_t campaign; /* SIZE_MAX: any */
};

/* Epochs and recoveries of the cells that the filter lets through, and the strategy's models; epochs
 * without a stall, a commit or bytes are left out. Free with dv_strategy_costs_free. */
void dv_strategy_costs_collect(const struct dv_study *study, const struct dv_cost_filter *filter,
                               struct dv_strategy_costs *costs);
void dv_strategy_costs_free(struct dv_strategy_costs *costs);

#endif

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

#endif

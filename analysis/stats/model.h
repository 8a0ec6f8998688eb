/* The lines behind the table `model`. */
#ifndef DV_ANALYSIS_MODEL_H
#define DV_ANALYSIS_MODEL_H

#include "analysis/stats/analyse.h"
#include "analysis/stats/fit.h"

/* A strategy's cost over bytes, from all campaigns. `options` NULL: without intervals. False: fewer
 * than 3 points. */
bool dv_model_line(const struct dv_study *study, const char *strategy, enum dv_component component,
                   const struct dv_analysis_options *options, struct dv_line *line);

#endif

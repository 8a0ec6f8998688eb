/* External systems (criu, dmtcp, mana) as further rows: run by an adapter, external.py, that behaves
 * like `dejavu run` and leaves the same events. */
#ifndef DV_HARNESS_EXTERNAL_H
#define DV_HARNESS_EXTERNAL_H

#include "harness/launch/words.h"
#include "harness/plan/plan.h"

/* The words before the application. */
void dv_external_add_words(const struct dv_experiment *experiment, const struct dv_cell *cell,
                           const char *job_directory, int64_t restarts, struct dv_words *words);

/* Why this strategy's system cannot be used here for so many ranks, in the experiment's memory; NULL:
 * it can, or it is not an external one. Runs the adapter: for dv_plan_make. */
const char *dv_external_unable(struct dv_experiment *experiment, const struct dv_strategy *strategy,
                               int64_t ranks);

#endif

/* What a run executes. */
#ifndef DV_HARNESS_COMMAND_H
#define DV_HARNESS_COMMAND_H

#include "harness/plan/plan.h"

/* argv, NULL at the end, in `memory`: the launcher for native runs, else `dejavu run` or an external
 * system's adapter with `job_directory`. `faults`: how many are planned, each of which may be
 * recovered from beside `max-restarts`. */
char **dv_command_make(const struct dv_experiment *experiment, const struct dv_cell *cell,
                       const char *job_directory, size_t faults, struct dv_arena *memory);
/* As one would type it. */
char *dv_command_text(char *const *argv, struct dv_arena *memory);

#endif

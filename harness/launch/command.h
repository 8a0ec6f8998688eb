/* What a run executes. */
#ifndef DV_HARNESS_COMMAND_H
#define DV_HARNESS_COMMAND_H

#include "harness/plan/plan.h"

/* argv, NULL at the end, in `memory`: mpiexec for native runs, else `dejavu run` with
 * `job_directory`. */
char **dv_command_make(const struct dv_experiment *experiment, const struct dv_cell *cell,
                       const char *job_directory, struct dv_arena *memory);
/* As one would type it. */
char *dv_command_text(char *const *argv, struct dv_arena *memory);

#endif

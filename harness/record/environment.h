/* Where the runs are made: processor, kernel, memory, libraries, MPI, DejaVu, clock. Rows for
 * /environment. */
#ifndef DV_HARNESS_ENVIRONMENT_H
#define DV_HARNESS_ENVIRONMENT_H

#include "harness/config/experiment.h"
#include "harness/record/schema.h"

#define DV_ENVIRONMENT_FILTER "filter" /* key of the session's --filter */

/* What cannot be found out becomes "unavailable". Runs `mpiexec --version`. */
void dv_environment_collect(const struct dv_experiment *experiment, int64_t session,
                            struct dv_tables *tables);

/* Processors that this process may use. */
int64_t dv_environment_processors(void);
double dv_environment_load(void); /* NaN: unknown */

#endif

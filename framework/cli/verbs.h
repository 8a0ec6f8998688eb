/* The verbs of the `dejavu` command. Each returns the exit status; options are in `cli`. */
#ifndef DV_CLI_VERBS_H
#define DV_CLI_VERBS_H

#include "control/job.h"

#include <dejavu/status.h>

int cli_run(void);
int cli_restart(void);
int cli_checkpoint(void);
int cli_status(void);
int cli_ls(void);
int cli_verify(void);
int cli_stop(void);
int cli_doctor(void);
int cli_compact(void);
int cli_gc(void);

/* The absolute path of the only operand, a job directory; reported. Free it. */
enum dv_status cli_job_directory(char **path) DV_CHECKED;
/* Level, nodes, parity and chain into the job, checked; what the job says of them as values below those that are given. */
enum dv_status cli_read_place(struct dv_job *job) DV_CHECKED;
enum dv_status cli_place_from_job(const struct dv_job *job) DV_CHECKED;
/* Do the named strategies exist, and understand their options? */
enum dv_status cli_check_strategies(const struct dv_job *job) DV_CHECKED;

#endif

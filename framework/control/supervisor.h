/* The supervisor: runs one job until it is over. It starts the ranks, asks them for checkpoints,
 * commits epochs, notices failures and starts the ranks again from the last committed epoch, and
 * answers the other verbs.
 *
 * One thread, one poll loop. The process must have no other children: it becomes a child subreaper,
 * and whatever is left of a failed set of ranks is killed before the next is started. */
#ifndef DV_CONTROL_SUPERVISOR_H
#define DV_CONTROL_SUPERVISOR_H

#include "control/job.h"

#include <stdbool.h>
#include <stdint.h>

struct dv_supervise {
    const char *job_directory; /* absolute; exists */
    const struct dv_job *job;
    int lock_fd;            /* from dv_job_lock; stays the caller's */
    bool restart;           /* begin with an epoch, not with the program's beginning */
    uint64_t restart_epoch; /* which; 0: the newest that is whole */
};

/* Run the job to its end. Returns the exit status for the command (see dejavu(1)). */
int dv_supervise(const struct dv_supervise *what);

#endif

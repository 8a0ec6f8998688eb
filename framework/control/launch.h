/* Starting ranks, and ending all that came of it.
 *
 * With mpiexec, the ranks' standard input and output do not go through hydra: it writes notices of
 * its own to the application's standard output when a rank dies, and loses what is on its way when
 * it is killed. The supervisor's streams are inherited at high descriptor numbers through mpiexec
 * and its proxy, and the small program dejavu-stdio puts them in place just before it becomes
 * dejavu-rank (standard error stays hydra's, see there):
 *
 *      dejavu --fork--> mpiexec       0, 1: /dev/null; 200, 201: the supervisor's 0, 1
 *                         '- hydra_pmi_proxy
 *                              '- dejavu-stdio 200 201 ... -> dejavu-rank     0, 1 in place
 *
 * The calling process must be the only parent (child subreaper) of the job: dv_tree_kill ends every
 * descendant. */
#ifndef DV_CONTROL_LAUNCH_H
#define DV_CONTROL_LAUNCH_H

#include "control/job.h"

#include <dejavu/status.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dv_launch {
    const char *job_directory;
    const struct dv_job *job;
    const char *rank_program;  /* dejavu-rank */
    const char *stdio_program; /* dejavu-stdio */
    const char *host;
    unsigned port;
    uint32_t incarnation;
    uint64_t restore_epoch;      /* 0: from the beginning */
    bool eager;                  /* read and check all of it first, whatever the job says */
    char *const *env;            /* the ranks' environment, ended by NULL */
    const sigset_t *signal_mask; /* what the child shall have blocked */
};

/* Start dejavu-rank, directly or under mpiexec. */
enum dv_status dv_launch_start(const struct dv_launch *what, pid_t *child) DV_CHECKED;

/* Send a signal to every descendant of this process; returns how many there were. */
unsigned dv_tree_kill(int signal_number);

/* How a process ended, after it was reaped, by whomever: from a pidfd that was opened before
 * (Linux 6.15 and newer). False: not known here. */
bool dv_pidfd_wait_status(int pidfd, int *wait_status);
int dv_pidfd_open(pid_t pid);

/* The path of a program that is installed beside this one; the environment variable `override` (may
 * be NULL) wins. */
enum dv_status dv_beside(const char *name, const char *override, char *path,
                         size_t path_bytes) DV_CHECKED;

#endif

/* Work that takes long, done by a child process while the supervisor's loop goes on: making copies and parity, compacting.
 *
 * The child is a fork of the supervisor without its descriptors; it dies with the supervisor, and with the job's ranks when
 * they are killed. What it does must therefore be safe to be killed at any point. Owned by the supervisor, one thread. */
#ifndef DV_CONTROL_HELPER_H
#define DV_CONTROL_HELPER_H

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct dv_helper {
    pid_t pid; /* 0: none runs */
    int result_fd;
    uint64_t began_ns, limit_ns;
};

/* What a helper has to say at its end. */
struct dv_helper_result {
    enum dv_status status;
    char why[600];    /* of a failure */
    uint64_t figures; /* the work's own */
};

/* Start `work` in a child: it returns a status, and may set `*figures`. `idle`: at the lowest priority for processor and
 * disk. Only when none runs. */
enum dv_status dv_helper_start(struct dv_helper *helper,
                               enum dv_status (*work)(void *arg, uint64_t *figures), void *arg,
                               uint64_t limit_ns, bool idle) DV_CHECKED;
/* A child was reaped: was it this one? Then its result. */
bool dv_helper_reaped(struct dv_helper *helper, pid_t pid, int wait_status,
                      struct dv_helper_result *result);
/* Stand still, and go on. No effect if none runs. */
void dv_helper_pause(const struct dv_helper *helper);
void dv_helper_go_on(const struct dv_helper *helper);
/* Kill it if it has run for too long; its end is then reaped like any other. */
void dv_helper_tick(struct dv_helper *helper, uint64_t now_ns);
/* When to tick next; UINT64_MAX: no need. */
uint64_t dv_helper_deadline_ns(const struct dv_helper *helper);
/* Kill it and wait for its end; nothing is reported. No effect if none runs. */
void dv_helper_kill(struct dv_helper *helper);

#endif

/* What the parts of the supervisor share; nobody else includes this.
 *
 *      supervisor.c    the poll loop, timers, signals
 *      agents.c        the ranks' connections and frames
 *      incarnation.c   starting, ending and restarting ranks
 *      checkpoints.c   epochs: when, and what comes of them
 *      choose.c        which epoch to restart from
 *      upkeep.c        redundancy, compaction, pruning
 *      commands.c      the other verbs' connections
 *
 *      LAUNCHING --all connected (restored)--> RUNNING --first end or loss--> ENDING
 *          ^                                                                    | all reaped
 *          '--- PAUSED (a moment, after failed restarts) <--- recover <------ decide
 */
#ifndef DV_CONTROL_SUPERVISOR_STATE_H
#define DV_CONTROL_SUPERVISOR_STATE_H

#include "control/conn.h"
#include "control/decide.h"
#include "control/epoch.h"
#include "control/events.h"
#include "control/helper.h"
#include "control/supervisor.h"
#include "store/manifest.h"

#include <signal.h>
#include <sys/types.h>

enum dv_sup_state { DV_SUP_LAUNCHING, DV_SUP_RUNNING, DV_SUP_ENDING, DV_SUP_PAUSED, DV_SUP_DONE };
enum dv_cause { DV_CAUSE_INTERVAL, DV_CAUSE_COMMAND, DV_CAUSE_SIGNAL, DV_CAUSE_STOP };

struct dv_sup_rank {
    struct dv_conn *conn; /* NULL: not connected (any more) */
    int pid, pidfd;       /* pidfd -1: another host, or an old kernel */
    char host[64];
    bool connected, restored, exiting, lost;
    struct dv_rank_end end;
};

/* A connection that is not (yet) an agent's: another verb's. */
struct dv_client {
    struct dv_conn *conn; /* NULL: to be removed */
    bool waits_checkpoint, waits_stop;
    uint64_t at_least; /* waits for this epoch number or a later one */
};

struct dv_sup {
    const struct dv_supervise *what;
    const struct dv_job *job;
    const char *directory;
    struct dv_events *events;
    char rank_program[4096], stdio_program[4096], host[64], strategy[128];
    uint8_t token[DV_WIRE_TOKEN_BYTES];
    char **env;
    sigset_t old_mask;
    int signal_fd, listen_fd;
    unsigned port, size;

    enum dv_sup_state state;
    struct dv_sup_rank *ranks;
    struct dv_rank_end *ends; /* scratch for dv_decide */
    unsigned order;           /* last number given to an event of a rank */
    unsigned round;           /* of the poll loop */
    pid_t child;
    bool child_reaped, child_killed, all_reaped;
    int child_status;
    uint32_t incarnation, restarts;
    uint64_t launched_ns, kill_at_ns, grace_ends_ns, dead_at_ns, resume_at_ns;
    unsigned failed_starts;       /* in a row */
    enum dv_status start_failure; /* what a rank said before it ran */
    char start_reason[600], hang[400];

    struct dv_epoch epoch;
    bool epoch_ready;
    uint64_t next_epoch, committed_epoch, restore_epoch; /* 0: none */
    uint64_t tried_epoch;                                /* that the ranks were last started from */
    /* The newest epoch that the ranks that run have in common with the store: captured from them, or what they were
     * restored from. 0: none, or it is damaged. */
    uint64_t parent_epoch;
    uint64_t stop_parent; /* what it was when the epoch under way began */
    struct dv_place place;
    struct dv_helper protector, compactor;
    uint64_t compacting_epoch; /* 0: none */
    uint64_t checkpoint_at_ns, proceed_ns, resume_ns;
    enum dv_cause cause;
    bool checkpoint_wanted; /* asked for while another was under way, or by a signal */
    uint64_t *bad_epochs;
    size_t bad_count;
    char last_refusal[700], last_reason[600], last_failure[300];
    int last_signal; /* that killed the application, if it brings that about itself */
    uint64_t last_signal_epoch;

    struct dv_client *clients;
    size_t client_count;

    int ended_by;  /* the signal that ends the job */
    bool stopping; /* dejavu stop: the job is being ended */
    int exit_status;
};

/* ---- incarnation.c ------------------------------------------------------- */
/* Start the ranks: from `restore_epoch`. */
void dv_sup_start(struct dv_sup *s);
/* A rank has ended or was lost: wait for the rest, a bounded time. */
void dv_sup_ending(struct dv_sup *s);
/* Kill everything now. */
void dv_sup_kill(struct dv_sup *s);
/* SIGCHLD. */
void dv_sup_reap(struct dv_sup *s);
void dv_sup_incarnation_tick(struct dv_sup *s, uint64_t now_ns);
uint64_t dv_sup_incarnation_deadline_ns(const struct dv_sup *s);
/* The supervisor ends with this status. */
void dv_sup_finish(struct dv_sup *s, int exit_status, const char *reason);

/* ---- choose.c ------------------------------------------------------------ */
/* The newest epoch that is whole and fits the job into `*epoch`, 0 if none was ever committed.
 * DV_ERR_DAMAGED: there are epochs, but none is whole. DV_ERR_MISMATCH: they are another job's.
 * Reported. */
enum dv_status dv_sup_choose_epoch(struct dv_sup *s, uint64_t *epoch) DV_CHECKED;
/* Check one epoch: DV_ERR_NOT_FOUND, DV_ERR_DAMAGED or DV_ERR_MISMATCH, reported. */
enum dv_status dv_sup_check_epoch(struct dv_sup *s, uint64_t epoch) DV_CHECKED;
/* Damage was found by reading: can it be made good from other nodes? True: it was. */
bool dv_sup_repair(struct dv_sup *s, uint64_t epoch);
void dv_sup_mark_bad(struct dv_sup *s, uint64_t epoch);

/* ---- agents.c ------------------------------------------------------------ */
/* The first frame of a connection was HELLO: it becomes rank's. True: the connection is taken over.
 */
bool dv_sup_hello(struct dv_sup *s, struct dv_conn *conn, const struct dv_wire_header *header,
                  const void *payload);
void dv_sup_agent_readable(struct dv_sup *s, unsigned rank);
/* The process is dead, whatever its connection says. */
void dv_sup_agent_died(struct dv_sup *s, unsigned rank);
void dv_sup_send_all(struct dv_sup *s, enum dv_wire_type type, const void *payload, size_t length,
                     const void *payload2, size_t length2);
/* Take in what the ranks have sent until now. */
void dv_sup_agents_drain(struct dv_sup *s);
void dv_sup_agents_forget(struct dv_sup *s);

/* ---- checkpoints.c ------------------------------------------------------- */
extern const struct dv_epoch_ops dv_sup_epoch_ops;
/* Why no checkpoint can be taken now, NULL if it can. */
const char *dv_sup_not_now(const struct dv_sup *s);
/* Begin an epoch if that is possible now; else `*why` says why not (never NULL then). */
bool dv_sup_checkpoint(struct dv_sup *s, enum dv_cause cause, const char **why);
void dv_sup_checkpoint_tick(struct dv_sup *s, uint64_t now_ns);
/* The ranks run: the interval begins. */
void dv_sup_interval_begin(struct dv_sup *s, uint64_t now_ns);

/* What the manifest of the epoch will say. Free its `rank`; all else is borrowed. */
enum dv_status dv_sup_manifest(struct dv_sup *s, uint64_t epoch, struct dv_manifest *m) DV_CHECKED;

/* ---- upkeep.c ------------------------------------------------------------- */
/* As dv_epoch_ops.protect. */
enum dv_status dv_sup_protect(struct dv_sup *s, uint64_t epoch) DV_CHECKED;
void dv_sup_prune(struct dv_sup *s);
/* Begin to compact the newest committed epoch if its chain is longer than the job wants. */
void dv_sup_compact(struct dv_sup *s);
/* Is the chain so long, because compaction lags behind, that the next epoch has to be complete? */
bool dv_sup_wants_complete(const struct dv_sup *s);
/* A child was reaped: was it a helper? */
bool dv_sup_upkeep_reaped(struct dv_sup *s, pid_t pid, int wait_status);
void dv_sup_upkeep_tick(struct dv_sup *s, uint64_t now_ns);
uint64_t dv_sup_upkeep_deadline_ns(const struct dv_sup *s);
void dv_sup_upkeep_kill(struct dv_sup *s);

/* ---- commands.c ---------------------------------------------------------- */
enum dv_status dv_sup_client_add(struct dv_sup *s, struct dv_conn *conn) DV_CHECKED;
void dv_sup_client_readable(struct dv_sup *s, struct dv_client *c);
/* An epoch has ended: whom does it concern? `status` DV_OK: committed. */
void dv_sup_clients_epoch(struct dv_sup *s, uint64_t epoch, enum dv_status status,
                          const char *text);
/* The job is over. */
void dv_sup_clients_end(struct dv_sup *s, const char *text);
void dv_sup_clients_clean(struct dv_sup *s);
bool dv_sup_stop_is_wanted(const struct dv_sup *s);

#endif

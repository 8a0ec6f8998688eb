/* Protocol strategies: WHEN ranks capture and what happens to messages.
 *
 * A protocol strategy runs in the upper half of each rank, inside the MPI library that replaces the real one, and
 * never touches pages. It may run inside a signal handler that stopped the application anywhere (even inside malloc):
 * it calls no libc function that locks or allocates, only the services below.
 *
 * Order of calls:
 *
 *     init -> { on_* hooks as the application communicates }
 *          -> quiesce(epoch) -> capture by the framework -> commit(epoch) | aborted(epoch) -> ...
 *     after a restore: recover() instead of commit, then the hooks again. */
#ifndef DEJAVU_PROTOCOL_H
#define DEJAVU_PROTOCOL_H

#include <dejavu/option.h>
#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

#define DV_PROTOCOL_API 1u

struct dv_protocol;

/* One point-to-point message as a hook sees it. */
struct dv_msg {
    uint64_t comm; /* the communicator's name, the same on all members */
    int32_t
        peer; /* rank in that communicator (remote rank on an intercommunicator); -1: any source */
    int32_t tag; /* -1: any tag */
    uint64_t bytes;
    const void *buffer; /* the application's, laid out by its datatype */
    uint64_t index;     /* how many messages went before on (comm, peer), this direction */
};

/* One collective operation, at its initiation. */
struct dv_coll {
    uint64_t comm;
    uint64_t index; /* initiations before this one on the communicator */
    const char *call;
    int blocking;
};

/* What the framework offers to a protocol. All are to be called from quiesce() or recover() only. */
struct dv_protocol_core {
    /* Bring all ranks to a cut of the collectives: publish the counters of all communicators, run on where others are
     * ahead (collective clocks), until all ranks of the job stand at the same counters at a safe point. Bounded.
     * DV_ERR_BEHIND: this rank must run on; return it unchanged, quiesce is called again at the next safe point.
     * DV_ERR_ABORTED: the epoch is given up. */
    enum dv_status (*reach_collective_cut)(struct dv_protocol *p, uint64_t epoch);
    /* Complete all initiated non-blocking collectives. After reach_collective_cut. */
    enum dv_status (*complete_collectives)(struct dv_protocol *p, uint64_t epoch);
    /* Receive every message in flight, on every live communicator, into the receiver; complete all sends. */
    enum dv_status (*drain_messages)(struct dv_protocol *p, uint64_t epoch);
    void (*explain)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

struct dv_protocol {
    const struct dv_protocol_ops *ops;
    const struct dv_protocol_core *core;
    void *
        state; /* state_size bytes, zeroed, options filled in; lives in the upper half, so it is saved */
    int rank, size;
};

enum dv_protocol_caps {
    DV_PROTOCOL_GLOBAL = 1u << 0, /* all ranks capture the same epoch and all roll back together */
};

struct dv_failure {
    uint64_t epoch;    /* the epoch this process image belongs to */
    uint32_t restarts; /* how many restores this job has seen, this one included */
};

struct dv_protocol_ops {
    uint32_t api; /* DV_PROTOCOL_API */
    const char *name, *summary;
    uint32_t caps; /* enum dv_protocol_caps */
    const struct dv_option *options;
    size_t state_size;
    enum dv_status (*init)(struct dv_protocol *p);
    enum dv_status (*on_send)(struct dv_protocol *p,
                              struct dv_msg *m); /* NULL: not hooked, costs nothing */
    enum dv_status (*on_recv)(struct dv_protocol *p, struct dv_msg *m);
    enum dv_status (*on_collective)(struct dv_protocol *p, struct dv_coll *c);
    /* Bring this rank to a state that may be captured for `epoch`. Required. May block; may be called several times for
     * one epoch (DV_ERR_BEHIND). Any other error gives the epoch up on all ranks, and `aborted` follows. */
    enum dv_status (*quiesce)(struct dv_protocol *p, uint64_t epoch);
    enum dv_status (*commit)(struct dv_protocol *p, uint64_t epoch);
    void (*aborted)(struct dv_protocol *p, uint64_t epoch);
    /* After a restore, MPI objects re-created, before the application goes on. */
    enum dv_status (*recover)(struct dv_protocol *p, const struct dv_failure *f);
    void (*fini)(struct dv_protocol *p);
};

/* The table of all protocol strategies, ended by NULL (strategies/protocol/table.c: one line each). */
extern const struct dv_protocol_ops *const dv_protocol_table[];

#endif

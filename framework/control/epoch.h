/* The life of one epoch as wire.h draws it, as a pure state machine: what ranks report goes in,
 * what is to be sent comes out through ops; no descriptor, no clock and no file is touched, so that
 * tests can script it.
 *
 *      IDLE --begin--> STOPPING --cut reached--> WRITING --all WRITTEN--> SYNCING --all DURABLE-->
 * IDLE (committed) |                         |                        |
 *                         '--------- failed, refused, out of time -----------'------------------->
 * IDLE (aborted)
 *
 * The cut. Each rank parks with its counters (one per communicator it knows, and DV_CUT_PHASE). The
 * maximum over the ranks of each counter is the target; ranks behind run on. Every time a maximum
 * grows the targets get a new version, and what ranks answered to older ones no longer counts. The
 * cut is reached when every rank has parked having heard of the newest version and no rank is
 * behind in any counter it reports. If nothing moves and that is not the case, a parked rank holds
 * up one that runs (it owes it a message): all parked ranks are stepped.
 *
 * Owned by the supervisor, one thread. Entries passed in are copied. */
#ifndef DV_CONTROL_EPOCH_H
#define DV_CONTROL_EPOCH_H

#include "control/wire.h"

#include <stdbool.h>

enum dv_epoch_phase {
    DV_EPOCH_IDLE,
    DV_EPOCH_STOPPING,
    DV_EPOCH_WRITING,
    DV_EPOCH_SYNCING,
    DV_EPOCH_PROTECTING, /* copies or parity are made; the ranks have nothing to do with it */
};

/* What the machine asks for; all are required. Called from within the functions below; they must
 * not call back into the machine. */
struct dv_epoch_ops {
    /* Send a struct dv_wire_epoch frame to all ranks: STEP, PROCEED, RESUME, ABORT or COMMITTED. */
    void (*tell)(void *arg, enum dv_wire_type type, uint64_t epoch);
    void (*target)(void *arg, uint64_t epoch, uint32_t version, const struct dv_wire_entry *entries,
                   uint32_t count);
    /* All images are durable: write the manifest. COMMITTED is told if this is DV_OK, else the
     * epoch is aborted. */
    enum dv_status (*commit)(void *arg, uint64_t epoch);
    /* The epoch is committed; all ranks were told. */
    void (*committed)(void *arg, uint64_t epoch);
    /* The epoch is given up; all ranks were told. `rank` < 0: no single rank is the cause. */
    void (*aborted)(void *arg, uint64_t epoch, enum dv_status status, int rank, const char *reason);
    /* The ranks must run but have not reported for too long while captured: only a restart helps.
     */
    void (*hung)(void *arg, uint64_t epoch, const char *reason);
    /* All images are durable: make the redundancy that the commit promises. DV_OK: there is nothing to make, or it is
     * made. DV_ERR_BUSY: it is being made, dv_epoch_protected will be called. NULL: nothing to make. */
    enum dv_status (*protect)(void *arg, uint64_t epoch);
};

struct dv_epoch_rank {
    bool parked;     /* since the newest target version, not stepped since */
    bool has_parked; /* at least once in this epoch */
    bool written, durable;
    struct dv_wire_entry *entries; /* its own counters, ascending by communicator */
    uint32_t count;
    struct dv_wire_figures figures;
};

struct dv_epoch {
    const struct dv_epoch_ops *ops;
    void *arg;
    uint64_t quiesce_timeout_ns, write_timeout_ns;
    enum dv_epoch_phase phase;
    uint64_t number;
    unsigned ranks;
    struct dv_epoch_rank *rank;
    struct dv_wire_entry *target; /* maxima, ascending by communicator */
    uint32_t target_count, version;
    uint64_t begin_ns, phase_ns; /* when the epoch, the phase began */
    uint64_t step_ns, step_wait_ns;
    unsigned steps;
};

/* The machine for jobs of `ranks` ranks. Timeouts: from begin to the cut; of writing and of syncing
 * each. */
enum dv_status dv_epoch_init(struct dv_epoch *e, unsigned ranks, uint64_t quiesce_timeout_ns,
                             uint64_t write_timeout_ns, const struct dv_epoch_ops *ops,
                             void *arg) DV_CHECKED;
void dv_epoch_fini(struct dv_epoch *e);

/* Begin: STOP was sent to all ranks. Only when idle. */
void dv_epoch_begin(struct dv_epoch *e, uint64_t number, uint64_t now_ns);
/* A frame of an agent about an epoch: PARKED, RAISE, WRITTEN, DURABLE, FAILED. Frames of other
 * epochs are left out: they crossed an ABORT. DV_ERR_PROTOCOL: the frame makes no sense (wrong
 * length or phase); the caller should drop the connection. */
enum dv_status dv_epoch_frame(struct dv_epoch *e, unsigned rank, enum dv_wire_type type,
                              const void *payload, size_t length, uint64_t now_ns) DV_CHECKED;
/* The connection of a rank is gone. Before it was durable: the epoch is aborted. */
void dv_epoch_lost(struct dv_epoch *e, unsigned rank, const char *reason);
/* Give up whatever is going on (nothing if idle). */
void dv_epoch_abort(struct dv_epoch *e, enum dv_status status, int rank, const char *reason);
/* What ops->protect began has ended. `reason`: of a failure. Without effect unless it is waited for. */
void dv_epoch_protected(struct dv_epoch *e, enum dv_status status, const char *reason);
/* Time has passed. */
void dv_epoch_tick(struct dv_epoch *e, uint64_t now_ns);
/* When to call dv_epoch_tick next; UINT64_MAX: no need. */
uint64_t dv_epoch_deadline_ns(const struct dv_epoch *e);

#endif

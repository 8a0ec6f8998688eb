/* The communication side of the MPI library: requests, messages that were drained, and what its
 * files share.
 *
 * A virtual request is in one of these states; blocking calls have none unless they are stopped:
 *
 *      free --(post)--> pending --(the real one completes, or it is drained)--> done --(Wait,
 * Test)--> free
 *                          ^------(Start)------ inactive <------(persistent)----------'
 *
 * Freed requests stay in the table with their handle, on a free list, so that posting costs neither
 * a lock nor an allocation. Ledger: `sent` counts when a send is posted, `received` when a receive
 * completes, when MPI_Mprobe takes a message, or when one is drained; MPI_PROC_NULL and what was
 * cancelled do not count. Persistent requests have no real counterpart: MPI_Start posts the
 * ordinary operation. Buffered sends are packed here and posted as ordinary ones, so the real
 * library knows no attached buffer.
 *
 * All memory is the arena's. Functions run on the application's threads inside an MPI call
 * (dv_in_mpi != 0). */
#ifndef DV_MPI_REQUESTS_H
#define DV_MPI_REQUESTS_H

#include "gate/lower_mpi.h"
#include "mpi/core.h"

#include <stdbool.h>

/* Call a service of dv_lower_mpi; value as DV_LOWER. */
#define DV_DOWN(service, ...)                                                                      \
    ({                                                                                             \
        uint64_t dv_fs_ = dv_gate_enter_here(dv_lower_fs_get());                                   \
        __auto_type dv_rc_ = DV_GATE->lower->mpi->service(__VA_ARGS__);                            \
        dv_gate_leave(dv_fs_);                                                                     \
        dv_rc_;                                                                                    \
    })

enum dv_request_what {
    DV_REQUEST_SEND,
    DV_REQUEST_RECV,
    DV_REQUEST_MATCHED,     /* MPI_Imrecv, and MPI_Mrecv when stopped */
    DV_REQUEST_COLLECTIVE,  /* non-blocking: completed before any capture */
    DV_REQUEST_GENERALIZED, /* known to the upper half only */
    DV_REQUEST_PAIR,        /* MPI_Isendrecv: two requests of their own */
    DV_REQUEST_BUFFERED,    /* MPI_Bsend_init, MPI_Ibsend: done as soon as it is packed */
    DV_REQUEST_FOREIGN,     /* passes through: no checkpoint while it lives */
};

enum dv_request_state { DV_REQUEST_FREE, DV_REQUEST_INACTIVE, DV_REQUEST_PENDING, DV_REQUEST_DONE };

struct dv_generalized; /* grequest.c */

struct dv_request {
    struct dv_object object;  /* real: MPI_REQUEST_NULL unless pending; serial: order of posting */
    uint8_t what, state;      /* enum dv_request_what, enum dv_request_state */
    uint8_t persistent, mode; /* enum dv_send_mode */
    uint8_t orphan;           /* the application has freed it: reaped when it is over */
    uint8_t cancelled;        /* MPI_Cancel was called while pending */
    uint8_t buffered;         /* a buffered send's message: buffer.c hears of its end */
    int error;                /* when done */
    struct dv_comm *comm;     /* held */
    const char *call;
    struct dv_side side; /* type: the application's handle, held */
    MPI_Status status;   /* when done */
    void *kept;          /* memory that the operation needs until it is over: a packed copy */
    size_t kept_bytes;
    MPI_Datatype *kept_types[2]; /* or translated handles */
    size_t kept_types_count[2];
    MPI_Op op;                         /* held, or MPI_OP_NULL */
    struct dv_request *next;           /* free list, orphans */
    struct dv_request *receive, *send; /* PAIR */
    struct dv_generalized *generalized;
};

/* A message that MPI_Mprobe took out of matching. */
struct dv_message {
    struct dv_object object; /* real: the real message, or MPI_MESSAGE_NULL if it is here: */
    struct dv_comm *comm;    /* held */
    struct dv_drained *drained;
    int source, tag;
    MPI_Count bytes;
};

/* ---- stops (safe_point.c) ------------------------------------------------ */

/* May this thread come to a safe point from inside the MPI call it is in? */
static inline bool dv_may_stop(void)
{
    return dv_is_main && dv_in_mpi == 1;
}
static inline enum dv_wait dv_wait_how(void)
{
    return dv_may_stop() ? DV_WAIT_STOP : DV_WAIT_FOREVER;
}

/* ---- hooks (protocol.c) -------------------------------------------------- */

/* The job's protocol's hooks, NULL if it has none. The functions below return an MPI error code. */
struct dv_hooks {
    enum dv_status (*on_send)(struct dv_protocol *p, struct dv_msg *m);
    enum dv_status (*on_recv)(struct dv_protocol *p, struct dv_msg *m);
    enum dv_status (*on_collective)(struct dv_protocol *p, struct dv_coll *c);
};
extern struct dv_hooks dv_hooks;
int dv_hook_send(struct dv_comm *comm, const struct dv_side *side);
int dv_hook_recv(struct dv_comm *comm, const struct dv_side *side);

/* ---- ledger -------------------------------------------------------------- */

static inline void dv_ledger_add(uint64_t *counter, uint64_t n)
{
    if (__builtin_expect(DV_GATE->thread_provided == MPI_THREAD_MULTIPLE, 0))
        __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
    else
        *counter += n;
}
static inline void dv_ledger_sent(struct dv_comm *comm, int peer)
{
    if (comm != NULL && peer >= 0)
        dv_ledger_add(&comm->sent[peer], 1);
}
static inline void dv_ledger_received(struct dv_comm *comm, int peer)
{
    if (comm != NULL && peer >= 0)
        dv_ledger_add(&comm->received[peer], 1);
}

/* ---- statuses ------------------------------------------------------------ */

static inline bool dv_status_is_cancelled(const MPI_Status *status)
{
    return (status->count_hi_and_cancelled & 1) != 0;
}
/* As MPICH: what a single completion gives leaves MPI_ERROR alone. */
static inline void dv_status_give(MPI_Status *to, const MPI_Status *from)
{
    if (to != MPI_STATUS_IGNORE) {
        to->count_lo = from->count_lo;
        to->count_hi_and_cancelled = from->count_hi_and_cancelled;
        to->MPI_SOURCE = from->MPI_SOURCE;
        to->MPI_TAG = from->MPI_TAG;
    }
}
static inline uint64_t dv_status_bytes(const MPI_Status *status)
{
    return (uint32_t)status->count_lo | (uint64_t)((uint32_t)status->count_hi_and_cancelled >> 1)
                                            << 32;
}
extern const MPI_Status dv_status_empty, dv_status_nobody;
/* The status of a message of this many bytes; MPI_ERROR is MPI_SUCCESS. */
MPI_Status dv_status_message(int source, int tag, uint64_t bytes);

/* ---- requests (request.c) ------------------------------------------------ */

struct dv_request *dv_request_new(enum dv_request_what what, struct dv_comm *comm,
                                  const char *call);
/* The same, and hold what the side's operation needs. */
struct dv_request *dv_request_new_side(enum dv_request_what what, struct dv_comm *comm,
                                       const struct dv_side *side, const char *call);
/* Back to the free list, all references given up. */
void dv_request_delete(struct dv_request *r);
/* The live request of a handle, or NULL. */
static inline struct dv_request *dv_request_get(MPI_Request handle)
{
    struct dv_request *r = (struct dv_request *)dv_object_find(handle, DV_KIND_REQUEST);
    return r != NULL && r->state != DV_REQUEST_FREE && !r->orphan ? r : NULL;
}
/* It has been posted as `real`. */
static inline void dv_request_posted(struct dv_request *r, MPI_Request real)
{
    r->object.real = real;
    r->state = DV_REQUEST_PENDING;
}
/* It is over: the ledger, what was kept, its result. */
void dv_request_finish(struct dv_request *r, int rc, const MPI_Status *status);
/* The application wants to hear no more of it. */
void dv_request_orphan(struct dv_request *r);
/* Place in the order of posting; dv_request_post gives it. */
uint64_t dv_request_serial(void);
/* Requests in the table at or after *index (which advances), in any state but free; NULL at the
 * end. */
struct dv_request *dv_request_next(uint32_t *index);
/* Non-blocking collectives: what the operation needs until it is over. */
void dv_request_keep_datatypes(MPI_Request handle, MPI_Datatype *types, size_t n);
void dv_request_keep_op(MPI_Request handle, MPI_Op op);
/* At MPI_Finalize: buffered sends are completed, the rest is given back to the real library as it
 * is. */
void dv_requests_end(void);

/* ---- completion (wait.c) ------------------------------------------------- */

/* Move it on; `how` as in lower_mpi.h. */
void dv_request_advance(struct dv_request *r, enum dv_wait how);
/* Until it is over, with safe points on the way. */
void dv_request_wait(struct dv_request *r);
/* Wait for an operation that has no handle of the application's; its error. The request is deleted.
 */
int dv_request_settle(struct dv_request *r, MPI_Status *status);

/* ---- posting (p2p.c) ----------------------------------------------------- */

/* Post the operation that `r->side` describes (also of persistent requests, and again after a
 * restore). May leave it done at once. Returns an MPI error code; then the state is unchanged. */
int dv_request_post(struct dv_request *r);
/* Pack what the side describes into arena memory of `memory_bytes`; `packed` then describes the
 * copy, as MPI_PACKED with the same envelope. Returns an MPI error code; then there is nothing to
 * free. */
int dv_pack(const struct dv_side *side, MPI_Comm real_comm, struct dv_side *packed,
            size_t *memory_bytes);

/* ---- buffered sends (buffer.c) ------------------------------------------- */

int dv_buffered_send(struct dv_comm *comm, const struct dv_side *side, const char *call);
void dv_buffered_over(struct dv_request *r);
void dv_buffered_flush(void);

/* ---- generalized requests (grequest.c) ----------------------------------- */

void dv_generalized_poll(struct dv_request *r);
int dv_generalized_query(struct dv_request *r);
int dv_generalized_free(struct dv_request *r);
int dv_generalized_cancel(struct dv_request *r);

/* ---- drained messages (drained.c) ---------------------------------------- */

/* The communicator for DejaVu's own messages: a duplicate of MPI_COMM_WORLD, made by
 * dv_internal_start. */
extern MPI_Comm dv_internal;
enum { DV_TAG_DELIVER, DV_TAG_DRAIN };
int dv_internal_start(void);
void dv_internal_stop(void);

/* The first drained message that matches, or NULL. */
struct dv_drained *dv_drained_find(const struct dv_comm *comm, int source, int tag);
/* Take it out of the queue. */
void dv_drained_take(struct dv_comm *comm, struct dv_drained *message);
void dv_drained_add(struct dv_comm *comm, struct dv_drained *message);
void dv_drained_free(struct dv_drained *message);
/* Deliver into the receiver's buffer with its (application's) datatype; an MPI error code and the
 * status. */
int dv_drained_deliver(const struct dv_drained *message, const struct dv_side *side,
                       MPI_Status *status);
/* If a drained message matches this receive: deliver it. true: done, *rc and *status say how. */
bool dv_drained_receive(struct dv_comm *comm, const struct dv_side *side, int *rc,
                        MPI_Status *status);

/* ---- cut and drain ------------------------------------------------------- */

enum dv_status dv_cut_reach(struct dv_protocol *p, uint64_t epoch);            /* cut.c */
enum dv_status dv_collectives_complete(struct dv_protocol *p, uint64_t epoch); /* cut.c */
enum dv_status dv_messages_drain(struct dv_protocol *p, uint64_t epoch);       /* drain.c */
void dv_drain_forget(
    void); /* after a restore: what was on its way in the old lower half is no more */
/* protocol.c: why a quiesce fails, once, by the function that knows it; what was said last. */
void dv_explain(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *dv_explained(void);

/* protocol.c: the running protocol, NULL outside MPI_Init ... MPI_Finalize. */
extern struct dv_protocol *dv_protocol;

/* Nanoseconds, CLOCK_MONOTONIC. */
uint64_t dv_clock_ns(void);

#endif

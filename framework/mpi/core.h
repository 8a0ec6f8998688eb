/* The core of the upper half's MPI library: what all its parts share.
 *
 * Every function here runs in the upper half, on the application's threads, possibly inside a signal handler that
 * stopped the main thread anywhere (so: no malloc, no stdio, no locks of libc; memory from dv_arena_*). All state lives
 * in upper-half memory and is therefore saved with an image.
 *
 * Virtual handles: an MPI handle that the application holds is never the real library's, except for predefined ones
 * (MPI_COMM_WORLD, MPI_INT, MPI_SUM, ...: MPICH's constants, equal in both halves). A virtual handle is
 * `DV_HANDLE(kind, index)`: MPICH's "direct" handle pattern with an index into the kind's table, so that it looks like
 * a handle of the right kind to everybody (C, Fortran) and is never mistaken for a null or predefined one.
 *
 * Who defines what: the communication side (p2p, requests, non-blocking collectives, safe_point.c, cut and drain)
 * defines dv_safe_point, struct dv_upper's contents, dv_collective_begin, dv_request_*, dv_comm_drop_drained,
 * dv_requests_*; the objects side everything else, dv_thread_attach, dv_is_main and dv_in_mpi included (init.c). */
#ifndef DV_MPI_CORE_H
#define DV_MPI_CORE_H

#include "gate/gate.h"
#include "mpi_fn.h" /* generated: enum dv_mpi_fn { DV_FN_MPI_Send, ... } and DV_FN_COUNT */

#include <dejavu/protocol.h>
#include <dejavu/status.h>

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the gate ------------------------------------------------------------ */

/* This thread's lower-half thread pointer; 0 until its first call. */
extern __thread uint64_t dv_lower_fs __attribute__((tls_model("initial-exec")));
uint64_t dv_thread_attach(void); /* slow path: asks the lower half */
/* Main thread, after a capture returned DV_OUTCOME_RESTORED and before anything crosses the gate: dv_lower_fs names a
 * thread of a process that is gone. */
void dv_thread_restored(void);

static inline uint64_t dv_lower_fs_get(void)
{
    uint64_t fs = dv_lower_fs;
    return __builtin_expect(fs != 0, 1) ? fs : dv_thread_attach();
}

/* dv_gate_enter without asking the processor: a thread that runs this library has its thread pointer at %fs:0. Not
 * __builtin_thread_pointer: the compiler may read that after the switch, where it is the other one's. */
static inline uint64_t dv_gate_enter_here(uint64_t lower_fs)
{
    uint64_t upper_fs;
    dv_gate_check_stack();
    __asm__ volatile("mov %%fs:0, %0" : "=r"(upper_fs)::"memory");
    *(uint64_t *)(lower_fs + (uint64_t)DV_GATE->upper_fs_offset) = upper_fs;
    dv_fs_set(lower_fs);
    return upper_fs;
}

/* Call the real MPI function `name` (PMPI_name's address in the lower half): DV_REAL(MPI_Send)(buf, ...).
 * Arguments must not touch thread-local variables. Value: what the function returns. */
#define DV_REAL(name, ...)                                                                         \
    ({                                                                                             \
        uint64_t dv_fs_ = dv_lower_fs_get();                                                       \
        __typeof__(&P##name) dv_fn_ = (__typeof__(&P##name))DV_GATE->mpi[DV_FN_##name];            \
        dv_fs_ = dv_gate_enter_here(dv_fs_);                                                       \
        __auto_type dv_rc_ = dv_fn_(__VA_ARGS__);                                                  \
        dv_gate_leave(dv_fs_);                                                                     \
        dv_rc_;                                                                                    \
    })
/* Call a service of the lower half: DV_LOWER(stop_epoch), DV_LOWER(refuse, epoch, text). */
#define DV_LOWER(service, ...)                                                                     \
    ({                                                                                             \
        uint64_t dv_fs_ = dv_gate_enter(dv_lower_fs_get());                                        \
        __auto_type dv_rc_ = DV_GATE->lower->service(__VA_ARGS__);                                 \
        dv_gate_leave(dv_fs_);                                                                     \
        dv_rc_;                                                                                    \
    })
#define DV_LOWER_VOID(service, ...)                                                                \
    do {                                                                                           \
        uint64_t dv_fs_ = dv_gate_enter(dv_lower_fs_get());                                        \
        DV_GATE->lower->service(__VA_ARGS__);                                                      \
        dv_gate_leave(dv_fs_);                                                                     \
    } while (0)

/* See struct dv_lower.written; only while DV_GATE->guard.on. */
#define DV_WRITTEN(buffer, displacement, count, type)                                              \
    DV_LOWER_VOID(written, (void *)(buffer), (int64_t)(displacement), (int64_t)(count), (int)(type))

/* Who uses which thunks (DV_LOWER(thunk, DV_THUNK_INDEX(user, i), function)); grequests: the communication side. A thunk
 * must be asked for again after a restore. */
enum dv_thunk_user { DV_THUNK_OP, DV_THUNK_GREQUEST, DV_THUNK_TOOL, DV_THUNK_FILE };
#define DV_THUNK_INDEX(user, i) ((uint32_t)(i)*4u + (uint32_t)(user))

/* ---- inside MPI, and safe points ----------------------------------------- */

/* Depth of MPI calls of the main thread: the parking signal returns at once while it is not 0, because dv_mpi_exit
 * looks at `stop`. Other threads do not count. */
extern volatile uint32_t dv_in_mpi;
extern __thread int dv_is_main __attribute__((tls_model("initial-exec")));

extern const struct dv_upper
    dv_upper; /* safe_point.c; init.c's constructor puts it into the gate */
/* safe_point.c: the job's protocol strategy (DV_GATE->protocol, protocol_options) is to be found and initialised; called
 * by MPI_Init after the real one and dv_world exist. Says why and returns an error if there is no such strategy. */
enum dv_status dv_protocol_start(void);
void dv_protocol_stop(void); /* at MPI_Finalize, before the real one */
void dv_safe_point(
    void); /* safe_point.c: answers the lower half's request, may capture, may come back restored */

static inline void dv_mpi_enter(const char *call)
{
    if (__builtin_expect(dv_is_main, 1)) {
        dv_in_mpi++;
        DV_GATE->mpi_call = call;
    }
}

static inline void dv_mpi_exit(void)
{
    if (__builtin_expect(dv_is_main, 1) && --dv_in_mpi == 0) {
        DV_GATE->mpi_call = NULL;
        if (__builtin_expect(DV_GATE->stop != 0, 0))
            dv_safe_point();
    }
}

/* ---- memory -------------------------------------------------------------- */

/* A private allocator (mmap-backed size classes, spin lock); async-signal-safe against the parking signal because that
 * signal does nothing while dv_in_mpi != 0. Returns zeroed memory; never NULL (refuses the call by aborting the
 * process with a reason if the kernel gives no memory). */
void *dv_arena_alloc(size_t bytes);
void dv_arena_free(void *pointer, size_t bytes);
void *dv_arena_grow(void *pointer, size_t old_bytes, size_t new_bytes);

/* ---- objects ------------------------------------------------------------- */

enum dv_kind { /* MPICH's kind numbers, bits 26..29 of a handle */
               DV_KIND_COMM = 0x1,
               DV_KIND_GROUP = 0x2,
               DV_KIND_DATATYPE = 0x3,
               DV_KIND_ERRHANDLER = 0x5,
               DV_KIND_OP = 0x6,
               DV_KIND_INFO = 0x7,
               DV_KIND_KEYVAL = 0x9,
               DV_KIND_REQUEST = 0xb,
               DV_KIND_MESSAGE = 0xf, /* ours: MPI_Message handles are requests in MPICH */
};
#define DV_HANDLE(kind, index)                                                                     \
    ((int)(0x80000000u | ((unsigned)(kind) << 26) | 0x100000u | (unsigned)(index)))
#define DV_HANDLE_IS_VIRTUAL(handle) (((unsigned)(handle)&0xc0100000u) == 0x80100000u)
#define DV_HANDLE_INDEX(handle) ((unsigned)(handle)&0xfffffu)

/* Common head of all virtual objects. An object lives while its handle or anything that uses it (a pending request, a
 * derived type, an attribute) does: `references`. */
struct dv_object {
    int handle; /* virtual */
    int real;   /* the lower half's, or the null handle if it has none now */
    enum dv_kind kind;
    int references;
    int freed;       /* the application has freed its handle */
    uint64_t serial; /* order of creation on this rank */
};

struct dv_attribute; /* attributes.c */

struct dv_comm {
    struct dv_object object;
    uint64_t name;           /* identical on all members, different for all live communicators */
    int rank, size;          /* local group */
    int remote_size;         /* 0: intracommunicator */
    int *world_ranks;        /* [size]: local group in MPI_COMM_WORLD ranks */
    int *remote_world_ranks; /* [remote_size] */
    uint64_t collectives;    /* collective clock: initiated so far, never reset */
    uint32_t children;       /* communicators created collectively from this one */
    /* ledger, per peer rank p of the peer group (remote if inter): messages on user tags */
    uint64_t *sent; /* [peers] sent to p */
    uint64_t
        *received; /* [peers] matched from p (completed receives and drained or Mprobed messages) */
    struct dv_drained *drained,
        *drained_last; /* FIFO of messages received before they were asked for */
    int errhandler;    /* virtual or predefined handle */
    struct dv_attribute *attributes;
    void *topology; /* topology.c: what to re-create (cart, graph, dist_graph), NULL if none */
    struct dv_pairs *hints; /* info hints, as described for the last capture */
    int foreign; /* has members outside MPI_COMM_WORLD (spawned, connected, sessions): never rebuilt */
    int lingering; /* freed while operations were pending on some member: see comm_free.c */
    char text[MPI_MAX_OBJECT_NAME];
};
struct dv_pairs; /* info.c: keys and values */

#include "mpi/handles.h"

/* A message that was received before the application asked for it: drained at a checkpoint. FIFO per communicator. */
struct dv_drained {
    struct dv_drained *next;
    int source, tag;
    uint64_t bytes;
    unsigned char *data;   /* packed bytes in native representation */
    MPI_Request receiving; /* while it is being drained, else MPI_REQUEST_NULL */
};

/* Look up; NULL if the handle names no live object. MPI_COMM_WORLD and MPI_COMM_SELF have dv_comm objects too. */
static inline struct dv_comm *dv_comm_get(MPI_Comm comm)
{
    if (comm == MPI_COMM_WORLD)
        return dv_world;
    if (comm == MPI_COMM_SELF)
        return dv_self;
    return (struct dv_comm *)dv_object_find(comm, DV_KIND_COMM);
}

/* Real handles for the lower half; a predefined or null handle is returned unchanged, a virtual one that names no live
 * object becomes one that the real library rejects. O(1). */
static inline MPI_Comm dv_comm_real(MPI_Comm comm)
{
    return dv_real_of(comm, DV_KIND_COMM);
}
static inline MPI_Group dv_group_real(MPI_Group group)
{
    return dv_real_of(group, DV_KIND_GROUP);
}
static inline MPI_Datatype dv_datatype_real(MPI_Datatype type)
{
    return dv_real_of(type, DV_KIND_DATATYPE);
}
static inline MPI_Op dv_op_real(MPI_Op op)
{
    return dv_real_of(op, DV_KIND_OP);
}
static inline MPI_Info dv_info_real(MPI_Info info)
{
    return dv_real_of(info, DV_KIND_INFO);
}
/* How many ranks a message or collective on the communicator can address: remote group if it has one. */
static inline int dv_comm_peers(const struct dv_comm *comm)
{
    return comm == NULL ? 0 : comm->remote_size > 0 ? comm->remote_size : comm->size;
}
/* Real handles of an array, in arena memory (NULL if handles is NULL or n is 0); release with dv_datatypes_done. */
MPI_Datatype *dv_datatypes_real(const MPI_Datatype *types, size_t n);
void dv_datatypes_done(MPI_Datatype *real, size_t n);
/* Number of neighbours of a communicator with a topology: sources (out = 0) or destinations (out = 1). */
size_t dv_comm_neighbours(MPI_Comm comm, int out);
/* Enter an object that the real library made; a predefined or null handle is returned unchanged. */
MPI_Datatype dv_datatype_adopt(MPI_Datatype real);
MPI_Group dv_group_adopt(MPI_Group real);
MPI_Info dv_info_adopt(MPI_Info real);

/* Any kind: a new object of `bytes` (>= sizeof(struct dv_object)), zeroed, with a handle and one reference; remove it
 * from its table and free its memory; both take the tables' lock. */
void *dv_object_new(enum dv_kind kind, size_t bytes);
void dv_object_delete(struct dv_object *object, size_t bytes);
/* Spin lock over the objects' tables, lists and reference counts; taken only under MPI_THREAD_MULTIPLE. */
void dv_objects_lock(void);
void dv_objects_unlock(void);
/* Reverse, for callbacks: the virtual handle of a real one (predefined unchanged). Not O(1). */
MPI_Datatype dv_datatype_virtual(MPI_Datatype real);
/* References by pending operations; datatype handles may be predefined (then nothing happens). */
void dv_comm_hold(struct dv_comm *comm);
void dv_comm_release(struct dv_comm *comm);
void dv_datatype_hold(MPI_Datatype type);
void dv_datatype_release(MPI_Datatype type);
void dv_op_hold(MPI_Op op);
void dv_op_release(MPI_Op op);

/* Iterate over live communicators sorted by name (the same order on all ranks): index 0.. until NULL. */
struct dv_comm *dv_comm_sorted(size_t index);

/* Enter `real`, made by creation call on `parent`, as a new virtual communicator (objects side). `how` tells apart
 * creations that are not collective over the parent. MPI_COMM_NULL gives MPI_COMM_NULL. */
MPI_Comm dv_comm_adopt(MPI_Comm real, struct dv_comm *parent, const char *how);

/* A collective is being initiated on the communicator: advance its clock, let the agent see it, call the protocol's
 * hook. To be called right before the real call. */
void dv_collective_begin(struct dv_comm *comm, const char *call, int blocking);

/* Errors: real objects always have MPI_ERRORS_RETURN; the wrapper calls this with the result, and it does what the
 * communicator's error handler says (return, abort as MPICH does, call the user's function with virtual handles).
 * comm may be NULL: MPI_COMM_WORLD's handler (MPI_COMM_SELF's in MPI-4). */
int dv_error(struct dv_comm *comm, int rc, const char *call);

/* ---- what cannot be checkpointed yet ------------------------------------- */

/* Objects that pass through (windows, files, ports, sessions, spawned communicators, partitioned or persistent
 * collective requests ...): while one is alive a checkpoint is refused with a reason that names `call` and where the
 * application called it (return address as object+offset via its mapping, e.g. "MPI_Win_create called from
 * myapp+0x1234"). */
void dv_unsupported_created(const char *call, uint64_t object, const void *return_address);
void dv_unsupported_freed(uint64_t object);
/* The first living one, as text; 0 if none. */
int dv_unsupported_alive(char *text, size_t bytes);

/* ---- describe and rebuild (objects side) --------------------------------- */

/* Before a capture, all ranks at the cut: ask the real library for what is needed to re-create objects and is not known
 * yet (groups' members, datatypes' envelopes, infos). May refuse with a reason. */
enum dv_status dv_objects_describe(char *why, size_t why_bytes);
/* After a restore: re-create everything in the new lower half (collective). `real` fields are all stale on entry. */
enum dv_status dv_objects_rebuild(char *why, size_t why_bytes);

/* ---- requests (communication side) --------------------------------------- */

/* Written by the communication side, called by the objects side and the generated wrappers. */
/* A real request of a kind that passes through (persistent collectives, RMA, files): enter it as a virtual request
 * during whose life (until it is completed, or freed if `persistent`) checkpoints are refused. comm may be NULL. */
MPI_Request dv_request_adopt(MPI_Request real, struct dv_comm *comm, const char *call,
                             int persistent, const void *return_address);
/* A real request of a non-blocking collective on comm (MPI_Comm_idup) after dv_collective_begin(comm, call, 0). */
MPI_Request dv_request_adopt_collective(MPI_Request real, struct dv_comm *comm, const char *call);
/* The last reference to a communicator is gone or it was rebuilt as empty: drop its drained messages. */
void dv_comm_drop_drained(struct dv_comm *comm);

/* After a restore, objects rebuilt: post pending receives again. */
enum dv_status dv_requests_rebuild(char *why, size_t why_bytes);
/* Is there a pending operation that a checkpoint cannot carry? Reason in why. */
enum dv_status dv_requests_check(char *why, size_t why_bytes);

#endif

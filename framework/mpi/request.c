/* Virtual requests: where they come from, how they end, and how they survive a restore. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

#include <string.h>

const MPI_Status dv_status_empty = {
    .MPI_SOURCE = MPI_ANY_SOURCE, .MPI_TAG = MPI_ANY_TAG, .MPI_ERROR = MPI_SUCCESS};

/* Of a receive from MPI_PROC_NULL; MPICH 4.0's MPI_Irecv leaves zeros instead, as if rank 0 had sent. */
const MPI_Status dv_status_nobody = {
    .MPI_SOURCE = MPI_PROC_NULL, .MPI_TAG = MPI_ANY_TAG, .MPI_ERROR = MPI_SUCCESS};

static struct dv_request *free_requests, *orphans;
static uint64_t posted; /* serial of the last request */
static volatile int lock;

/* Taken only under MPI_THREAD_MULTIPLE; nothing is called with it held. */
static void requests_lock(void)
{
    if (DV_GATE->thread_provided != MPI_THREAD_MULTIPLE)
        return;
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void requests_unlock(void)
{
    if (DV_GATE->thread_provided == MPI_THREAD_MULTIPLE)
        __atomic_clear(&lock, __ATOMIC_RELEASE);
}

MPI_Status dv_status_message(int source, int tag, uint64_t bytes)
{
    return (MPI_Status){
        .count_lo = (int)(uint32_t)bytes,
        .count_hi_and_cancelled = (int)(uint32_t)(bytes >> 32 << 1),
        .MPI_SOURCE = source,
        .MPI_TAG = tag,
        .MPI_ERROR = MPI_SUCCESS,
    };
}

/* ---- life ---------------------------------------------------------------- */

/* Requests that the application has freed are looked after whenever a new one is made. */
static void reap(void)
{
    requests_lock();
    struct dv_request *r = orphans;
    if (r != NULL)
        orphans = r->next;
    requests_unlock();
    if (r == NULL)
        return;
    dv_request_advance(r, DV_WAIT_ONCE);
    if (r->state == DV_REQUEST_PENDING)
        dv_request_orphan(r);
    else
        dv_request_delete(r);
}

uint64_t dv_request_serial(void)
{
    return __atomic_add_fetch(&posted, 1, __ATOMIC_RELAXED);
}

static struct dv_request *new_object(void)
{
    return dv_object_new(DV_KIND_REQUEST, sizeof(struct dv_request));
}

/* Predefined communicators live as long as MPI does. */
static inline bool is_counted(const struct dv_comm *comm)
{
    return comm != NULL && comm != dv_world && comm != dv_self;
}

struct dv_request *dv_request_new(enum dv_request_what what, struct dv_comm *comm, const char *call)
{
    if (__builtin_expect(orphans != NULL, 0))
        reap();
    requests_lock();
    struct dv_request *r = free_requests;
    if (r != NULL)
        free_requests = r->next;
    requests_unlock();
    if (r == NULL)
        r = new_object();
    r->object.real = MPI_REQUEST_NULL;
    r->what = (uint8_t)what;
    r->state = DV_REQUEST_INACTIVE;
    r->comm = comm;
    r->call = call;
    r->side.type = MPI_DATATYPE_NULL;
    if (is_counted(comm))
        dv_comm_hold(comm);
    return r;
}

struct dv_request *dv_request_new_side(enum dv_request_what what, struct dv_comm *comm,
                                       const struct dv_side *side, const char *call)
{
    struct dv_request *r = dv_request_new(what, comm, call);
    r->side = *side;
    if (DV_HANDLE_IS_VIRTUAL(side->type))
        dv_datatype_hold(side->type);
    return r;
}

static void give_up_kept(struct dv_request *r)
{
    if (r->kept != NULL)
        dv_arena_free(r->kept, r->kept_bytes);
    r->kept = NULL;
    for (int i = 0; i < 2; i++) {
        if (r->kept_types[i] != NULL)
            dv_datatypes_done(r->kept_types[i], r->kept_types_count[i]);
        r->kept_types[i] = NULL;
    }
    if (r->op != MPI_OP_NULL && r->op != 0)
        dv_op_release(r->op);
    r->op = MPI_OP_NULL;
}

void dv_request_delete(struct dv_request *r)
{
    if (r->what == DV_REQUEST_FOREIGN)
        dv_unsupported_freed((uint64_t)r->object.handle);
    if (r->generalized != NULL)
        dv_generalized_free(r);
    give_up_kept(r);
    if (DV_HANDLE_IS_VIRTUAL(r->side.type))
        dv_datatype_release(r->side.type);
    if (is_counted(r->comm))
        dv_comm_release(r->comm);
    r->state = DV_REQUEST_FREE;
    r->persistent = r->mode = r->orphan = r->cancelled = r->buffered = 0;
    r->comm = NULL;
    r->receive = r->send = NULL;
    r->generalized = NULL;
    requests_lock();
    r->next = free_requests;
    free_requests = r;
    requests_unlock();
}

/* A receive that took a message counts, also when the message was too long; one that was cancelled
 * does not. A send that was cancelled counts no more. */
static void count(struct dv_request *r, const MPI_Status *status)
{
    if (r->what == DV_REQUEST_RECV && r->side.peer != MPI_PROC_NULL &&
        !dv_status_is_cancelled(status)) {
        int source = status->MPI_SOURCE;
        if (dv_hooks.on_recv != NULL && source >= 0) {
            struct dv_side matched = {r->side.buffer, r->side.count, r->side.type, source,
                                      status->MPI_TAG};
            int rc = dv_hook_recv(r->comm, &matched);
            if (rc != MPI_SUCCESS && r->error == MPI_SUCCESS)
                r->error = rc;
        }
        dv_ledger_received(r->comm, source);
    } else if (r->what == DV_REQUEST_SEND && r->cancelled && dv_status_is_cancelled(status)) {
        dv_ledger_add(&r->comm->sent[r->side.peer], (uint64_t)-1);
    }
}

void dv_request_finish(struct dv_request *r, int rc, const MPI_Status *status)
{
    if (r->what != DV_REQUEST_FOREIGN || !r->persistent)
        r->object.real = MPI_REQUEST_NULL;
    r->state = DV_REQUEST_DONE;
    r->error = rc;
    r->status = *status;
    if (r->what == DV_REQUEST_RECV && r->side.peer == MPI_PROC_NULL &&
        !dv_status_is_cancelled(status))
        r->status = dv_status_nobody;
    if (r->what <= DV_REQUEST_RECV)
        count(r, status);
    if (r->buffered)
        dv_buffered_over(r);
    if (!r->persistent)
        give_up_kept(r);
}

void dv_request_orphan(struct dv_request *r)
{
    r->orphan = 1;
    requests_lock();
    r->next = orphans;
    orphans = r;
    requests_unlock();
}

struct dv_request *dv_request_next(uint32_t *index)
{
    const struct dv_table *table = &dv_tables[DV_KIND_REQUEST];
    while (*index < table->used) {
        struct dv_request *r = (struct dv_request *)table->items[(*index)++];
        if (r != NULL && r->state != DV_REQUEST_FREE)
            return r;
    }
    return NULL;
}

/* ---- requests that others make ------------------------------------------- */

MPI_Request dv_request_adopt(MPI_Request real, struct dv_comm *comm, const char *call,
                             int persistent, const void *return_address)
{
    if (real == MPI_REQUEST_NULL)
        return real;
    struct dv_request *r = dv_request_new(DV_REQUEST_FOREIGN, comm, call);
    dv_request_posted(r, real);
    if (persistent) {
        r->persistent = 1;
        r->state = DV_REQUEST_INACTIVE;
    }
    dv_unsupported_created(call, (uint64_t)r->object.handle, return_address);
    return r->object.handle;
}

MPI_Request dv_request_adopt_collective(MPI_Request real, struct dv_comm *comm, const char *call)
{
    if (real == MPI_REQUEST_NULL)
        return real;
    struct dv_request *r = dv_request_new(DV_REQUEST_COLLECTIVE, comm, call);
    dv_request_posted(r, real);
    return r->object.handle;
}

void dv_request_keep_datatypes(MPI_Request handle, MPI_Datatype *types, size_t n)
{
    struct dv_request *r = dv_request_get(handle);
    if (r == NULL) {
        dv_datatypes_done(types, n);
        return;
    }
    int slot = r->kept_types[0] != NULL;
    r->kept_types[slot] = types;
    r->kept_types_count[slot] = n;
}

void dv_request_keep_op(MPI_Request handle, MPI_Op op)
{
    struct dv_request *r = dv_request_get(handle);
    if (r == NULL || !DV_HANDLE_IS_VIRTUAL(op))
        return;
    dv_op_hold(op);
    r->op = op;
}

/* ---- freeing, cancelling ------------------------------------------------- */

static int request_free(MPI_Request *handle, const char *call)
{
    struct dv_request *r = handle != NULL ? dv_request_get(*handle) : NULL;
    int rc = MPI_SUCCESS;
    if (r == NULL)
        return dv_error(NULL, handle == NULL ? MPI_ERR_ARG : MPI_ERR_REQUEST, call);
    *handle = MPI_REQUEST_NULL;
    if (r->what == DV_REQUEST_FOREIGN && r->persistent) {
        rc = DV_REAL(MPI_Request_free, &r->object.real);
        dv_request_delete(r);
        return dv_error(NULL, rc, call);
    }
    r->persistent = 0;
    if (r->what == DV_REQUEST_PAIR && r->state == DV_REQUEST_PENDING) {
        dv_request_orphan(r->receive);
        dv_request_orphan(r->send);
        r->state = DV_REQUEST_DONE;
    }
    if (r->state == DV_REQUEST_PENDING) {
        dv_request_orphan(r);
        return MPI_SUCCESS;
    }
    if (r->what == DV_REQUEST_GENERALIZED)
        rc = dv_generalized_free(r);
    struct dv_comm *comm = r->comm;
    dv_request_delete(r);
    return rc == MPI_SUCCESS ? rc : dv_error(comm, rc, call);
}

int PMPI_Request_free(MPI_Request *request)
{
    dv_mpi_enter("MPI_Request_free");
    int rc = request_free(request, "MPI_Request_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Request_free);

static int request_cancel(struct dv_request *r)
{
    if (r->what == DV_REQUEST_GENERALIZED)
        return dv_generalized_cancel(r);
    if (r->what == DV_REQUEST_PAIR)
        return MPI_ERR_REQUEST; /* MPI 4.0, 3.7.3: only sends, receives and generalized requests */
    if (r->state != DV_REQUEST_PENDING)
        return MPI_SUCCESS;
    r->cancelled = 1;
    return DV_REAL(MPI_Cancel, &r->object.real);
}

int PMPI_Cancel(MPI_Request *request)
{
    dv_mpi_enter("MPI_Cancel");
    struct dv_request *r = request != NULL ? dv_request_get(*request) : NULL;
    int rc = r != NULL ? request_cancel(r) : request == NULL ? MPI_ERR_ARG : MPI_ERR_REQUEST;
    if (rc != MPI_SUCCESS)
        rc = dv_error(r != NULL ? r->comm : NULL, rc, "MPI_Cancel");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Cancel);

/* ---- checkpoint and restore ---------------------------------------------- */

enum dv_status dv_requests_check(char *why, size_t why_bytes)
{
    struct dv_request *r;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;) {
        if (r->what != DV_REQUEST_FOREIGN)
            continue;
        why[0] = '\0';
        dv_text_add(why, why_bytes, "a request of ");
        dv_text_add(why, why_bytes, r->call);
        dv_text_add(why, why_bytes, " is alive");
        return DV_ERR_REFUSED;
    }
    return DV_OK;
}

static void sift_down(struct dv_request **heap, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && heap[child + 1]->object.serial > heap[child]->object.serial)
            child++;
        if (heap[root]->object.serial >= heap[child]->object.serial)
            return;
        struct dv_request *r = heap[root];
        heap[root] = heap[child];
        heap[child] = r;
    }
}

/* Heap sort: in place, no recursion, nothing of libc's. */
static void sort_by_serial(struct dv_request **items, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(items, i, n);
    for (size_t i = n; i-- > 1;) {
        struct dv_request *r = items[0];
        items[0] = items[i];
        items[i] = r;
        sift_down(items, 0, i);
    }
}

static enum dv_status repost(struct dv_request *r, char *why, size_t why_bytes)
{
    int rc = MPI_ERR_INTERN;
    r->object.real = MPI_REQUEST_NULL;
    if (r->what == DV_REQUEST_RECV)
        rc = dv_request_post(r);
    if (rc == MPI_SUCCESS && r->cancelled)
        rc = DV_REAL(MPI_Cancel, &r->object.real);
    if (rc == MPI_SUCCESS)
        return DV_OK;
    dv_refuse_mpi(why, why_bytes, "posting a pending operation again", rc);
    dv_text_add(why, why_bytes, " (");
    dv_text_add(why, why_bytes, r->call);
    dv_text_add(why, why_bytes, ")");
    return DV_ERR_INTERNAL;
}

static bool is_posted(const struct dv_request *r)
{
    return r->state == DV_REQUEST_PENDING && r->what != DV_REQUEST_GENERALIZED &&
           r->what != DV_REQUEST_PAIR;
}

/* Receives, in the order in which they were posted: so they match in the same order. Nothing else
 * can be pending, the drain has completed it. */
enum dv_status dv_requests_rebuild(char *why, size_t why_bytes)
{
    struct dv_request *r;
    size_t n = 0;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;)
        n += is_posted(r);
    struct dv_request **pending = dv_arena_alloc((n + 1) * sizeof(*pending));
    size_t i = 0;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;)
        if (is_posted(r))
            pending[i++] = r;
    sort_by_serial(pending, n);
    enum dv_status status = DV_OK;
    for (i = 0; i < n && status == DV_OK; i++)
        status = repost(pending[i], why, why_bytes);
    dv_arena_free(pending, (n + 1) * sizeof(*pending));
    return status;
}

void dv_requests_end(void)
{
    struct dv_request *r;
    dv_buffered_flush();
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;)
        if (r->orphan && r->state == DV_REQUEST_PENDING && r->object.real != MPI_REQUEST_NULL) {
            MPI_Request real = r->object.real;
            DV_REAL(MPI_Request_free, &real);
            r->object.real = MPI_REQUEST_NULL;
            r->state = DV_REQUEST_DONE;
        }
}

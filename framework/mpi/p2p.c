/* Point-to-point communication: blocking and non-blocking sends and receives, and both at once.
 *
 * A blocking call goes down once, to a loop that watches the stop flag (rank/mpi_calls.c). Only if
 * it comes back stopped does the operation become a virtual request, which is waited for with safe
 * points on the way. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

#define SIDE(buf, count, type, peer, tag)                                                          \
    (&(struct dv_side){(void *)(uintptr_t)(buf), count, type, peer, tag})

static inline struct dv_side real_side(const struct dv_side *side)
{
    struct dv_side real = *side;
    real.type = dv_datatype_real(side->type);
    return real;
}

/* ---- blocking ------------------------------------------------------------ */

static int settle(enum dv_request_what what, struct dv_comm *comm, const struct dv_side *side,
                  const char *call, MPI_Request pending, MPI_Status *status)
{
    struct dv_request *r = dv_request_new_side(what, comm, side, call);
    dv_request_posted(r, pending);
    r->object.serial = dv_request_serial();
    return dv_request_settle(r, status);
}

static inline __attribute__((always_inline)) int
send_blocking(const struct dv_side *side, MPI_Comm handle, enum dv_send_mode mode, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    struct dv_side real = real_side(side);
    MPI_Comm real_comm = dv_comm_real_of(comm, handle);
    enum dv_wait how = dv_wait_how();
    MPI_Request pending;
    int rc = MPI_SUCCESS;

    if (__builtin_expect(dv_hooks.on_send != NULL, 0))
        rc = dv_hook_send(comm, side);
    if (rc == MPI_SUCCESS)
        rc = DV_DOWN(send, &real, real_comm, mode, how, &pending);
    if (__builtin_expect(rc == MPI_SUCCESS, 1)) {
        dv_ledger_sent(comm, side->peer);
        if (__builtin_expect(pending != MPI_REQUEST_NULL, 0))
            rc = settle(DV_REQUEST_SEND, comm, side, call, pending, MPI_STATUS_IGNORE);
    }
    if (__builtin_expect(rc != MPI_SUCCESS, 0))
        rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

/* A receive that is over: the hook and the ledger. */
static inline int received(struct dv_comm *comm, const struct dv_side *side, MPI_Status *status,
                           int rc)
{
    if (__builtin_expect(side->peer == MPI_PROC_NULL, 0)) {
        if (rc == MPI_SUCCESS)
            *status = dv_status_nobody;
        return rc;
    }
    int source = status->MPI_SOURCE;
    if (source < 0)
        return rc;
    if (__builtin_expect(dv_hooks.on_recv != NULL, 0)) {
        int hook_rc = dv_hook_recv(
            comm, SIDE(side->buffer, side->count, side->type, source, status->MPI_TAG));
        rc = rc != MPI_SUCCESS ? rc : hook_rc;
    }
    dv_ledger_received(comm, source);
    return rc;
}

static int receive_real(struct dv_comm *comm, MPI_Comm handle, const struct dv_side *side,
                        const char *call, MPI_Status *status)
{
    struct dv_side real = real_side(side);
    MPI_Comm real_comm = dv_comm_real_of(comm, handle);
    enum dv_wait how = dv_wait_how();
    MPI_Request pending;
    int rc = DV_DOWN(recv, &real, real_comm, how, status, &pending);
    if (__builtin_expect(pending == MPI_REQUEST_NULL, 1))
        return received(comm, side, status, rc);
    return settle(DV_REQUEST_RECV, comm, side, call, pending, status);
}

static inline __attribute__((always_inline)) int
recv_blocking(const struct dv_side *side, MPI_Comm handle, MPI_Status *status, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    MPI_Status own = {.MPI_SOURCE = MPI_ANY_SOURCE};
    int rc;

    if (__builtin_expect(comm == NULL || comm->drained == NULL, 1) ||
        !dv_drained_receive(comm, side, &rc, &own))
        rc = receive_real(comm, handle, side, call, &own);
    if (__builtin_expect(rc == MPI_SUCCESS, 1) || own.MPI_SOURCE != MPI_ANY_SOURCE)
        dv_status_give(status, &own);
    if (__builtin_expect(rc != MPI_SUCCESS, 0))
        rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

#define BLOCKING_SEND(name, mode)                                                                  \
    int PMPI_##name(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,          \
                    MPI_Comm comm)                                                                 \
    {                                                                                              \
        return send_blocking(SIDE(buf, count, datatype, dest, tag), comm, mode, "MPI_" #name);     \
    }                                                                                              \
    DV_EXPORT(MPI_##name);                                                                         \
    int PMPI_##name##_c(const void *buf, MPI_Count count, MPI_Datatype datatype, int dest,         \
                        int tag, MPI_Comm comm)                                                    \
    {                                                                                              \
        return send_blocking(SIDE(buf, count, datatype, dest, tag), comm, mode,                    \
                             "MPI_" #name "_c");                                                   \
    }                                                                                              \
    DV_EXPORT(MPI_##name##_c)

BLOCKING_SEND(Send, DV_SEND_STANDARD);
BLOCKING_SEND(Ssend, DV_SEND_SYNCHRONOUS);
BLOCKING_SEND(Rsend, DV_SEND_READY);

int PMPI_Recv(void *buf, int count, MPI_Datatype datatype, int source, int tag, MPI_Comm comm,
              MPI_Status *status)
{
    return recv_blocking(SIDE(buf, count, datatype, source, tag), comm, status, "MPI_Recv");
}
DV_EXPORT(MPI_Recv);

int PMPI_Recv_c(void *buf, MPI_Count count, MPI_Datatype datatype, int source, int tag,
                MPI_Comm comm, MPI_Status *status)
{
    return recv_blocking(SIDE(buf, count, datatype, source, tag), comm, status, "MPI_Recv_c");
}
DV_EXPORT(MPI_Recv_c);

/* ---- both at once -------------------------------------------------------- */

/* Stopped: what is not over becomes virtual requests before the safe point. */
static int settle_both(struct dv_comm *comm, const struct dv_side *send,
                       const struct dv_side *receive, const MPI_Request pending[2],
                       const char *call, MPI_Status *status)
{
    struct dv_request *out = NULL;
    int rc = MPI_SUCCESS, send_rc = MPI_SUCCESS;
    if (pending[1] != MPI_REQUEST_NULL) {
        out = dv_request_new_side(DV_REQUEST_SEND, comm, send, call);
        dv_request_posted(out, pending[1]);
    }
    if (pending[0] != MPI_REQUEST_NULL)
        rc = settle(DV_REQUEST_RECV, comm, receive, call, pending[0], status);
    if (out != NULL)
        send_rc = dv_request_settle(out, MPI_STATUS_IGNORE);
    return rc != MPI_SUCCESS ? rc : send_rc;
}

static int sendrecv_real(struct dv_comm *comm, MPI_Comm handle, const struct dv_side *send,
                         const struct dv_side *receive, const char *call, MPI_Status *status)
{
    struct dv_side real_send = real_side(send), real_receive = real_side(receive);
    MPI_Comm real_comm = dv_comm_real_of(comm, handle);
    enum dv_wait how = dv_wait_how();
    MPI_Request pending[2];
    int posted, rc = MPI_SUCCESS;
    if (__builtin_expect(dv_hooks.on_send != NULL, 0))
        rc = dv_hook_send(comm, send);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_DOWN(sendrecv, &real_send, &real_receive, real_comm, how, status, pending, &posted);
    if (!posted)
        return rc;
    dv_ledger_sent(comm, send->peer);
    if (pending[0] == MPI_REQUEST_NULL)
        rc = received(comm, receive, status, rc);
    if (__builtin_expect(pending[0] == MPI_REQUEST_NULL && pending[1] == MPI_REQUEST_NULL, 1))
        return rc;
    int later_rc = settle_both(comm, send, receive, pending, call, status);
    return rc != MPI_SUCCESS ? rc : later_rc;
}

static int send_alone(struct dv_comm *comm, const struct dv_side *side, const char *call)
{
    struct dv_request *r = dv_request_new_side(DV_REQUEST_SEND, comm, side, call);
    int rc = dv_request_post(r);
    if (rc == MPI_SUCCESS)
        return dv_request_settle(r, MPI_STATUS_IGNORE);
    dv_request_delete(r);
    return rc;
}

static int sendrecv(const struct dv_side *send, const struct dv_side *receive, MPI_Comm handle,
                    MPI_Status *status, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    MPI_Status own = {.MPI_SOURCE = MPI_ANY_SOURCE};
    int rc;

    if (__builtin_expect(comm != NULL && comm->drained != NULL, 0) &&
        dv_drained_receive(comm, receive, &rc, &own)) {
        int send_rc = send_alone(comm, send, call);
        rc = rc != MPI_SUCCESS ? rc : send_rc;
    } else {
        rc = sendrecv_real(comm, handle, send, receive, call, &own);
    }
    if (rc == MPI_SUCCESS || own.MPI_SOURCE != MPI_ANY_SOURCE)
        dv_status_give(status, &own);
    return rc == MPI_SUCCESS ? rc : dv_error(comm, rc, call);
}

int dv_pack(const struct dv_side *side, MPI_Comm real_comm, struct dv_side *packed,
            size_t *memory_bytes)
{
    MPI_Count bytes = 0, position = 0;
    MPI_Datatype type = dv_datatype_real(side->type);
    int rc = DV_REAL(MPI_Pack_size_c, side->count, type, real_comm, &bytes);
    if (rc != MPI_SUCCESS)
        return rc;
    *memory_bytes = (size_t)bytes > 0 ? (size_t)bytes : 1;
    *packed = (struct dv_side){dv_arena_alloc(*memory_bytes), 0, MPI_PACKED, side->peer, side->tag};
    if (bytes > 0)
        rc = DV_REAL(MPI_Pack_c, side->buffer, side->count, type, packed->buffer, bytes, &position,
                     real_comm);
    packed->count = position;
    if (rc != MPI_SUCCESS)
        dv_arena_free(packed->buffer, *memory_bytes);
    return rc;
}

static int sendrecv_replace(const struct dv_side *side, int dest, int send_tag, MPI_Comm handle,
                            MPI_Status *status, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    struct dv_side packed;
    size_t memory_bytes;
    int rc = dv_pack(SIDE(side->buffer, side->count, side->type, dest, send_tag),
                     dv_comm_real_of(comm, handle), &packed, &memory_bytes);
    if (rc != MPI_SUCCESS)
        return dv_error(comm, rc, call);
    rc = sendrecv(&packed, side, handle, status, call);
    dv_arena_free(packed.buffer, memory_bytes);
    return rc;
}

#define SENDRECV(name, count_type)                                                                 \
    int PMPI_##name(const void *sendbuf, count_type sendcount, MPI_Datatype sendtype, int dest,    \
                    int sendtag, void *recvbuf, count_type recvcount, MPI_Datatype recvtype,       \
                    int source, int recvtag, MPI_Comm comm, MPI_Status *status)                    \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = sendrecv(SIDE(sendbuf, sendcount, sendtype, dest, sendtag),                       \
                          SIDE(recvbuf, recvcount, recvtype, source, recvtag), comm, status,       \
                          "MPI_" #name);                                                           \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

SENDRECV(Sendrecv, int);
SENDRECV(Sendrecv_c, MPI_Count);

#define SENDRECV_REPLACE(name, count_type)                                                         \
    int PMPI_##name(void *buf, count_type count, MPI_Datatype datatype, int dest, int sendtag,     \
                    int source, int recvtag, MPI_Comm comm, MPI_Status *status)                    \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = sendrecv_replace(SIDE(buf, count, datatype, source, recvtag), dest, sendtag,      \
                                  comm, status, "MPI_" #name);                                     \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

SENDRECV_REPLACE(Sendrecv_replace, int);
SENDRECV_REPLACE(Sendrecv_replace_c, MPI_Count);

/* ---- posting ------------------------------------------------------------- */

static int post_send(struct dv_request *r, const struct dv_side *real)
{
    MPI_Comm comm = r->comm->object.real;
    enum dv_send_mode mode = r->mode;
    MPI_Request request;
    int rc = MPI_SUCCESS;
    if (__builtin_expect(dv_hooks.on_send != NULL, 0))
        rc = dv_hook_send(r->comm, &r->side);
    if (rc == MPI_SUCCESS)
        rc = DV_DOWN(isend, real, comm, mode, &request);
    if (rc != MPI_SUCCESS)
        return rc;
    dv_ledger_sent(r->comm, r->side.peer);
    if (request == MPI_REQUEST_NULL)
        dv_request_finish(r, MPI_SUCCESS, &dv_status_empty);
    else
        dv_request_posted(r, request);
    return MPI_SUCCESS;
}

static int post_receive(struct dv_request *r, const struct dv_side *real)
{
    MPI_Comm comm = r->comm->object.real;
    MPI_Request request;
    if (__builtin_expect(r->comm->drained != NULL, 0)) {
        MPI_Status status = {.MPI_SOURCE = MPI_ANY_SOURCE};
        int rc;
        if (dv_drained_receive(r->comm, &r->side, &rc, &status)) {
            r->state = DV_REQUEST_DONE;
            r->error = rc;
            r->status = status;
            return MPI_SUCCESS;
        }
    }
    int rc = DV_DOWN(irecv, real, comm, &request);
    if (rc == MPI_SUCCESS)
        dv_request_posted(r, request);
    return rc;
}

int dv_request_post(struct dv_request *r)
{
    struct dv_side real = real_side(&r->side);
    r->object.serial = dv_request_serial();
    r->cancelled = 0;
    switch (r->what) {
    case DV_REQUEST_SEND:
        return post_send(r, &real);
    case DV_REQUEST_RECV:
        return post_receive(r, &real);
    case DV_REQUEST_BUFFERED: {
        int rc = dv_buffered_send(r->comm, &r->side, r->call);
        if (rc == MPI_SUCCESS)
            dv_request_finish(r, MPI_SUCCESS, &dv_status_empty);
        return rc;
    }
    default:
        return MPI_ERR_REQUEST;
    }
}

/* A communicator that we do not know: the real library says what is wrong with it. */
static int post_nowhere(enum dv_request_what what, const struct dv_side *side, MPI_Comm handle)
{
    struct dv_side real = real_side(side);
    MPI_Comm real_comm = dv_comm_real(handle);
    MPI_Request request;
    int rc = what == DV_REQUEST_RECV ? DV_DOWN(irecv, &real, real_comm, &request)
                                     : DV_DOWN(isend, &real, real_comm, DV_SEND_STANDARD, &request);
    return rc != MPI_SUCCESS ? rc : MPI_ERR_COMM;
}

static inline int post(enum dv_request_what what, const struct dv_side *side, MPI_Comm handle,
                       enum dv_send_mode mode, MPI_Request *request, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc;
    if (__builtin_expect(comm != NULL && request != NULL, 1)) {
        struct dv_request *r = dv_request_new_side(what, comm, side, call);
        r->mode = (uint8_t)mode;
        rc = dv_request_post(r);
        if (__builtin_expect(rc == MPI_SUCCESS, 1))
            *request = r->object.handle;
        else
            dv_request_delete(r);
    } else {
        rc = comm == NULL ? post_nowhere(what, side, handle) : MPI_ERR_ARG;
    }
    if (__builtin_expect(rc != MPI_SUCCESS, 0))
        rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

#define POST_SEND_ONE(name, count_type, what, mode)                                                \
    int PMPI_##name(const void *buf, count_type count, MPI_Datatype datatype, int dest, int tag,   \
                    MPI_Comm comm, MPI_Request *request)                                           \
    {                                                                                              \
        return post(what, SIDE(buf, count, datatype, dest, tag), comm, mode, request,              \
                    "MPI_" #name);                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)
#define POST_SEND(name, what, mode)                                                                \
    POST_SEND_ONE(name, int, what, mode);                                                          \
    POST_SEND_ONE(name##_c, MPI_Count, what, mode)

POST_SEND(Isend, DV_REQUEST_SEND, DV_SEND_STANDARD);
POST_SEND(Issend, DV_REQUEST_SEND, DV_SEND_SYNCHRONOUS);
POST_SEND(Irsend, DV_REQUEST_SEND, DV_SEND_READY);
POST_SEND(Ibsend, DV_REQUEST_BUFFERED, DV_SEND_STANDARD);

int PMPI_Irecv(void *buf, int count, MPI_Datatype datatype, int source, int tag, MPI_Comm comm,
               MPI_Request *request)
{
    return post(DV_REQUEST_RECV, SIDE(buf, count, datatype, source, tag), comm, DV_SEND_STANDARD,
                request, "MPI_Irecv");
}
DV_EXPORT(MPI_Irecv);

int PMPI_Irecv_c(void *buf, MPI_Count count, MPI_Datatype datatype, int source, int tag,
                 MPI_Comm comm, MPI_Request *request)
{
    return post(DV_REQUEST_RECV, SIDE(buf, count, datatype, source, tag), comm, DV_SEND_STANDARD,
                request, "MPI_Irecv_c");
}
DV_EXPORT(MPI_Irecv_c);

/* Both at once, not waiting: two requests under the handle of a third. */
static int post_pair(const struct dv_side *send, size_t kept_bytes, const struct dv_side *receive,
                     struct dv_comm *comm, MPI_Request *request, const char *call)
{
    struct dv_request *in = dv_request_new_side(DV_REQUEST_RECV, comm, receive, call);
    struct dv_request *out = dv_request_new_side(DV_REQUEST_SEND, comm, send, call);
    if (kept_bytes > 0) {
        out->kept = send->buffer;
        out->kept_bytes = kept_bytes;
    }
    int rc = dv_request_post(in);
    if (rc != MPI_SUCCESS)
        goto out_delete;
    rc = dv_request_post(out);
    if (rc != MPI_SUCCESS)
        goto out_cancel;
    struct dv_request *r = dv_request_new(DV_REQUEST_PAIR, comm, call);
    r->state = DV_REQUEST_PENDING;
    r->receive = in;
    r->send = out;
    *request = r->object.handle;
    return MPI_SUCCESS;

out_cancel: /* a drained message that it took is lost with the erroneous call, as it would be with
               any other receive */
    if (in->state == DV_REQUEST_PENDING) {
        DV_REAL(MPI_Cancel, &in->object.real);
        dv_request_wait(in);
    }
out_delete:
    dv_request_delete(out);
    dv_request_delete(in);
    return rc;
}

static int isendrecv(const struct dv_side *send, const struct dv_side *receive, MPI_Comm handle,
                     MPI_Request *request, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = comm != NULL ? post_pair(send, 0, receive, comm, request, call)
                          : post_nowhere(DV_REQUEST_RECV, receive, handle);
    return rc == MPI_SUCCESS ? rc : dv_error(comm, rc, call);
}

static int isendrecv_replace(const struct dv_side *side, int dest, int send_tag, MPI_Comm handle,
                             MPI_Request *request, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    struct dv_side packed;
    size_t memory_bytes;
    if (comm == NULL)
        return dv_error(NULL, post_nowhere(DV_REQUEST_RECV, side, handle), call);
    int rc = dv_pack(SIDE(side->buffer, side->count, side->type, dest, send_tag), comm->object.real,
                     &packed, &memory_bytes);
    if (rc == MPI_SUCCESS)
        rc = post_pair(&packed, memory_bytes, side, comm, request, call);
    return rc == MPI_SUCCESS ? rc : dv_error(comm, rc, call);
}

#define ISENDRECV(name, count_type)                                                                \
    int PMPI_##name(const void *sendbuf, count_type sendcount, MPI_Datatype sendtype, int dest,    \
                    int sendtag, void *recvbuf, count_type recvcount, MPI_Datatype recvtype,       \
                    int source, int recvtag, MPI_Comm comm, MPI_Request *request)                  \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = isendrecv(SIDE(sendbuf, sendcount, sendtype, dest, sendtag),                      \
                           SIDE(recvbuf, recvcount, recvtype, source, recvtag), comm, request,     \
                           "MPI_" #name);                                                          \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

ISENDRECV(Isendrecv, int);
ISENDRECV(Isendrecv_c, MPI_Count);

#define ISENDRECV_REPLACE(name, count_type)                                                        \
    int PMPI_##name(void *buf, count_type count, MPI_Datatype datatype, int dest, int sendtag,     \
                    int source, int recvtag, MPI_Comm comm, MPI_Request *request)                  \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = isendrecv_replace(SIDE(buf, count, datatype, source, recvtag), dest, sendtag,     \
                                   comm, request, "MPI_" #name);                                   \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

ISENDRECV_REPLACE(Isendrecv_replace, int);
ISENDRECV_REPLACE(Isendrecv_replace_c, MPI_Count);

/* Probes, and messages that MPI_Mprobe took out of matching. Drained messages are looked at first,
 * always. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

static struct dv_message *message_get(MPI_Message handle)
{
    return (struct dv_message *)dv_object_find(handle, DV_KIND_MESSAGE);
}

static MPI_Message message_new(struct dv_comm *comm, const MPI_Status *status, MPI_Message real)
{
    struct dv_message *message = dv_object_new(DV_KIND_MESSAGE, sizeof *message);
    message->object.real = real;
    message->comm = comm;
    message->source = status->MPI_SOURCE;
    message->tag = status->MPI_TAG;
    message->bytes = (MPI_Count)dv_status_bytes(status);
    dv_comm_hold(comm);
    return message->object.handle;
}

static void message_delete(struct dv_message *message)
{
    if (message->drained != NULL)
        dv_drained_free(message->drained);
    dv_comm_release(message->comm);
    dv_object_delete(&message->object, sizeof *message);
}

/* ---- probing ------------------------------------------------------------- */

/* Among the drained messages. */
static bool probe_drained(struct dv_comm *comm, int source, int tag, MPI_Message *message,
                          MPI_Status *status)
{
    if (__builtin_expect(comm == NULL || comm->drained == NULL, 1) || source == MPI_PROC_NULL)
        return false;
    struct dv_drained *drained = dv_drained_find(comm, source, tag);
    if (drained == NULL)
        return false;
    *status = dv_status_message(drained->source, drained->tag, drained->bytes);
    if (message != NULL) {
        dv_drained_take(comm, drained);
        *message = message_new(comm, status, MPI_MESSAGE_NULL);
        message_get(*message)->drained = drained;
    }
    return true;
}

/* In the real library: matched messages count as received from here on. */
static int probe_real(struct dv_comm *comm, MPI_Comm handle, int source, int tag, enum dv_wait how,
                      int *found, MPI_Message *message, MPI_Status *status)
{
    MPI_Comm real_comm = dv_comm_real_of(comm, handle);
    MPI_Message real = MPI_MESSAGE_NULL, *to = message != NULL ? &real : NULL;
    *found = 0;
    int rc = DV_DOWN(probe, source, tag, real_comm, how, found, to, status);
    if (message == NULL || rc != MPI_SUCCESS || !*found)
        return rc;
    if (real == MPI_MESSAGE_NO_PROC || comm == NULL) {
        *message = real;
        return rc;
    }
    if (dv_hooks.on_recv != NULL) {
        const struct dv_side side = {NULL, 0, MPI_BYTE, status->MPI_SOURCE, status->MPI_TAG};
        rc = dv_hook_recv(comm, &side);
    }
    dv_ledger_received(comm, status->MPI_SOURCE);
    *message = message_new(comm, status, real);
    return rc;
}

static int probe(int source, int tag, MPI_Comm handle, bool wait, int *flag, MPI_Message *message,
                 MPI_Status *status, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    MPI_Status own = dv_status_empty;
    int rc = MPI_SUCCESS;
    for (;;) {
        *flag = probe_drained(comm, source, tag, message, &own);
        if (!*flag)
            rc = probe_real(comm, handle, source, tag, wait ? dv_wait_how() : DV_WAIT_ONCE, flag,
                            message, &own);
        if (rc != MPI_SUCCESS)
            return dv_error(comm, rc, call);
        if (*flag || !wait)
            break;
        if (DV_GATE->stop != 0 && dv_may_stop())
            dv_safe_point();
    }
    if (*flag)
        dv_status_give(status, &own);
    else if (message != NULL)
        *message = MPI_MESSAGE_NULL;
    return MPI_SUCCESS;
}

int PMPI_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    dv_mpi_enter("MPI_Probe");
    int flag, rc = probe(source, tag, comm, true, &flag, NULL, status, "MPI_Probe");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Probe);

int PMPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
    dv_mpi_enter("MPI_Iprobe");
    int rc = flag != NULL ? probe(source, tag, comm, false, flag, NULL, status, "MPI_Iprobe")
                          : dv_error(dv_comm_get(comm), MPI_ERR_ARG, "MPI_Iprobe");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Iprobe);

int PMPI_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
    dv_mpi_enter("MPI_Mprobe");
    int flag, rc = message != NULL
                       ? probe(source, tag, comm, true, &flag, message, status, "MPI_Mprobe")
                       : dv_error(dv_comm_get(comm), MPI_ERR_ARG, "MPI_Mprobe");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Mprobe);

int PMPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message,
                 MPI_Status *status)
{
    dv_mpi_enter("MPI_Improbe");
    int rc = message != NULL && flag != NULL
                 ? probe(source, tag, comm, false, flag, message, status, "MPI_Improbe")
                 : dv_error(dv_comm_get(comm), MPI_ERR_ARG, "MPI_Improbe");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Improbe);

/* ---- receiving what was probed ------------------------------------------- */

/* Begin to receive a matched message: a request that is pending or done. The message is gone unless
 * an error is returned. */
static int post_matched(struct dv_message *message, const struct dv_side *side, const char *call,
                        struct dv_request **out)
{
    struct dv_request *r = dv_request_new_side(DV_REQUEST_MATCHED, message->comm, side, call);
    MPI_Status status = dv_status_empty;
    int rc;
    if (message->drained != NULL) {
        rc = dv_drained_deliver(message->drained, side, &status);
        if (status.MPI_SOURCE < 0) { /* wrong arguments: nothing was delivered */
            dv_request_delete(r);
            return rc;
        }
        dv_request_finish(r, rc, &status);
    } else {
        struct dv_side real_side = *side;
        real_side.type = dv_datatype_real(side->type);
        MPI_Request request = MPI_REQUEST_NULL;
        MPI_Message *real = &message->object.real;
        rc = DV_DOWN(imrecv, &real_side, real, &request);
        if (rc != MPI_SUCCESS) {
            dv_request_delete(r);
            return rc;
        }
        dv_request_posted(r, request);
    }
    r->object.serial = dv_request_serial();
    message_delete(message);
    *out = r;
    return MPI_SUCCESS;
}

static int mrecv(const struct dv_side *side, MPI_Message *handle, MPI_Status *status,
                 const char *call)
{
    struct dv_message *message = handle != NULL ? message_get(*handle) : NULL;
    struct dv_request *r;
    if (message ==
        NULL) { /* MPI_MESSAGE_NO_PROC, or an error which the real library puts into words */
        MPI_Message real =
            handle != NULL && !DV_HANDLE_IS_VIRTUAL(*handle) ? *handle : MPI_MESSAGE_NULL;
        MPI_Datatype type = dv_datatype_real(side->type);
        int rc = DV_REAL(MPI_Mrecv_c, side->buffer, side->count, type, &real, status);
        if (rc == MPI_SUCCESS && handle != NULL)
            *handle = MPI_MESSAGE_NULL;
        return dv_error(NULL, rc, call);
    }
    struct dv_comm *comm = message->comm;
    int rc = post_matched(message, side, call, &r);
    if (rc == MPI_SUCCESS) {
        *handle = MPI_MESSAGE_NULL;
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): cannot be; the analyser loses track */
        rc = dv_request_settle(r, status);
    }
    return rc == MPI_SUCCESS ? rc : dv_error(comm, rc, call);
}

static int imrecv(const struct dv_side *side, MPI_Message *handle, MPI_Request *request,
                  const char *call)
{
    struct dv_message *message = handle != NULL ? message_get(*handle) : NULL;
    struct dv_request *r;
    if (message == NULL) {
        MPI_Message real =
            handle != NULL && !DV_HANDLE_IS_VIRTUAL(*handle) ? *handle : MPI_MESSAGE_NULL;
        MPI_Datatype type = dv_datatype_real(side->type);
        MPI_Request posted = MPI_REQUEST_NULL;
        int rc = DV_REAL(MPI_Imrecv_c, side->buffer, side->count, type, &real, &posted);
        if (rc != MPI_SUCCESS)
            return dv_error(NULL, rc, call);
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
        *handle = MPI_MESSAGE_NULL;
        struct dv_request *null = dv_request_new_side(DV_REQUEST_MATCHED, NULL, side, call);
        dv_request_posted(null, posted);
        *request = null->object.handle;
        return MPI_SUCCESS;
    }
    struct dv_comm *comm = message->comm;
    int rc = post_matched(message, side, call, &r);
    if (rc != MPI_SUCCESS)
        return dv_error(comm, rc, call);
    *handle = MPI_MESSAGE_NULL;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    *request = r->object.handle;
    return MPI_SUCCESS;
}

#define MRECV(name, count_type)                                                                    \
    int PMPI_##name(void *buf, count_type count, MPI_Datatype datatype, MPI_Message *message,      \
                    MPI_Status *status)                                                            \
    {                                                                                              \
        const struct dv_side side = {buf, count, datatype, MPI_ANY_SOURCE, MPI_ANY_TAG};           \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = mrecv(&side, message, status, "MPI_" #name);                                      \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

MRECV(Mrecv, int);
MRECV(Mrecv_c, MPI_Count);

#define IMRECV(name, count_type)                                                                   \
    int PMPI_##name(void *buf, count_type count, MPI_Datatype datatype, MPI_Message *message,      \
                    MPI_Request *request)                                                          \
    {                                                                                              \
        const struct dv_side side = {buf, count, datatype, MPI_ANY_SOURCE, MPI_ANY_TAG};           \
        dv_mpi_enter("MPI_" #name);                                                                \
        int rc = request != NULL ? imrecv(&side, message, request, "MPI_" #name)                   \
                                 : dv_error(NULL, MPI_ERR_ARG, "MPI_" #name);                      \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

IMRECV(Imrecv, int);
IMRECV(Imrecv_c, MPI_Count);

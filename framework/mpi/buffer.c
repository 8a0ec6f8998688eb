/* Buffered sends. A message is packed into memory of ours and sent as an ordinary one that nobody
 * waits for; the attached buffer only says how much may be under way. So the real library has no
 * buffer, and a restore has none to attach. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

static struct {
    void *address;
    size_t bytes;
    int attached;
} buffer;
static size_t bytes_under_way;

static inline size_t cost(const struct dv_request *r)
{
    return r->kept_bytes + MPI_BSEND_OVERHEAD;
}

void dv_buffered_over(struct dv_request *r)
{
    __atomic_fetch_sub(&bytes_under_way, cost(r), __ATOMIC_RELAXED);
}

static bool has_room(size_t bytes)
{
    return buffer.attached && bytes_under_way + bytes + MPI_BSEND_OVERHEAD <= buffer.bytes;
}

/* Let what is under way get on. */
static void advance_all(void)
{
    struct dv_request *r;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;)
        if (r->buffered)
            dv_request_advance(r, DV_WAIT_ONCE);
}

void dv_buffered_flush(void)
{
    struct dv_request *r;
    for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;)
        if (r->buffered)
            dv_request_wait(r);
}

int dv_buffered_send(struct dv_comm *comm, const struct dv_side *side, const char *call)
{
    struct dv_side packed;
    size_t memory_bytes;
    int rc = dv_pack(side, comm->object.real, &packed, &memory_bytes);
    if (rc != MPI_SUCCESS)
        return rc;
    struct dv_request *r = dv_request_new_side(DV_REQUEST_SEND, comm, &packed, call);
    r->kept = packed.buffer;
    r->kept_bytes = memory_bytes;
    if (side->peer != MPI_PROC_NULL && !has_room(memory_bytes)) {
        advance_all();
        if (!has_room(memory_bytes))
            rc = MPI_ERR_BUFFER;
    }
    if (rc == MPI_SUCCESS) {
        __atomic_fetch_add(&bytes_under_way, cost(r), __ATOMIC_RELAXED);
        r->buffered = 1;
        rc = dv_request_post(r);
        if (rc != MPI_SUCCESS)
            dv_buffered_over(r);
    }
    if (rc != MPI_SUCCESS || r->state == DV_REQUEST_DONE)
        dv_request_delete(r);
    else
        dv_request_orphan(r);
    return rc;
}

static int bsend(const struct dv_side *side, MPI_Comm handle, const char *call)
{
    struct dv_comm *comm = dv_comm_get(handle);
    dv_mpi_enter(call);
    int rc;
    if (comm != NULL) {
        rc = dv_buffered_send(comm, side, call);
    } else { /* the real library puts it into words */
        MPI_Comm real = dv_comm_real(handle);
        MPI_Datatype type = dv_datatype_real(side->type);
        rc = DV_REAL(MPI_Bsend_c, side->buffer, side->count, type, side->peer, side->tag, real);
    }
    if (rc != MPI_SUCCESS)
        rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Bsend(const void *buf, int count, MPI_Datatype datatype, int dest, int tag, MPI_Comm comm)
{
    const struct dv_side side = {(void *)(uintptr_t)buf, count, datatype, dest, tag};
    return bsend(&side, comm, "MPI_Bsend");
}
DV_EXPORT(MPI_Bsend);

int PMPI_Bsend_c(const void *buf, MPI_Count count, MPI_Datatype datatype, int dest, int tag,
                 MPI_Comm comm)
{
    const struct dv_side side = {(void *)(uintptr_t)buf, count, datatype, dest, tag};
    return bsend(&side, comm, "MPI_Bsend_c");
}
DV_EXPORT(MPI_Bsend_c);

static int attach(void *address, MPI_Count bytes, const char *call)
{
    dv_mpi_enter(call);
    int rc = MPI_SUCCESS;
    if (bytes < 0)
        rc = MPI_ERR_ARG;
    else if (buffer.attached || bytes < MPI_BSEND_OVERHEAD)
        rc = MPI_ERR_BUFFER;
    if (rc == MPI_SUCCESS) {
        buffer.address = address;
        buffer.bytes = (size_t)bytes;
        buffer.attached = 1;
    } else {
        rc = dv_error(NULL, rc, call);
    }
    dv_mpi_exit();
    return rc;
}

/* Waits until everything that was buffered is sent. */
static int detach(void *address, MPI_Count *bytes, const char *call)
{
    dv_mpi_enter(call);
    int rc = MPI_SUCCESS;
    if (buffer.attached) {
        dv_buffered_flush();
        *(void **)address = buffer.address;
        *bytes = (MPI_Count)buffer.bytes;
        buffer.attached = 0;
    } else {
        rc = dv_error(NULL, MPI_ERR_OTHER, call);
    }
    dv_mpi_exit();
    return rc;
}

int PMPI_Buffer_attach(void *buf, int size)
{
    return attach(buf, size, "MPI_Buffer_attach");
}
DV_EXPORT(MPI_Buffer_attach);

int PMPI_Buffer_attach_c(void *buf, MPI_Count size)
{
    return attach(buf, size, "MPI_Buffer_attach_c");
}
DV_EXPORT(MPI_Buffer_attach_c);

int PMPI_Buffer_detach(void *buffer_addr, int *size)
{
    MPI_Count bytes = 0;
    int rc = detach(buffer_addr, &bytes, "MPI_Buffer_detach");
    if (rc == MPI_SUCCESS)
        *size = (int)bytes;
    return rc;
}
DV_EXPORT(MPI_Buffer_detach);

int PMPI_Buffer_detach_c(void *buffer_addr, MPI_Count *size)
{
    return detach(buffer_addr, size, "MPI_Buffer_detach_c");
}
DV_EXPORT(MPI_Buffer_detach_c);

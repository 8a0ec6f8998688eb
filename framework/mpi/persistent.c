/* Persistent requests: templates from which MPI_Start posts the ordinary operation; and partitioned
 * communication, which passes through to the real library. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

/* ---- templates ----------------------------------------------------------- */

/* What the real library would find wrong with the arguments: it makes such a request and frees it.
 */
static int check_arguments(const struct dv_side *side, MPI_Comm handle, bool receive)
{
    MPI_Datatype type = dv_datatype_real(side->type);
    MPI_Comm comm = dv_comm_real(handle);
    MPI_Request request;
    int rc = receive ? DV_REAL(MPI_Recv_init_c, side->buffer, side->count, type, side->peer,
                               side->tag, comm, &request)
                     : DV_REAL(MPI_Send_init_c, side->buffer, side->count, type, side->peer,
                               side->tag, comm, &request);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Request_free, &request);
    return rc;
}

static int make_template(enum dv_request_what what, const struct dv_side *side, MPI_Comm handle,
                         enum dv_send_mode mode, MPI_Request *request, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = request != NULL ? check_arguments(side, handle, what == DV_REQUEST_RECV) : MPI_ERR_ARG;
    if (rc == MPI_SUCCESS) {
        struct dv_request *r = dv_request_new_side(what, comm, side, call);
        r->persistent = 1;
        r->mode = (uint8_t)mode;
        *request = r->object.handle;
    } else {
        rc = dv_error(comm, rc, call);
    }
    dv_mpi_exit();
    return rc;
}

#define TEMPLATE_ONE(name, count_type, qualifier, what, mode)                                      \
    int PMPI_##name(qualifier void *buf, count_type count, MPI_Datatype datatype, int peer,        \
                    int tag, MPI_Comm comm, MPI_Request *request)                                  \
    {                                                                                              \
        const struct dv_side side = {(void *)(uintptr_t)buf, count, datatype, peer, tag};          \
        return make_template(what, &side, comm, mode, request, "MPI_" #name);                      \
    }                                                                                              \
    DV_EXPORT(MPI_##name)
#define TEMPLATE(name, qualifier, what, mode)                                                      \
    TEMPLATE_ONE(name, int, qualifier, what, mode);                                                \
    TEMPLATE_ONE(name##_c, MPI_Count, qualifier, what, mode)

TEMPLATE(Send_init, const, DV_REQUEST_SEND, DV_SEND_STANDARD);
TEMPLATE(Ssend_init, const, DV_REQUEST_SEND, DV_SEND_SYNCHRONOUS);
TEMPLATE(Rsend_init, const, DV_REQUEST_SEND, DV_SEND_READY);
TEMPLATE(Bsend_init, const, DV_REQUEST_BUFFERED, DV_SEND_STANDARD);
TEMPLATE(Recv_init, , DV_REQUEST_RECV, DV_SEND_STANDARD);

/* ---- starting ------------------------------------------------------------ */

static int start(MPI_Request handle, const char *call)
{
    struct dv_request *r = dv_request_get(handle);
    if (r == NULL || !r->persistent || r->state != DV_REQUEST_INACTIVE)
        return dv_error(NULL, MPI_ERR_REQUEST, call);
    int rc;
    if (r->what == DV_REQUEST_FOREIGN) {
        rc = DV_REAL(MPI_Start, &r->object.real);
        if (rc == MPI_SUCCESS)
            r->state = DV_REQUEST_PENDING;
    } else {
        rc = dv_request_post(r);
    }
    return rc == MPI_SUCCESS ? rc : dv_error(r->comm, rc, call);
}

int PMPI_Start(MPI_Request *request)
{
    dv_mpi_enter("MPI_Start");
    int rc =
        request != NULL ? start(*request, "MPI_Start") : dv_error(NULL, MPI_ERR_ARG, "MPI_Start");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Start);

int PMPI_Startall(int count, MPI_Request array_of_requests[])
{
    dv_mpi_enter("MPI_Startall");
    int rc = MPI_SUCCESS;
    if (count < 0 || (count > 0 && array_of_requests == NULL))
        rc = dv_error(NULL, count < 0 ? MPI_ERR_COUNT : MPI_ERR_ARG, "MPI_Startall");
    for (int i = 0; i < count && rc == MPI_SUCCESS; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
        rc = start(array_of_requests[i], "MPI_Startall");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Startall);

/* ---- partitioned communication ------------------------------------------- */

#define PARTITIONED_INIT(name, qualifier)                                                          \
    int PMPI_##name(qualifier void *buf, int partitions, MPI_Count count, MPI_Datatype datatype,   \
                    int dest, int tag, MPI_Comm comm, MPI_Info info, MPI_Request *request)         \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        struct dv_comm *object = dv_comm_get(comm);                                                \
        MPI_Datatype type = dv_datatype_real(datatype);                                            \
        MPI_Comm real_comm = dv_comm_real_of(object, comm);                                        \
        MPI_Info real_info = dv_info_real(info);                                                   \
        int rc = DV_REAL(MPI_##name, buf, partitions, count, type, dest, tag, real_comm,           \
                         real_info, request);                                                      \
        if (rc == MPI_SUCCESS)                                                                     \
            *request =                                                                             \
                dv_request_adopt(*request, object, "MPI_" #name, 1, __builtin_return_address(0));  \
        else                                                                                       \
            rc = dv_error(object, rc, "MPI_" #name);                                               \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

PARTITIONED_INIT(Psend_init, const);
PARTITIONED_INIT(Precv_init, );

static MPI_Request real_request(MPI_Request handle)
{
    const struct dv_request *r = dv_request_get(handle);
    return r != NULL && r->what == DV_REQUEST_FOREIGN ? r->object.real : MPI_REQUEST_NULL;
}

#define PARTITIONED(name, parameters, ...)                                                         \
    int PMPI_##name parameters                                                                     \
    {                                                                                              \
        dv_mpi_enter("MPI_" #name);                                                                \
        MPI_Request real = real_request(request);                                                  \
        int rc = dv_error(NULL, DV_REAL(MPI_##name, __VA_ARGS__), "MPI_" #name);                   \
        dv_mpi_exit();                                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    DV_EXPORT(MPI_##name)

PARTITIONED(Pready, (int partition, MPI_Request request), partition, real);
PARTITIONED(Pready_range, (int partition_low, int partition_high, MPI_Request request),
            partition_low, partition_high, real);
PARTITIONED(Pready_list, (int length, int array_of_partitions[], MPI_Request request), length,
            array_of_partitions, real);
PARTITIONED(Parrived, (MPI_Request request, int partition, int *flag), real, partition, flag);

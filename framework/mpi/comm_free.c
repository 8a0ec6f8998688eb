/* MPI_Comm_free and MPI_Comm_disconnect.
 *
 * Freeing is a blocking, clocked collective here (an allreduce on the communicator), although in
 * MPICH it is local: so at any cut either all members have freed the communicator or none has, and
 * all re-create the same ones after a restore. The allreduce also tells whether some member still
 * has operations pending on it, or could not free it because an attribute's delete callback failed.
 * Then the communicator lingers: all members keep it, real one included, until a checkpoint's
 * description finds that nobody needs it any more. */
#include "mpi/export.h"
#include "mpi/objects.h"

/* Ask all members of both groups: is `flag` set anywhere? */
static int any_member(const struct dv_comm *comm, int flag, int *any)
{
    int rc = DV_REAL(MPI_Allreduce, &flag, any, 1, MPI_INT, MPI_MAX, comm->object.real);
    if (rc != MPI_SUCCESS || comm->remote_size == 0)
        return rc;
    /* On an intercommunicator that was the other group's answer; the other group's answer to it is
     * our own. */
    int remote = *any, local = 0;
    rc = DV_REAL(MPI_Allreduce, &remote, &local, 1, MPI_INT, MPI_MAX, comm->object.real);
    *any = remote | local;
    return rc;
}

static int free_foreign(struct dv_comm *comm, bool disconnect)
{
    int rc = disconnect ? DV_REAL(MPI_Comm_disconnect, &comm->object.real)
                        : DV_REAL(MPI_Comm_free, &comm->object.real);
    if (rc == MPI_SUCCESS) {
        comm->object.real = MPI_COMM_NULL;
        comm->object.freed = 1;
        dv_comm_release(comm);
    }
    return rc;
}

static int free_comm(struct dv_comm *comm, bool disconnect, const char *call)
{
    int callback_rc = dv_attributes_delete(comm->object.handle, &comm->attributes);
    if (comm->foreign) /* members outside know nothing of this protocol */
        return callback_rc != MPI_SUCCESS ? callback_rc : free_foreign(comm, disconnect);

    if (!comm->lingering) {
        int keep = comm->object.references > 1 || callback_rc != MPI_SUCCESS, any = keep;
        dv_collective_begin(comm, call, 1);
        if (dv_comm_peers(comm) > 1 || comm->remote_size > 0) {
            int rc = any_member(comm, keep, &any);
            if (rc != MPI_SUCCESS)
                return rc;
        }
        if (any) {
            comm->lingering = 1;
            dv_comm_hold(comm);
        }
    }
    if (callback_rc != MPI_SUCCESS)
        return callback_rc;
    comm->object.freed = 1;
    dv_comm_release(comm);
    return MPI_SUCCESS;
}

static int free_handle(MPI_Comm *handle, bool disconnect, const char *call)
{
    struct dv_comm *comm = NULL;
    int rc;

    if (handle != NULL && DV_HANDLE_IS_VIRTUAL(*handle))
        comm = dv_comm_get(*handle);
    if (comm != NULL && !comm->object.freed) {
        rc = free_comm(comm, disconnect, call);
    } else { /* null, predefined or dead: the real library finds the right words */
        MPI_Comm real = handle != NULL ? dv_comm_real(*handle) : MPI_COMM_NULL;
        MPI_Comm *argument = handle != NULL ? &real : NULL;
        if (comm != NULL)
            real = DV_HANDLE_INVALID;
        rc = disconnect ? DV_REAL(MPI_Comm_disconnect, argument) : DV_REAL(MPI_Comm_free, argument);
        comm = NULL;
    }
    if (rc != MPI_SUCCESS)
        return dv_error(comm, rc, call);
    if (handle != NULL)
        *handle = MPI_COMM_NULL;
    return MPI_SUCCESS;
}

int PMPI_Comm_free(MPI_Comm *comm)
{
    dv_mpi_enter("MPI_Comm_free");
    int rc = free_handle(comm, false, "MPI_Comm_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_free);

int PMPI_Comm_disconnect(MPI_Comm *comm)
{
    dv_mpi_enter("MPI_Comm_disconnect");
    int rc = free_handle(comm, true, "MPI_Comm_disconnect");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_disconnect);

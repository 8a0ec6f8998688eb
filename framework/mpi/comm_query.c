/* Questions about communicators, most answered here, and their names. */
#include "mpi/export.h"
#include "mpi/objects.h"

int PMPI_Comm_rank(MPI_Comm comm, int *rank)
{
    const struct dv_comm *object = dv_comm_get(comm);
    if (__builtin_expect(object != NULL && rank != NULL, 1)) {
        *rank = object->rank;
        return MPI_SUCCESS;
    }
    dv_mpi_enter("MPI_Comm_rank");
    MPI_Comm real = dv_comm_real(comm);
    int rc = dv_error(NULL, DV_REAL(MPI_Comm_rank, real, rank), "MPI_Comm_rank");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_rank);

int PMPI_Comm_size(MPI_Comm comm, int *size)
{
    const struct dv_comm *object = dv_comm_get(comm);
    if (__builtin_expect(object != NULL && size != NULL, 1)) {
        *size = object->size;
        return MPI_SUCCESS;
    }
    dv_mpi_enter("MPI_Comm_size");
    MPI_Comm real = dv_comm_real(comm);
    int rc = dv_error(NULL, DV_REAL(MPI_Comm_size, real, size), "MPI_Comm_size");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_size);

int PMPI_Comm_remote_size(MPI_Comm comm, int *size)
{
    dv_mpi_enter("MPI_Comm_remote_size");
    struct dv_comm *object = dv_comm_get(comm);
    int rc = MPI_SUCCESS;
    if (object != NULL && object->remote_size > 0 && size != NULL) {
        *size = object->remote_size;
    } else {
        MPI_Comm real = dv_comm_real_of(object, comm);
        rc = dv_error(object, DV_REAL(MPI_Comm_remote_size, real, size), "MPI_Comm_remote_size");
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_remote_size);

int PMPI_Comm_test_inter(MPI_Comm comm, int *flag)
{
    dv_mpi_enter("MPI_Comm_test_inter");
    struct dv_comm *object = dv_comm_get(comm);
    int rc = MPI_SUCCESS;
    if (object != NULL && flag != NULL) {
        *flag = object->remote_size > 0;
    } else {
        MPI_Comm real = dv_comm_real_of(object, comm);
        rc = dv_error(object, DV_REAL(MPI_Comm_test_inter, real, flag), "MPI_Comm_test_inter");
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_test_inter);

/* Not on the path of anything fast; the real library knows identity, congruence and similarity. */
int PMPI_Comm_compare(MPI_Comm comm1, MPI_Comm comm2, int *result)
{
    dv_mpi_enter("MPI_Comm_compare");
    struct dv_comm *object = dv_comm_get(comm1);
    MPI_Comm real1 = dv_comm_real_of(object, comm1), real2 = dv_comm_real(comm2);
    int rc = dv_error(object, DV_REAL(MPI_Comm_compare, real1, real2, result), "MPI_Comm_compare");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_compare);

/* The real communicator has the name too, for debuggers and tools; ours is there to name it again
 * after a restore. */
int PMPI_Comm_set_name(MPI_Comm comm, const char *comm_name)
{
    dv_mpi_enter("MPI_Comm_set_name");
    struct dv_comm *object = dv_comm_get(comm);
    MPI_Comm real = dv_comm_real_of(object, comm);
    int rc = DV_REAL(MPI_Comm_set_name, real, comm_name);
    if (rc == MPI_SUCCESS && object != NULL) {
        object->text[0] = '\0';
        dv_text_add(object->text, sizeof object->text, comm_name);
    }
    rc = dv_error(object, rc, "MPI_Comm_set_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_set_name);

int PMPI_Comm_get_name(MPI_Comm comm, char *comm_name, int *resultlen)
{
    dv_mpi_enter("MPI_Comm_get_name");
    struct dv_comm *object = dv_comm_get(comm);
    MPI_Comm real = dv_comm_real_of(object, comm);
    int rc = dv_error(object, DV_REAL(MPI_Comm_get_name, real, comm_name, resultlen),
                      "MPI_Comm_get_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_get_name);

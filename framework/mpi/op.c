/* User-defined reduction operations. The real operation calls a thunk of the lower half, which
 * switches to the upper thread pointer and calls op_invoke with the operation's table index. The
 * datatype is translated back. */
#include "mpi/export.h"
#include "mpi/objects.h"

/* How libmpichcxx calls a C++ function: see MPII_Op_set_cxx in MPICH. */
typedef void cxx_caller(const void *invec, void *inoutvec, int length, MPI_Datatype type,
                        MPI_User_function *);

static long op_invoke(uint64_t index, uint64_t invec, uint64_t inoutvec, uint64_t length,
                      uint64_t type)
{
    uint32_t op_index = (uint32_t)(index / 4);
    const struct dv_op *op =
        (const struct dv_op *)dv_object_find(DV_HANDLE(DV_KIND_OP, op_index), DV_KIND_OP);
    if (op == NULL)
        return 0; /* the library only calls operations that live */
    MPI_Datatype virtual = dv_datatype_virtual(*(MPI_Datatype *)type);
    if (op->cxx != NULL)
        ((cxx_caller *)op->cxx)((const void *)invec, (void *)inoutvec, *(int *)length, virtual,
                                op->function);
    else /* the large-count function differs in what `length` points to only */
        op->function((void *)invec, (void *)inoutvec, (int *)length, &virtual);
    return 0;
}

static int make_real(struct dv_op *op)
{
    uint32_t index = DV_THUNK_INDEX(DV_THUNK_OP, DV_HANDLE_INDEX(op->object.handle));
    void *thunk = DV_LOWER(thunk, index, (void *)op_invoke);
    if (thunk == NULL)
        return MPI_ERR_NO_MEM;
    int commutes = op->commutes;
    if (op->large)
        return DV_REAL(MPI_Op_create_c, (MPI_User_function_c *)thunk, commutes, &op->object.real);
    return DV_REAL(MPI_Op_create, (MPI_User_function *)thunk, commutes, &op->object.real);
}

static int create(MPI_User_function *function, int commute, bool large, MPI_Op *handle)
{
    if (function == NULL || handle == NULL) /* the real library finds the right words */
        return DV_REAL(MPI_Op_create, NULL, commute, handle);
    struct dv_op *op = dv_object_new(DV_KIND_OP, sizeof *op);
    op->function = function;
    op->commutes = commute != 0;
    op->large = large;
    int rc = make_real(op);
    if (rc != MPI_SUCCESS) {
        dv_object_delete(&op->object, sizeof *op);
        return rc;
    }
    *handle = op->object.handle;
    return MPI_SUCCESS;
}

int PMPI_Op_create(MPI_User_function *user_fn, int commute, MPI_Op *op)
{
    dv_mpi_enter("MPI_Op_create");
    int rc = dv_error(NULL, create(user_fn, commute, false, op), "MPI_Op_create");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Op_create);

int PMPI_Op_create_c(MPI_User_function_c *user_fn, int commute, MPI_Op *op)
{
    dv_mpi_enter("MPI_Op_create_c");
    int rc = dv_error(NULL, create((MPI_User_function *)(void *)user_fn, commute, true, op),
                      "MPI_Op_create_c");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Op_create_c);

/* Pending reductions hold the real operation; MPICH counts those references, and so must we. */
void dv_op_hold(MPI_Op op)
{
    struct dv_object *object = dv_object_find(op, DV_KIND_OP);
    if (object != NULL)
        dv_object_hold(object);
}

void dv_op_release(MPI_Op op)
{
    struct dv_op *object = (struct dv_op *)dv_object_find(op, DV_KIND_OP);
    if (object == NULL || !dv_object_release(&object->object))
        return;
    DV_REAL(MPI_Op_free, &object->object.real);
    dv_object_delete(&object->object, sizeof *object);
}

int PMPI_Op_free(MPI_Op *op)
{
    dv_mpi_enter("MPI_Op_free");
    struct dv_object *object = op != NULL ? dv_object_find(*op, DV_KIND_OP) : NULL;
    int rc = MPI_SUCCESS;
    if (object != NULL && !object->freed) {
        object->freed = 1;
        dv_op_release(*op);
        *op = MPI_OP_NULL;
    } else {
        MPI_Op real = op == NULL || object != NULL ? DV_HANDLE_INVALID : dv_op_real(*op);
        rc = dv_error(NULL, DV_REAL(MPI_Op_free, op != NULL ? &real : NULL), "MPI_Op_free");
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Op_free);

DV_VISIBLE void MPII_Op_set_cxx(MPI_Op op, void (*opcall)(void));
void MPII_Op_set_cxx(MPI_Op op, void (*opcall)(void))
{
    struct dv_op *object = (struct dv_op *)dv_object_find(op, DV_KIND_OP);
    if (object != NULL)
        object->cxx = opcall;
}

enum dv_status dv_ops_rebuild(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_op *op;
    while ((op = (struct dv_op *)dv_object_next(DV_KIND_OP, &index)) != NULL) {
        int rc = make_real(op);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "making a reduction operation again", rc);
    }
    return DV_OK;
}

/* The MPI functions for keyvals and attributes (attributes.c does the work), with their deprecated
 * forms and the ones that libmpichfort calls. */
#include "mpi/attributes.h"

/* ---- keyvals ------------------------------------------------------------- */

static int keyval_create(void *copy, void *delete, enum dv_kind kind, void *extra_state,
                         int *keyval, const char *call)
{
    dv_mpi_enter(call);
    int rc = dv_error(NULL, dv_keyval_create(copy, delete, kind, extra_state, keyval), call);
    dv_mpi_exit();
    return rc;
}

static int keyval_free(int *keyval, enum dv_kind kind, const char *call)
{
    dv_mpi_enter(call);
    int rc = dv_error(NULL, dv_keyval_free(keyval, kind), call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Comm_create_keyval(MPI_Comm_copy_attr_function *comm_copy_attr_fn,
                            MPI_Comm_delete_attr_function *comm_delete_attr_fn, int *comm_keyval,
                            void *extra_state)
{
    return keyval_create((void *)comm_copy_attr_fn, (void *)comm_delete_attr_fn, DV_KIND_COMM,
                         extra_state, comm_keyval, "MPI_Comm_create_keyval");
}
DV_EXPORT(MPI_Comm_create_keyval);

int PMPI_Keyval_create(MPI_Copy_function *copy_fn, MPI_Delete_function *delete_fn, int *keyval,
                       void *extra_state)
{
    return keyval_create((void *)copy_fn, (void *)delete_fn, DV_KIND_COMM, extra_state, keyval,
                         "MPI_Keyval_create");
}
DV_EXPORT(MPI_Keyval_create);

int PMPI_Type_create_keyval(MPI_Type_copy_attr_function *type_copy_attr_fn,
                            MPI_Type_delete_attr_function *type_delete_attr_fn, int *type_keyval,
                            void *extra_state)
{
    return keyval_create((void *)type_copy_attr_fn, (void *)type_delete_attr_fn, DV_KIND_DATATYPE,
                         extra_state, type_keyval, "MPI_Type_create_keyval");
}
DV_EXPORT(MPI_Type_create_keyval);

int PMPI_Win_create_keyval(MPI_Win_copy_attr_function *win_copy_attr_fn,
                           MPI_Win_delete_attr_function *win_delete_attr_fn, int *win_keyval,
                           void *extra_state)
{
    return keyval_create((void *)win_copy_attr_fn, (void *)win_delete_attr_fn, DV_KIND_OF_WIN,
                         extra_state, win_keyval, "MPI_Win_create_keyval");
}
DV_EXPORT(MPI_Win_create_keyval);

int PMPI_Comm_free_keyval(int *comm_keyval)
{
    return keyval_free(comm_keyval, DV_KIND_COMM, "MPI_Comm_free_keyval");
}
DV_EXPORT(MPI_Comm_free_keyval);

int PMPI_Keyval_free(int *keyval)
{
    return keyval_free(keyval, DV_KIND_COMM, "MPI_Keyval_free");
}
DV_EXPORT(MPI_Keyval_free);

int PMPI_Type_free_keyval(int *type_keyval)
{
    return keyval_free(type_keyval, DV_KIND_DATATYPE, "MPI_Type_free_keyval");
}
DV_EXPORT(MPI_Type_free_keyval);

int PMPI_Win_free_keyval(int *win_keyval)
{
    return keyval_free(win_keyval, DV_KIND_OF_WIN, "MPI_Win_free_keyval");
}
DV_EXPORT(MPI_Win_free_keyval);

/* ---- communicators ------------------------------------------------------- */

static int comm_set(MPI_Comm handle, int keyval, void *value, enum dv_attribute_type type,
                    const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = comm == NULL
                 ? MPI_ERR_COMM
                 : dv_attribute_set(handle, &comm->attributes, DV_KIND_COMM, keyval, value, type);
    rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

static int comm_get(MPI_Comm handle, int keyval, void *value, int *flag,
                    enum dv_attribute_type type, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc;
    if (comm == NULL || dv_keyval_is_builtin(keyval))
        rc = dv_builtin_comm_attribute(handle, keyval, value, flag, type);
    else
        rc = dv_attribute_get(&comm->attributes, DV_KIND_COMM, keyval, value, flag, type);
    rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

static int comm_delete(MPI_Comm handle, int keyval, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = comm == NULL ? MPI_ERR_COMM
                          : dv_attribute_delete(handle, &comm->attributes, DV_KIND_COMM, keyval);
    rc = dv_error(comm, rc, call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Comm_set_attr(MPI_Comm comm, int comm_keyval, void *attribute_val)
{
    return comm_set(comm, comm_keyval, attribute_val, DV_ATTRIBUTE_POINTER, "MPI_Comm_set_attr");
}
DV_EXPORT(MPI_Comm_set_attr);

int PMPI_Attr_put(MPI_Comm comm, int keyval, void *attribute_val)
{
    return comm_set(comm, keyval, attribute_val, DV_ATTRIBUTE_POINTER, "MPI_Attr_put");
}
DV_EXPORT(MPI_Attr_put);

int PMPI_Comm_get_attr(MPI_Comm comm, int comm_keyval, void *attribute_val, int *flag)
{
    return comm_get(comm, comm_keyval, attribute_val, flag, DV_ATTRIBUTE_POINTER,
                    "MPI_Comm_get_attr");
}
DV_EXPORT(MPI_Comm_get_attr);

int PMPI_Attr_get(MPI_Comm comm, int keyval, void *attribute_val, int *flag)
{
    return comm_get(comm, keyval, attribute_val, flag, DV_ATTRIBUTE_POINTER, "MPI_Attr_get");
}
DV_EXPORT(MPI_Attr_get);

int PMPI_Comm_delete_attr(MPI_Comm comm, int comm_keyval)
{
    return comm_delete(comm, comm_keyval, "MPI_Comm_delete_attr");
}
DV_EXPORT(MPI_Comm_delete_attr);

int PMPI_Attr_delete(MPI_Comm comm, int keyval)
{
    return comm_delete(comm, keyval, "MPI_Attr_delete");
}
DV_EXPORT(MPI_Attr_delete);

DV_VISIBLE int MPII_Comm_set_attr(MPI_Comm comm, int keyval, void *value,
                                  enum dv_attribute_type type);
int MPII_Comm_set_attr(MPI_Comm comm, int keyval, void *value, enum dv_attribute_type type)
{
    return comm_set(comm, keyval, value, type, "MPI_Comm_set_attr");
}

DV_VISIBLE int MPII_Comm_get_attr(MPI_Comm comm, int keyval, void *value, int *flag,
                                  enum dv_attribute_type type);
int MPII_Comm_get_attr(MPI_Comm comm, int keyval, void *value, int *flag,
                       enum dv_attribute_type type)
{
    return comm_get(comm, keyval, value, flag, type, "MPI_Comm_get_attr");
}

/* ---- datatypes ----------------------------------------------------------- */

static int type_set(MPI_Datatype handle, int keyval, void *value, enum dv_attribute_type type,
                    const char *call)
{
    dv_mpi_enter(call);
    struct dv_attribute **list = dv_datatype_attributes(handle, true);
    int rc = list == NULL ? MPI_ERR_TYPE
                          : dv_attribute_set(handle, list, DV_KIND_DATATYPE, keyval, value, type);
    rc = dv_error(NULL, rc, call);
    dv_mpi_exit();
    return rc;
}

static int type_get(MPI_Datatype handle, int keyval, void *value, int *flag,
                    enum dv_attribute_type type, const char *call)
{
    dv_mpi_enter(call);
    struct dv_attribute **list = dv_datatype_attributes(handle, true);
    int rc = list == NULL ? MPI_ERR_TYPE
                          : dv_attribute_get(list, DV_KIND_DATATYPE, keyval, value, flag, type);
    rc = dv_error(NULL, rc, call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Type_set_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val)
{
    return type_set(datatype, type_keyval, attribute_val, DV_ATTRIBUTE_POINTER,
                    "MPI_Type_set_attr");
}
DV_EXPORT(MPI_Type_set_attr);

int PMPI_Type_get_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val, int *flag)
{
    return type_get(datatype, type_keyval, attribute_val, flag, DV_ATTRIBUTE_POINTER,
                    "MPI_Type_get_attr");
}
DV_EXPORT(MPI_Type_get_attr);

int PMPI_Type_delete_attr(MPI_Datatype datatype, int type_keyval)
{
    dv_mpi_enter("MPI_Type_delete_attr");
    struct dv_attribute **list = dv_datatype_attributes(datatype, true);
    int rc = list == NULL ? MPI_ERR_TYPE
                          : dv_attribute_delete(datatype, list, DV_KIND_DATATYPE, type_keyval);
    rc = dv_error(NULL, rc, "MPI_Type_delete_attr");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_delete_attr);

DV_VISIBLE int MPII_Type_set_attr(MPI_Datatype datatype, int keyval, void *value,
                                  enum dv_attribute_type type);
int MPII_Type_set_attr(MPI_Datatype datatype, int keyval, void *value, enum dv_attribute_type type)
{
    return type_set(datatype, keyval, value, type, "MPI_Type_set_attr");
}

DV_VISIBLE int MPII_Type_get_attr(MPI_Datatype datatype, int keyval, void *value, int *flag,
                                  enum dv_attribute_type type);
int MPII_Type_get_attr(MPI_Datatype datatype, int keyval, void *value, int *flag,
                       enum dv_attribute_type type)
{
    return type_get(datatype, keyval, value, flag, type, "MPI_Type_get_attr");
}

/* ---- windows ------------------------------------------------------------- */

static int win_set(MPI_Win win, int keyval, void *value, enum dv_attribute_type type,
                   const char *call)
{
    dv_mpi_enter(call);
    struct dv_attribute **list = dv_win_attributes(win);
    int rc = list == NULL ? MPI_ERR_WIN
                          : dv_attribute_set(win, list, DV_KIND_OF_WIN, keyval, value, type);
    rc = dv_win_error(win, rc, call);
    dv_mpi_exit();
    return rc;
}

static int win_get(MPI_Win win, int keyval, void *value, int *flag, enum dv_attribute_type type,
                   const char *call)
{
    dv_mpi_enter(call);
    struct dv_attribute **list = dv_win_attributes(win);
    int rc;
    if (list == NULL || dv_keyval_is_builtin(keyval))
        rc = dv_builtin_win_attribute(win, keyval, value, flag, type);
    else
        rc = dv_attribute_get(list, DV_KIND_OF_WIN, keyval, value, flag, type);
    rc = dv_win_error(win, rc, call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Win_set_attr(MPI_Win win, int win_keyval, void *attribute_val)
{
    return win_set(win, win_keyval, attribute_val, DV_ATTRIBUTE_POINTER, "MPI_Win_set_attr");
}
DV_EXPORT(MPI_Win_set_attr);

int PMPI_Win_get_attr(MPI_Win win, int win_keyval, void *attribute_val, int *flag)
{
    return win_get(win, win_keyval, attribute_val, flag, DV_ATTRIBUTE_POINTER, "MPI_Win_get_attr");
}
DV_EXPORT(MPI_Win_get_attr);

int PMPI_Win_delete_attr(MPI_Win win, int win_keyval)
{
    dv_mpi_enter("MPI_Win_delete_attr");
    struct dv_attribute **list = dv_win_attributes(win);
    int rc =
        list == NULL ? MPI_ERR_WIN : dv_attribute_delete(win, list, DV_KIND_OF_WIN, win_keyval);
    rc = dv_win_error(win, rc, "MPI_Win_delete_attr");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Win_delete_attr);

DV_VISIBLE int MPII_Win_set_attr(MPI_Win win, int keyval, void *value, enum dv_attribute_type type);
int MPII_Win_set_attr(MPI_Win win, int keyval, void *value, enum dv_attribute_type type)
{
    return win_set(win, keyval, value, type, "MPI_Win_set_attr");
}

DV_VISIBLE int MPII_Win_get_attr(MPI_Win win, int keyval, void *value, int *flag,
                                 enum dv_attribute_type type);
int MPII_Win_get_attr(MPI_Win win, int keyval, void *value, int *flag, enum dv_attribute_type type)
{
    return win_get(win, keyval, value, flag, type, "MPI_Win_get_attr");
}

/* The MPI_T interface where handles or callbacks are in it; the rest is generated. Handles of
 * control and performance variables are the real library's, so while one lives no checkpoint is
 * possible. */
#include "mpi/export.h"
#include "mpi/objects.h"

#define CALLER __builtin_return_address(0)

MPI_T_pvar_handle dv_pvar_real(MPI_T_pvar_handle handle)
{
    if (handle != MPI_T_PVAR_ALL_HANDLES)
        return handle;
    return *(MPI_T_pvar_handle *)DV_GATE->mpi[DV_FN_MPI_T_PVAR_ALL_HANDLES];
}

/* ---- initialization is counted, and done again after a restore ----------- */

static int initialized, required_level;

int PMPI_T_init_thread(int required, int *provided)
{
    dv_mpi_enter("MPI_T_init_thread");
    int rc = DV_REAL(MPI_T_init_thread, required, provided);
    if (rc == MPI_SUCCESS) {
        initialized++;
        required_level = required;
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_init_thread);

int PMPI_T_finalize(void)
{
    dv_mpi_enter("MPI_T_finalize");
    int rc = DV_REAL(MPI_T_finalize);
    if (rc == MPI_SUCCESS)
        initialized--;
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_finalize);

enum dv_status dv_tools_rebuild(char *why, size_t why_bytes)
{
    for (int i = 0, provided; i < initialized; i++) {
        int rc = DV_REAL(MPI_T_init_thread, required_level, &provided);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "MPI_T_init_thread after a restore", rc);
    }
    return DV_OK;
}

/* ---- variables bound to objects: `object` points to a handle of the kind that the variable is
 * bound to ---- */

static void *bound(int bind, void *object, int *real)
{
    if (object == NULL)
        return NULL;
    int handle = *(int *)object;
    switch (bind) {
    case MPI_T_BIND_MPI_COMM:
        *real = dv_comm_real(handle);
        return real;
    case MPI_T_BIND_MPI_DATATYPE:
        *real = dv_datatype_real(handle);
        return real;
    case MPI_T_BIND_MPI_GROUP:
        *real = dv_group_real(handle);
        return real;
    case MPI_T_BIND_MPI_OP:
        *real = dv_op_real(handle);
        return real;
    case MPI_T_BIND_MPI_INFO:
        *real = dv_info_real(handle);
        return real;
    default: /* nothing, or an object that passes through */
        return object;
    }
}

int PMPI_T_cvar_handle_alloc(int cvar_index, void *obj_handle, MPI_T_cvar_handle *handle,
                             int *count)
{
    dv_mpi_enter("MPI_T_cvar_handle_alloc");
    int bind = MPI_T_BIND_NO_OBJECT, real, length = 0, more = 0;
    DV_REAL(MPI_T_cvar_get_info, cvar_index, NULL, &length, NULL, NULL, NULL, NULL, &more, &bind,
            NULL);
    void *object = bound(bind, obj_handle, &real);
    int rc = DV_REAL(MPI_T_cvar_handle_alloc, cvar_index, object, handle, count);
    if (rc == MPI_SUCCESS)
        dv_unsupported_created("MPI_T_cvar_handle_alloc", (uint64_t)*handle, CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_cvar_handle_alloc);

int PMPI_T_pvar_handle_alloc(MPI_T_pvar_session session, int pvar_index, void *obj_handle,
                             MPI_T_pvar_handle *handle, int *count)
{
    dv_mpi_enter("MPI_T_pvar_handle_alloc");
    int bind = MPI_T_BIND_NO_OBJECT, real, length = 0, more = 0;
    DV_REAL(MPI_T_pvar_get_info, pvar_index, NULL, &length, NULL, NULL, NULL, NULL, NULL, &more,
            &bind, NULL, NULL, NULL);
    void *object = bound(bind, obj_handle, &real);
    int rc = DV_REAL(MPI_T_pvar_handle_alloc, session, pvar_index, object, handle, count);
    if (rc == MPI_SUCCESS)
        dv_unsupported_created("MPI_T_pvar_handle_alloc", (uint64_t)*handle, CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_pvar_handle_alloc);

/* ---- events: MPICH 4.0 has none, so the real functions reject every index and registration before
 * they would call anything. Another library might have some; its callbacks would run on the wrong
 * side of the gate, so with those the application is told that events are not supported. ---- */

static int events_rc(int rc)
{
    int events = 0;
    if (DV_REAL(MPI_T_event_get_num, &events) == MPI_SUCCESS && events > 0)
        return MPI_T_ERR_NOT_SUPPORTED;
    return rc;
}

int PMPI_T_event_handle_alloc(int event_index, void *obj_handle, MPI_Info info,
                              MPI_T_event_registration *event_registration)
{
    dv_mpi_enter("MPI_T_event_handle_alloc");
    MPI_Info real_info = dv_info_real(info);
    int rc = events_rc(MPI_SUCCESS);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_T_event_handle_alloc, event_index, obj_handle, real_info,
                     event_registration);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_event_handle_alloc);

int PMPI_T_event_register_callback(MPI_T_event_registration event_registration,
                                   MPI_T_cb_safety cb_safety, MPI_Info info, void *user_data,
                                   MPI_T_event_cb_function event_cb_function)
{
    dv_mpi_enter("MPI_T_event_register_callback");
    MPI_Info real_info = dv_info_real(info);
    int rc = events_rc(MPI_SUCCESS);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_T_event_register_callback, event_registration, cb_safety, real_info,
                     user_data, event_cb_function);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_event_register_callback);

int PMPI_T_event_handle_free(MPI_T_event_registration event_registration, void *user_data,
                             MPI_T_event_free_cb_function free_cb_function)
{
    dv_mpi_enter("MPI_T_event_handle_free");
    int rc = events_rc(MPI_SUCCESS);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_T_event_handle_free, event_registration, user_data, free_cb_function);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_event_handle_free);

int PMPI_T_event_set_dropped_handler(MPI_T_event_registration event_registration,
                                     MPI_T_event_dropped_cb_function dropped_cb_function)
{
    dv_mpi_enter("MPI_T_event_set_dropped_handler");
    int rc = events_rc(MPI_SUCCESS);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_T_event_set_dropped_handler, event_registration, dropped_cb_function);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_T_event_set_dropped_handler);

/* Windows, files and sessions pass through to the real library with their real handles; here is
 * what the application hung on them (error handlers, attributes) and their end. While one lives a
 * checkpoint is refused. */
#include "mpi/export.h"
#include "mpi/objects.h"

static struct dv_foreign *list;

/* Handles of different kinds may have the same number. */
static uint64_t identity(enum dv_errhandler_kind kind, uint64_t handle)
{
    return handle ^ ((uint64_t)(kind + 1) << 60);
}

struct dv_foreign *dv_foreign_find(enum dv_errhandler_kind kind, uint64_t handle)
{
    dv_objects_lock();
    struct dv_foreign *f = list;
    while (f != NULL && (f->kind != kind || f->handle != handle))
        f = f->next;
    dv_objects_unlock();
    return f;
}

struct dv_foreign *dv_foreign_created(enum dv_errhandler_kind kind, uint64_t handle, int errhandler,
                                      const char *call, const void *caller)
{
    struct dv_foreign *f = dv_arena_alloc(sizeof *f);
    f->kind = kind;
    f->handle = handle;
    f->errhandler = errhandler;
    dv_errhandler_hold(errhandler);
    dv_objects_lock();
    f->next = list;
    list = f;
    dv_objects_unlock();
    dv_unsupported_created(call, identity(kind, handle), caller);
    return f;
}

void dv_foreign_freed(enum dv_errhandler_kind kind, uint64_t handle)
{
    dv_objects_lock();
    struct dv_foreign **link = &list;
    while (*link != NULL && ((*link)->kind != kind || (*link)->handle != handle))
        link = &(*link)->next;
    struct dv_foreign *f = *link;
    if (f != NULL)
        *link = f->next;
    dv_objects_unlock();
    dv_unsupported_freed(identity(kind, handle));
    if (f == NULL)
        return;
    dv_errhandler_release(f->errhandler);
    dv_arena_free(f, sizeof *f);
}

/* ---- windows ------------------------------------------------------------- */

void dv_win_created(MPI_Win win, struct dv_comm *comm, const char *call, const void *caller)
{
    (void)comm; /* a window does not inherit its communicator's error handler */
    DV_REAL(MPI_Win_set_errhandler, win, MPI_ERRORS_RETURN);
    dv_foreign_created(DV_ERRHANDLER_WIN, (uint32_t)win, MPI_ERRORS_ARE_FATAL, call, caller);
}

static int free_win(MPI_Win *win)
{
    struct dv_foreign *f = win != NULL ? dv_foreign_find(DV_ERRHANDLER_WIN, (uint32_t)*win) : NULL;
    uint64_t handle = f != NULL ? f->handle : 0;
    if (f != NULL) {
        int rc = dv_attributes_delete(*win, &f->attributes);
        if (rc != MPI_SUCCESS)
            return rc;
    }
    int rc = DV_REAL(MPI_Win_free, win);
    if (rc == MPI_SUCCESS && f != NULL)
        dv_foreign_freed(DV_ERRHANDLER_WIN, handle);
    return rc;
}

int PMPI_Win_free(MPI_Win *win)
{
    dv_mpi_enter("MPI_Win_free");
    int rc = free_win(win);
    rc = dv_win_error(win != NULL ? *win : MPI_WIN_NULL, rc, "MPI_Win_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Win_free);

/* ---- files --------------------------------------------------------------- */

void dv_file_created(MPI_File file, struct dv_comm *comm, const char *call, const void *caller)
{
    (void)comm;
    DV_REAL(MPI_File_set_errhandler, file, MPI_ERRORS_RETURN);
    dv_foreign_created(DV_ERRHANDLER_FILE, (uint64_t)file, dv_file_default_errhandler, call,
                       caller);
}

int PMPI_File_close(MPI_File *fh)
{
    dv_mpi_enter("MPI_File_close");
    MPI_File file = fh != NULL ? *fh : MPI_FILE_NULL;
    int rc = DV_REAL(MPI_File_close, fh);
    if (rc == MPI_SUCCESS)
        dv_foreign_freed(DV_ERRHANDLER_FILE, (uint64_t)file);
    rc = dv_file_error(file, rc, "MPI_File_close");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_File_close);

/* ---- data representations: the real library calls the extent function only (it accepts no
 * conversions) ---- */

struct datarep {
    MPI_Datarep_extent_function *extent;
    void *extra_state;
};
static struct datarep *datareps;
static uint32_t datarep_count;

static long datarep_extent(uint64_t index, uint64_t type, uint64_t extent, uint64_t extra_state,
                           uint64_t unused)
{
    const struct datarep *datarep = &datareps[index / 4];
    (void)extra_state, (void)unused;
    return datarep->extent(dv_datatype_virtual((MPI_Datatype)type), (MPI_Aint *)extent,
                           datarep->extra_state);
}

static MPI_Datarep_extent_function *datarep_new(MPI_Datarep_extent_function *extent,
                                                void *extra_state)
{
    size_t bytes = datarep_count * sizeof *datareps;
    uint32_t index = DV_THUNK_INDEX(DV_THUNK_FILE, datarep_count);
    datareps = dv_arena_grow(datareps, bytes, bytes + sizeof *datareps);
    datareps[datarep_count++] = (struct datarep){extent, extra_state};
    return (MPI_Datarep_extent_function *)DV_LOWER(thunk, index, (void *)datarep_extent);
}

/* The library remembers a representation for ever, so no checkpoint is possible after this
 * succeeded. */
static int datarep_registered(int rc, const char *call, const void *caller)
{
    if (rc == MPI_SUCCESS)
        dv_unsupported_created(call, (uint64_t)(uintptr_t)&datareps ^ datarep_count, caller);
    return dv_file_error(MPI_FILE_NULL, rc, call);
}

int PMPI_Register_datarep(const char *datarep, MPI_Datarep_conversion_function *read_conversion_fn,
                          MPI_Datarep_conversion_function *write_conversion_fn,
                          MPI_Datarep_extent_function *dtype_file_extent_fn, void *extra_state)
{
    dv_mpi_enter("MPI_Register_datarep");
    MPI_Datarep_extent_function *extent =
        dtype_file_extent_fn != NULL ? datarep_new(dtype_file_extent_fn, extra_state) : NULL;
    int rc = DV_REAL(MPI_Register_datarep, datarep, read_conversion_fn, write_conversion_fn, extent,
                     extra_state);
    rc = datarep_registered(rc, "MPI_Register_datarep", __builtin_return_address(0));
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Register_datarep);

int PMPI_Register_datarep_c(const char *datarep,
                            MPI_Datarep_conversion_function_c *read_conversion_fn,
                            MPI_Datarep_conversion_function_c *write_conversion_fn,
                            MPI_Datarep_extent_function *dtype_file_extent_fn, void *extra_state)
{
    dv_mpi_enter("MPI_Register_datarep_c");
    MPI_Datarep_extent_function *extent =
        dtype_file_extent_fn != NULL ? datarep_new(dtype_file_extent_fn, extra_state) : NULL;
    int rc = DV_REAL(MPI_Register_datarep_c, datarep, read_conversion_fn, write_conversion_fn,
                     extent, extra_state);
    rc = datarep_registered(rc, "MPI_Register_datarep_c", __builtin_return_address(0));
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Register_datarep_c);

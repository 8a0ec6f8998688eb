/* Error handlers, all in the upper half: real objects have MPI_ERRORS_RETURN, and dv_error does
 * what the application asked for. A fatal error is given back to the real library, so that the
 * message and the exit are MPICH's. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <stdlib.h>

/* How libmpichcxx calls a C++ handler (MPII_Errhandler_set_cxx): one caller for all kinds. */
typedef void cxx_caller(int kind, int *handle, int *rc, void (*function)(void));
static cxx_caller *call_cxx;

int dv_file_default_errhandler = MPI_ERRORS_RETURN;

static struct dv_errhandler *find(int handle)
{
    return (struct dv_errhandler *)dv_object_find(handle, DV_KIND_ERRHANDLER);
}

void dv_errhandler_hold(int errhandler)
{
    struct dv_errhandler *object = find(errhandler);
    if (object != NULL)
        dv_object_hold(&object->object);
}

void dv_errhandler_release(int errhandler)
{
    struct dv_errhandler *object = find(errhandler);
    if (object != NULL && dv_object_release(&object->object))
        dv_object_delete(&object->object, sizeof *object);
}

/* ---- calling ------------------------------------------------------------- */

static void call_user(const struct dv_errhandler *errhandler, uint64_t handle, int rc)
{
    union {
        uint64_t all;
        int number; /* a communicator, window or session */
        MPI_File file;
    } object = {.all = handle};

    if (errhandler->cxx) {
        call_cxx((int)errhandler->for_kind, &object.number, &rc, errhandler->function);
        return;
    }
    switch (errhandler->for_kind) {
    case DV_ERRHANDLER_COMM:
        ((MPI_Comm_errhandler_function *)errhandler->function)(&object.number, &rc);
        break;
    case DV_ERRHANDLER_WIN:
        ((MPI_Win_errhandler_function *)errhandler->function)(&object.number, &rc);
        break;
    case DV_ERRHANDLER_FILE:
        ((MPI_File_errhandler_function *)errhandler->function)(&object.file, &rc);
        break;
    case DV_ERRHANDLER_SESSION:
        ((MPI_Session_errhandler_function *)errhandler->function)(&object.number, &rc);
        break;
    }
}

/* As MPICH ends a program: the real library says what went wrong and aborts. */
static __attribute__((noreturn)) void die(const struct dv_comm *comm, int rc, const char *call)
{
    char text[MPI_MAX_ERROR_STRING] = "", line[MPI_MAX_ERROR_STRING + 128] = "fatal error in ";
    int length = 0;
    MPI_Comm real = comm != NULL ? comm->object.real : MPI_COMM_WORLD;
    DV_LOWER_VOID(exiting, rc);
    dv_text_add(line, sizeof line, call);
    if (DV_REAL(MPI_Error_string, rc, text, &length) == MPI_SUCCESS) {
        dv_text_add(line, sizeof line, ": ");
        dv_text_add(line, sizeof line, text);
    }
    if (dv_world != NULL) {
        DV_REAL(MPI_Comm_set_errhandler, real, MPI_ERRORS_ARE_FATAL);
        DV_REAL(MPI_Comm_call_errhandler, real, rc);
        DV_REAL(MPI_Abort, MPI_COMM_WORLD, rc);
    }
    dv_say(line); /* not initialized: nobody below can end the job */
    abort();
}

static int handle_error(struct dv_comm *comm, int errhandler, uint64_t handle, int rc,
                        const char *call)
{
    const struct dv_errhandler *user = find(errhandler);
    if (user != NULL) {
        call_user(user, handle, rc);
        return user->cxx ? MPI_SUCCESS
                         : rc; /* C++ throws what it has to say; libmpichcxx would call us again */
    }
    if (errhandler == MPI_ERRORS_ARE_FATAL || errhandler == MPI_ERRORS_ABORT)
        die(comm, rc, call);
    return rc;
}

int dv_error(struct dv_comm *comm, int rc, const char *call)
{
    if (__builtin_expect(rc == MPI_SUCCESS, 1))
        return rc;
    if (comm == NULL)
        comm = dv_world;
    if (comm == NULL)
        return handle_error(NULL, MPI_ERRORS_ARE_FATAL, 0, rc, call);
    return handle_error(comm, comm->errhandler, (uint32_t)comm->object.handle, rc, call);
}

static int foreign_error(enum dv_errhandler_kind kind, uint64_t handle, int unknown, int rc,
                         const char *call)
{
    if (rc == MPI_SUCCESS)
        return rc;
    const struct dv_foreign *foreign = dv_foreign_find(kind, handle);
    return handle_error(NULL, foreign != NULL ? foreign->errhandler : unknown, handle, rc, call);
}

int dv_win_error(MPI_Win win, int rc, const char *call)
{
    int unknown = dv_world != NULL ? dv_world->errhandler : MPI_ERRORS_ARE_FATAL;
    return foreign_error(DV_ERRHANDLER_WIN, (uint32_t)win, unknown, rc, call);
}

int dv_file_error(MPI_File file, int rc, const char *call)
{
    return foreign_error(DV_ERRHANDLER_FILE, (uint64_t)file, dv_file_default_errhandler, rc, call);
}

int dv_session_error(MPI_Session session, int rc, const char *call)
{
    return foreign_error(DV_ERRHANDLER_SESSION, (uint32_t)session, MPI_ERRORS_ARE_FATAL, rc, call);
}

/* ---- creating and freeing ------------------------------------------------ */

static int create(void (*function)(void), enum dv_errhandler_kind kind, MPI_Errhandler *handle,
                  const char *call)
{
    dv_mpi_enter(call);
    int rc = MPI_SUCCESS;
    if (function == NULL || handle == NULL) {
        rc = dv_error(NULL, MPI_ERR_ARG, call);
    } else {
        struct dv_errhandler *errhandler = dv_object_new(DV_KIND_ERRHANDLER, sizeof *errhandler);
        errhandler->function = function;
        errhandler->for_kind = kind;
        *handle = errhandler->object.handle;
    }
    dv_mpi_exit();
    return rc;
}

int PMPI_Comm_create_errhandler(MPI_Comm_errhandler_function *comm_errhandler_fn,
                                MPI_Errhandler *errhandler)
{
    return create((void (*)(void))comm_errhandler_fn, DV_ERRHANDLER_COMM, errhandler,
                  "MPI_Comm_create_errhandler");
}
DV_EXPORT(MPI_Comm_create_errhandler);

int PMPI_Errhandler_create(MPI_Comm_errhandler_function *comm_errhandler_fn,
                           MPI_Errhandler *errhandler)
{
    return create((void (*)(void))comm_errhandler_fn, DV_ERRHANDLER_COMM, errhandler,
                  "MPI_Errhandler_create");
}
DV_EXPORT(MPI_Errhandler_create);

int PMPI_Win_create_errhandler(MPI_Win_errhandler_function *win_errhandler_fn,
                               MPI_Errhandler *errhandler)
{
    return create((void (*)(void))win_errhandler_fn, DV_ERRHANDLER_WIN, errhandler,
                  "MPI_Win_create_errhandler");
}
DV_EXPORT(MPI_Win_create_errhandler);

int PMPI_File_create_errhandler(MPI_File_errhandler_function *file_errhandler_fn,
                                MPI_Errhandler *errhandler)
{
    return create((void (*)(void))file_errhandler_fn, DV_ERRHANDLER_FILE, errhandler,
                  "MPI_File_create_errhandler");
}
DV_EXPORT(MPI_File_create_errhandler);

int PMPI_Session_create_errhandler(MPI_Session_errhandler_function *session_errhandler_fn,
                                   MPI_Errhandler *errhandler)
{
    return create((void (*)(void))session_errhandler_fn, DV_ERRHANDLER_SESSION, errhandler,
                  "MPI_Session_create_errhandler");
}
DV_EXPORT(MPI_Session_create_errhandler);

static bool is_predefined(int handle)
{
    return handle == MPI_ERRORS_ARE_FATAL || handle == MPI_ERRORS_RETURN ||
           handle == MPI_ERRORS_ABORT ||
           handle == (int)0x54000002; /* libmpichcxx's ERRORS_THROW_EXCEPTIONS */
}

int PMPI_Errhandler_free(MPI_Errhandler *errhandler)
{
    dv_mpi_enter("MPI_Errhandler_free");
    struct dv_errhandler *object = errhandler != NULL ? find(*errhandler) : NULL;
    int rc = MPI_SUCCESS;
    if (object != NULL) {
        dv_errhandler_release(*errhandler);
        *errhandler = MPI_ERRHANDLER_NULL;
    } else if (errhandler != NULL && is_predefined(*errhandler)) {
        *errhandler = MPI_ERRHANDLER_NULL; /* MPI_Comm_get_errhandler gave a reference to it */
    } else {
        rc = dv_error(NULL, MPI_ERR_ARG, "MPI_Errhandler_free");
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Errhandler_free);

DV_VISIBLE void MPII_Errhandler_set_cxx(MPI_Errhandler errhand, void (*errcall)(void));
void MPII_Errhandler_set_cxx(MPI_Errhandler errhand, void (*errcall)(void))
{
    struct dv_errhandler *object = find(errhand);
    call_cxx = (cxx_caller *)errcall;
    if (object != NULL)
        object->cxx = true;
}

/* ---- setting, asking, calling: the slot is a communicator's, a file's ...  */

static int slot_set(int *slot, enum dv_errhandler_kind kind, MPI_Errhandler errhandler)
{
    const struct dv_errhandler *object = find(errhandler);
    if (slot == NULL)
        return MPI_ERR_ARG;
    if (object == NULL ? !is_predefined(errhandler) : object->for_kind != kind)
        return MPI_ERR_ARG;
    dv_errhandler_hold(errhandler);
    dv_errhandler_release(*slot);
    *slot = errhandler;
    return MPI_SUCCESS;
}

static int slot_get(const int *slot, MPI_Errhandler *errhandler)
{
    if (slot == NULL || errhandler == NULL)
        return MPI_ERR_ARG;
    dv_errhandler_hold(*slot);
    *errhandler = *slot;
    return MPI_SUCCESS;
}

static int *foreign_slot(enum dv_errhandler_kind kind, uint64_t handle)
{
    if (kind == DV_ERRHANDLER_FILE && handle == (uint64_t)MPI_FILE_NULL)
        return &dv_file_default_errhandler;
    struct dv_foreign *foreign = dv_foreign_find(kind, handle);
    return foreign != NULL ? &foreign->errhandler : NULL;
}

/* A bad communicator is reported as MPI_ERR_COMM by whoever is asked. */
static int comm_error(struct dv_comm *comm, int rc, const char *call)
{
    return dv_error(comm, comm == NULL ? MPI_ERR_COMM : rc, call);
}

static int comm_set(MPI_Comm handle, MPI_Errhandler errhandler, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = comm_error(
        comm, slot_set(comm != NULL ? &comm->errhandler : NULL, DV_ERRHANDLER_COMM, errhandler),
        call);
    dv_mpi_exit();
    return rc;
}

static int comm_get(MPI_Comm handle, MPI_Errhandler *errhandler, const char *call)
{
    dv_mpi_enter(call);
    struct dv_comm *comm = dv_comm_get(handle);
    int rc = comm_error(comm, slot_get(comm != NULL ? &comm->errhandler : NULL, errhandler), call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
{
    return comm_set(comm, errhandler, "MPI_Comm_set_errhandler");
}
DV_EXPORT(MPI_Comm_set_errhandler);

int PMPI_Errhandler_set(MPI_Comm comm, MPI_Errhandler errhandler)
{
    return comm_set(comm, errhandler, "MPI_Errhandler_set");
}
DV_EXPORT(MPI_Errhandler_set);

int PMPI_Comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *errhandler)
{
    return comm_get(comm, errhandler, "MPI_Comm_get_errhandler");
}
DV_EXPORT(MPI_Comm_get_errhandler);

int PMPI_Errhandler_get(MPI_Comm comm, MPI_Errhandler *errhandler)
{
    return comm_get(comm, errhandler, "MPI_Errhandler_get");
}
DV_EXPORT(MPI_Errhandler_get);

int PMPI_Comm_call_errhandler(MPI_Comm comm, int errorcode)
{
    dv_mpi_enter("MPI_Comm_call_errhandler");
    struct dv_comm *object = dv_comm_get(comm);
    int rc = MPI_SUCCESS;
    if (object == NULL)
        rc = dv_error(NULL, MPI_ERR_COMM, "MPI_Comm_call_errhandler");
    else
        (void)dv_error(object, errorcode, "MPI_Comm_call_errhandler");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_call_errhandler);

static int foreign_set(enum dv_errhandler_kind kind, uint64_t handle, MPI_Errhandler errhandler,
                       const char *call)
{
    dv_mpi_enter(call);
    int rc = dv_error(NULL, slot_set(foreign_slot(kind, handle), kind, errhandler), call);
    dv_mpi_exit();
    return rc;
}

static int foreign_get(enum dv_errhandler_kind kind, uint64_t handle, MPI_Errhandler *errhandler,
                       const char *call)
{
    dv_mpi_enter(call);
    int rc = dv_error(NULL, slot_get(foreign_slot(kind, handle), errhandler), call);
    dv_mpi_exit();
    return rc;
}

static int foreign_call(enum dv_errhandler_kind kind, uint64_t handle, int errorcode,
                        const char *call)
{
    dv_mpi_enter(call);
    const int *slot = foreign_slot(kind, handle);
    int rc = MPI_SUCCESS;
    if (slot == NULL)
        rc = dv_error(NULL, MPI_ERR_ARG, call);
    else if (errorcode != MPI_SUCCESS)
        (void)handle_error(NULL, *slot, handle, errorcode, call);
    dv_mpi_exit();
    return rc;
}

/* The nine functions for windows, files and sessions. */
#define FOREIGN(object, type, kind)                                                                \
    int PMPI_##object##_set_errhandler(type handle, MPI_Errhandler errhandler)                     \
    {                                                                                              \
        return foreign_set(kind, (uint64_t)handle & HANDLE_MASK(type), errhandler,                 \
                           "MPI_" #object "_set_errhandler");                                      \
    }                                                                                              \
    DV_EXPORT(MPI_##object##_set_errhandler);                                                      \
    int PMPI_##object##_get_errhandler(type handle, MPI_Errhandler *errhandler)                    \
    {                                                                                              \
        return foreign_get(kind, (uint64_t)handle & HANDLE_MASK(type), errhandler,                 \
                           "MPI_" #object "_get_errhandler");                                      \
    }                                                                                              \
    DV_EXPORT(MPI_##object##_get_errhandler);                                                      \
    int PMPI_##object##_call_errhandler(type handle, int errorcode)                                \
    {                                                                                              \
        return foreign_call(kind, (uint64_t)handle & HANDLE_MASK(type), errorcode,                 \
                            "MPI_" #object "_call_errhandler");                                    \
    }                                                                                              \
    DV_EXPORT(MPI_##object##_call_errhandler)
/* An int handle is not sign-extended. */
#define HANDLE_MASK(type) (sizeof(type) == sizeof(int) ? 0xffffffffu : UINT64_MAX)

FOREIGN(Win, MPI_Win, DV_ERRHANDLER_WIN);
FOREIGN(File, MPI_File, DV_ERRHANDLER_FILE);
FOREIGN(Session, MPI_Session, DV_ERRHANDLER_SESSION);

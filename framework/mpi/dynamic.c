/* Processes that know nothing of DejaVu: spawned, connected, and the sessions model. All of it
 * passes through, and makes checkpoints impossible while it lasts. */
#include "mpi/export.h"
#include "mpi/objects.h"

#define CALLER __builtin_return_address(0)

static struct dv_comm_origin outside(struct dv_comm *parent, const char *call, const void *caller)
{
    struct dv_comm_origin origin = dv_comm_make(parent, call, caller);
    origin.outside = true;
    return origin;
}

int PMPI_Comm_spawn(const char *command, char *argv[], int maxprocs, MPI_Info info, int root,
                    MPI_Comm comm, MPI_Comm *intercomm, int array_of_errcodes[])
{
    dv_mpi_enter("MPI_Comm_spawn");
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Info real_info = dv_info_real(info);
    struct dv_comm_origin origin = outside(dv_comm_get(comm), "MPI_Comm_spawn", CALLER);
    int rc = DV_REAL(MPI_Comm_spawn, command, argv, maxprocs, real_info, root, real_parent,
                     intercomm != NULL ? &real : NULL, array_of_errcodes);
    rc = dv_comm_made(&origin, rc, real, intercomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_spawn);

int PMPI_Comm_spawn_multiple(int count, char *array_of_commands[], char **array_of_argv[],
                             const int array_of_maxprocs[], const MPI_Info array_of_info[],
                             int root, MPI_Comm comm, MPI_Comm *intercomm, int array_of_errcodes[])
{
    dv_mpi_enter("MPI_Comm_spawn_multiple");
    struct dv_comm *parent = dv_comm_get(comm);
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    struct dv_comm_origin origin = outside(parent, "MPI_Comm_spawn_multiple", CALLER);
    /* The arrays are significant at the root only. */
    size_t n = parent != NULL && parent->rank == root && count > 0 && array_of_info != NULL
                   ? (size_t)count
                   : 0;
    MPI_Info *infos = n > 0 ? dv_arena_alloc(n * sizeof *infos) : NULL;
    for (size_t i = 0; i < n; i++)
        infos[i] = dv_info_real(array_of_info[i]);
    int rc =
        DV_REAL(MPI_Comm_spawn_multiple, count, array_of_commands, array_of_argv, array_of_maxprocs,
                infos, root, real_parent, intercomm != NULL ? &real : NULL, array_of_errcodes);
    dv_arena_free(infos, n * sizeof *infos);
    rc = dv_comm_made(&origin, rc, real, intercomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_spawn_multiple);

int PMPI_Comm_accept(const char *port_name, MPI_Info info, int root, MPI_Comm comm,
                     MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_accept");
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Info real_info = dv_info_real(info);
    struct dv_comm_origin origin = outside(dv_comm_get(comm), "MPI_Comm_accept", CALLER);
    int rc = DV_REAL(MPI_Comm_accept, port_name, real_info, root, real_parent,
                     newcomm != NULL ? &real : NULL);
    rc = dv_comm_made(&origin, rc, real, newcomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_accept);

int PMPI_Comm_connect(const char *port_name, MPI_Info info, int root, MPI_Comm comm,
                      MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_connect");
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Info real_info = dv_info_real(info);
    struct dv_comm_origin origin = outside(dv_comm_get(comm), "MPI_Comm_connect", CALLER);
    int rc = DV_REAL(MPI_Comm_connect, port_name, real_info, root, real_parent,
                     newcomm != NULL ? &real : NULL);
    rc = dv_comm_made(&origin, rc, real, newcomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_connect);

/* No parent: two processes with a socket between them. */
static struct dv_comm_origin alone(const char *call, const char *text, const void *caller)
{
    struct dv_comm_origin origin = {.seed = dv_hash_text(dv_hash_text(0, call), text),
                                    .outside = true};
    origin.call = call;
    origin.caller = caller;
    return origin;
}

int PMPI_Comm_join(int fd, MPI_Comm *intercomm)
{
    dv_mpi_enter("MPI_Comm_join");
    MPI_Comm real = MPI_COMM_NULL;
    struct dv_comm_origin origin = alone("MPI_Comm_join", "", CALLER);
    int rc = DV_REAL(MPI_Comm_join, fd, intercomm != NULL ? &real : NULL);
    rc = dv_comm_made(&origin, rc, real, intercomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_join);

int PMPI_Comm_get_parent(MPI_Comm *parent)
{
    static MPI_Comm virtual = MPI_COMM_NULL; /* the same handle at every call */
    dv_mpi_enter("MPI_Comm_get_parent");
    MPI_Comm real = MPI_COMM_NULL;
    struct dv_comm_origin origin = alone("MPI_Comm_get_parent", "", CALLER);
    int rc = DV_REAL(MPI_Comm_get_parent, parent != NULL ? &real : NULL);
    if (rc == MPI_SUCCESS && real != MPI_COMM_NULL && dv_comm_get(virtual) == NULL)
        virtual = dv_comm_enter(real, &origin)->object.handle;
    if (rc == MPI_SUCCESS)
        *parent = real != MPI_COMM_NULL ? virtual : MPI_COMM_NULL;
    rc = dv_error(NULL, rc, "MPI_Comm_get_parent");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_get_parent);

/* ---- ports and names: text that means something only to this process ----- */

static uint64_t text_id(const char *kind, const char *text)
{
    return dv_hash_text(dv_hash_text(0, kind), text);
}

int PMPI_Open_port(MPI_Info info, char *port_name)
{
    dv_mpi_enter("MPI_Open_port");
    MPI_Info real_info = dv_info_real(info);
    int rc = DV_REAL(MPI_Open_port, real_info, port_name);
    if (rc == MPI_SUCCESS)
        dv_unsupported_created("MPI_Open_port", text_id("port", port_name), CALLER);
    rc = dv_error(NULL, rc, "MPI_Open_port");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Open_port);

int PMPI_Close_port(const char *port_name)
{
    dv_mpi_enter("MPI_Close_port");
    int rc = DV_REAL(MPI_Close_port, port_name);
    if (rc == MPI_SUCCESS)
        dv_unsupported_freed(text_id("port", port_name));
    rc = dv_error(NULL, rc, "MPI_Close_port");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Close_port);

int PMPI_Publish_name(const char *service_name, MPI_Info info, const char *port_name)
{
    dv_mpi_enter("MPI_Publish_name");
    MPI_Info real_info = dv_info_real(info);
    int rc = DV_REAL(MPI_Publish_name, service_name, real_info, port_name);
    if (rc == MPI_SUCCESS)
        dv_unsupported_created("MPI_Publish_name", text_id("name", service_name), CALLER);
    rc = dv_error(NULL, rc, "MPI_Publish_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Publish_name);

int PMPI_Unpublish_name(const char *service_name, MPI_Info info, const char *port_name)
{
    dv_mpi_enter("MPI_Unpublish_name");
    MPI_Info real_info = dv_info_real(info);
    int rc = DV_REAL(MPI_Unpublish_name, service_name, real_info, port_name);
    if (rc == MPI_SUCCESS)
        dv_unsupported_freed(text_id("name", service_name));
    rc = dv_error(NULL, rc, "MPI_Unpublish_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Unpublish_name);

int PMPI_Lookup_name(const char *service_name, MPI_Info info, char *port_name)
{
    dv_mpi_enter("MPI_Lookup_name");
    MPI_Info real_info = dv_info_real(info);
    int rc = dv_error(NULL, DV_REAL(MPI_Lookup_name, service_name, real_info, port_name),
                      "MPI_Lookup_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Lookup_name);

/* ---- sessions ------------------------------------------------------------ */

int PMPI_Session_init(MPI_Info info, MPI_Errhandler errhandler, MPI_Session *session)
{
    dv_mpi_enter("MPI_Session_init");
    MPI_Info real_info = dv_info_real(info);
    int rc = DV_REAL(MPI_Session_init, real_info, MPI_ERRORS_RETURN, session);
    if (rc == MPI_SUCCESS) {
        dv_foreign_created(DV_ERRHANDLER_SESSION, (uint32_t)*session, errhandler,
                           "MPI_Session_init", CALLER);
        dv_data_start();
    } else if (errhandler != MPI_ERRORS_RETURN) {
        rc = dv_error(NULL, rc, "MPI_Session_init");
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Session_init);

int PMPI_Session_finalize(MPI_Session *session)
{
    dv_mpi_enter("MPI_Session_finalize");
    MPI_Session handle = session != NULL ? *session : MPI_SESSION_NULL;
    int rc = DV_REAL(MPI_Session_finalize, session);
    if (rc == MPI_SUCCESS)
        dv_foreign_freed(DV_ERRHANDLER_SESSION, (uint32_t)handle);
    rc = dv_session_error(handle, rc, "MPI_Session_finalize");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Session_finalize);

/* The new communicator's error handler is an argument here. */
static int made_with(const struct dv_comm_origin *origin, int rc, MPI_Comm real,
                     MPI_Errhandler errhandler, MPI_Comm *out)
{
    rc = dv_comm_made(origin, rc, real, out);
    struct dv_comm *comm = rc == MPI_SUCCESS ? dv_comm_get(*out) : NULL;
    if (comm != NULL) {
        dv_errhandler_hold(errhandler);
        dv_errhandler_release(comm->errhandler);
        comm->errhandler = errhandler;
    }
    return rc;
}

int PMPI_Comm_create_from_group(MPI_Group group, const char *stringtag, MPI_Info info,
                                MPI_Errhandler errhandler, MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_create_from_group");
    MPI_Group real_group = dv_group_real(group);
    MPI_Info real_info = dv_info_real(info);
    MPI_Comm real = MPI_COMM_NULL;
    struct dv_comm_origin origin =
        alone("MPI_Comm_create_from_group", stringtag != NULL ? stringtag : "", CALLER);
    int rc = DV_REAL(MPI_Comm_create_from_group, real_group, stringtag, real_info,
                     MPI_ERRORS_RETURN, newcomm != NULL ? &real : NULL);
    rc = made_with(&origin, rc, real, errhandler, newcomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_create_from_group);

int PMPI_Intercomm_create_from_groups(MPI_Group local_group, int local_leader,
                                      MPI_Group remote_group, int remote_leader,
                                      const char *stringtag, MPI_Info info,
                                      MPI_Errhandler errhandler, MPI_Comm *newintercomm)
{
    dv_mpi_enter("MPI_Intercomm_create_from_groups");
    MPI_Group real_local = dv_group_real(local_group), real_remote = dv_group_real(remote_group);
    MPI_Info real_info = dv_info_real(info);
    MPI_Comm real = MPI_COMM_NULL;
    struct dv_comm_origin origin =
        alone("MPI_Intercomm_create_from_groups", stringtag != NULL ? stringtag : "", CALLER);
    int rc = DV_REAL(MPI_Intercomm_create_from_groups, real_local, local_leader, real_remote,
                     remote_leader, stringtag, real_info, MPI_ERRORS_RETURN,
                     newintercomm != NULL ? &real : NULL);
    rc = made_with(&origin, rc, real, errhandler, newintercomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Intercomm_create_from_groups);

/* Describing communicators before a capture and making them again after a restore.
 *
 * All ranks go through the same communicators in the same order (sorted by name), each collective
 * over its members only, so the order is free of cycles. Everything is made from MPI_COMM_WORLD:
 * groups of world ranks, MPI_Comm_create_group, then the topology; intercommunicators from their
 * local halves. */
#include "mpi/objects.h"

#include <string.h>

/* ---- lingering communicators (comm_free.c) ------------------------------- */

static bool is_needed_here(const struct dv_comm *comm)
{
    return !comm->object.freed || comm->object.references > 1; /* one is the lingering itself */
}

static size_t lingering(uint64_t *needed, int *count_needed)
{
    size_t all = 0;
    int n = 0;
    struct dv_comm *comm;
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++) {
        if (!comm->lingering)
            continue;
        all++;
        if (is_needed_here(comm)) {
            if (needed != NULL)
                needed[n] = comm->name;
            n++;
        }
    }
    *count_needed = n;
    return all;
}

static bool contains(const uint64_t *names, int count, uint64_t name)
{
    for (int i = 0; i < count; i++) {
        if (names[i] == name)
            return true;
    }
    return false;
}

/* Let go of lingering communicators whose names nobody in the job has given. */
static void drop_unneeded(const uint64_t *names, int count)
{
    struct dv_comm *comm;
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL;) {
        if (comm->lingering && !contains(names, count, comm->name))
            dv_comm_release(comm); /* the last reference: it leaves the list */
        else
            i++;
    }
}

static int gather_needed(int own_count, const uint64_t *own, uint64_t **names, int *count)
{
    int size = dv_world->size;
    size_t bytes = (size_t)size * sizeof(int);
    int *counts = dv_arena_alloc(bytes), *starts = dv_arena_alloc(bytes);
    int rc = DV_REAL(MPI_Allgather, &own_count, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD);
    *count = 0;
    for (int i = 0; i < size; i++) {
        starts[i] = *count;
        *count += counts[i];
    }
    *names = dv_arena_alloc((size_t)*count * sizeof(uint64_t));
    uint64_t *out = *names;
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Allgatherv, own, own_count, MPI_UINT64_T, out, counts, starts,
                     MPI_UINT64_T, MPI_COMM_WORLD);
    dv_arena_free(counts, bytes);
    dv_arena_free(starts, bytes);
    return rc;
}

static int settle_lingering(void)
{
    int own_count = 0, any = 0, here = lingering(NULL, &own_count) > 0;
    int rc = DV_REAL(MPI_Allreduce, &here, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rc != MPI_SUCCESS || !any)
        return rc;
    size_t bytes = (size_t)own_count * sizeof(uint64_t);
    uint64_t *own = dv_arena_alloc(bytes), *names = NULL;
    int count = 0;
    lingering(own, &own_count);
    rc = gather_needed(own_count, own, &names, &count);
    if (rc == MPI_SUCCESS)
        drop_unneeded(names, count);
    dv_arena_free(own, bytes);
    dv_arena_free(names, (size_t)count * sizeof(uint64_t));
    return rc;
}

/* ---- describe ------------------------------------------------------------ */

static int describe_hints(struct dv_comm *comm)
{
    MPI_Info info;
    int rc = DV_REAL(MPI_Comm_get_info, comm->object.real, &info);
    if (rc != MPI_SUCCESS)
        return rc;
    if (comm->hints == NULL)
        comm->hints = dv_arena_alloc(sizeof *comm->hints);
    rc = dv_pairs_read(comm->hints, info);
    DV_REAL(MPI_Info_free, &info);
    return rc;
}

enum dv_status dv_comms_describe(char *why, size_t why_bytes)
{
    struct dv_comm *comm;
    int rc = settle_lingering();
    if (rc != MPI_SUCCESS)
        return dv_refuse_mpi(why, why_bytes, "agreeing about freed communicators", rc);
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++) {
        rc = dv_topology_describe(comm);
        if (rc == MPI_SUCCESS)
            rc = describe_hints(comm);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "describing a communicator", rc);
    }
    return DV_OK;
}

/* ---- rebuild ------------------------------------------------------------- */

int dv_group_make(int size, const int *world_ranks, MPI_Group *real)
{
    MPI_Group world;
    int rc = DV_REAL(MPI_Comm_group, MPI_COMM_WORLD, &world);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_REAL(MPI_Group_incl, world, size, world_ranks, real);
    DV_REAL(MPI_Group_free, &world);
    return rc;
}

static int make_intra(const struct dv_comm *comm, int tag, MPI_Comm *real)
{
    MPI_Group group;
    int rc = dv_group_make(comm->size, comm->world_ranks, &group);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_REAL(MPI_Comm_create_group, MPI_COMM_WORLD, group, tag, real);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Comm_set_errhandler, *real, MPI_ERRORS_RETURN);
    DV_REAL(MPI_Group_free, &group);
    return rc;
}

static int make_inter(const struct dv_comm *comm, int tag, MPI_Comm *real)
{
    MPI_Comm local;
    int rc = make_intra(comm, tag, &local);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_REAL(MPI_Intercomm_create, local, 0, MPI_COMM_WORLD, comm->remote_world_ranks[0], tag,
                 real);
    DV_REAL(MPI_Comm_free, &local);
    return rc;
}

static int make_again(struct dv_comm *comm, int tag)
{
    MPI_Comm real = comm->object.handle;
    int rc = MPI_SUCCESS;
    if (comm != dv_world && comm != dv_self) {
        rc = comm->remote_size > 0 ? make_inter(comm, tag, &real) : make_intra(comm, tag, &real);
        if (rc == MPI_SUCCESS)
            rc = dv_topology_rebuild(comm, &real);
    }
    if (rc != MPI_SUCCESS)
        return rc;
    comm->object.real = real;
    rc = DV_REAL(MPI_Comm_set_errhandler, real, MPI_ERRORS_RETURN);
    if (rc == MPI_SUCCESS && comm->text[0] != '\0')
        rc = DV_REAL(MPI_Comm_set_name, real, comm->text);
    return rc;
}

static int set_hints(const struct dv_comm *comm)
{
    MPI_Info info;
    if (comm->hints == NULL || comm->hints->count == 0)
        return MPI_SUCCESS;
    int rc = dv_pairs_write(comm->hints, &info);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_REAL(MPI_Comm_set_info, comm->object.real, info);
    DV_REAL(MPI_Info_free, &info);
    return rc;
}

enum dv_status dv_comms_rebuild(char *why, size_t why_bytes)
{
    enum { TAGS = 32768 }; /* MPI_TAG_UB is at least 32767 */
    struct dv_comm *comm;
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++) {
        int rc = make_again(comm, (int)(comm->name % TAGS));
        if (rc == MPI_SUCCESS)
            rc = set_hints(comm);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "making a communicator again", rc);
    }
    return DV_OK;
}

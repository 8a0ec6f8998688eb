/* Communicator constructors.
 *
 * Each is a blocking collective on the parent (clocked), so at any cut either all members have made
 * the communicator or none has. MPI_Comm_create_group, which is collective over the group only, is
 * followed by a barrier on what it made: whoever has returned knows that all others have at least
 * begun the call, and they cannot be stopped inside it. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <string.h>

#define CALLER __builtin_return_address(0)

int dv_comm_made(const struct dv_comm_origin *origin, int rc, MPI_Comm real, MPI_Comm *out)
{
    if (rc != MPI_SUCCESS)
        return dv_error(origin->parent, rc, origin->call);
    *out = real == MPI_COMM_NULL ? MPI_COMM_NULL : dv_comm_enter(real, origin)->object.handle;
    return MPI_SUCCESS;
}

struct dv_comm_origin dv_comm_make(struct dv_comm *parent, const char *call, const void *caller)
{
    struct dv_comm_origin origin = {.parent = parent, .call = call, .caller = caller};
    if (parent != NULL) {
        origin.seed = dv_comm_next_seed(parent);
        dv_collective_begin(parent, call, 1);
    }
    return origin;
}

int PMPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *newcomm)
{
    return DV_COMM_CREATE(MPI_Comm_split, comm, newcomm, color, key);
}
DV_EXPORT(MPI_Comm_split);

int PMPI_Comm_split_type(MPI_Comm comm, int split_type, int key, MPI_Info info, MPI_Comm *newcomm)
{
    MPI_Info real_info = dv_info_real(info);
    return DV_COMM_CREATE(MPI_Comm_split_type, comm, newcomm, split_type, key, real_info);
}
DV_EXPORT(MPI_Comm_split_type);

int PMPI_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm *newcomm)
{
    MPI_Group real_group = dv_group_real(group);
    return DV_COMM_CREATE(MPI_Comm_create, comm, newcomm, real_group);
}
DV_EXPORT(MPI_Comm_create);

int PMPI_Intercomm_merge(MPI_Comm intercomm, int high, MPI_Comm *newintracomm)
{
    return DV_COMM_CREATE(MPI_Intercomm_merge, intercomm, newintracomm, high);
}
DV_EXPORT(MPI_Intercomm_merge);

int PMPIX_Comm_shrink(MPI_Comm comm, MPI_Comm *newcomm)
{
    dv_mpi_enter("MPIX_Comm_shrink");
    struct dv_comm *parent = dv_comm_get(comm);
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    struct dv_comm_origin origin = dv_comm_make(parent, "MPIX_Comm_shrink", CALLER);
    int rc = DV_REAL(MPIX_Comm_shrink, real_parent, newcomm != NULL ? &real : NULL);
    rc = dv_comm_made(&origin, rc, real, newcomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPIX_Comm_shrink);

/* ---- duplicates: attributes are copied first, as MPICH does; if a copy callback fails nothing is
 * made ---- */

static int duplicated(const struct dv_comm_origin *origin, int rc, MPI_Comm real,
                      struct dv_attribute *attributes, MPI_Comm *out)
{
    if (rc == MPI_SUCCESS && out != NULL) {
        struct dv_comm *comm = dv_comm_enter_duplicate(real, origin);
        comm->attributes = attributes;
        *out = comm->object.handle;
        return MPI_SUCCESS;
    }
    (void)dv_attributes_delete(MPI_COMM_NULL, &attributes);
    return rc;
}

static int duplicate(MPI_Comm comm, const MPI_Info *info, MPI_Comm *newcomm, const char *call,
                     const void *caller)
{
    struct dv_comm *parent = dv_comm_get(comm);
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Info real_info = info != NULL ? dv_info_real(*info) : MPI_INFO_NULL;
    struct dv_attribute *attributes = NULL;
    int rc = MPI_SUCCESS;

    if (parent != NULL)
        rc = dv_attributes_copy(comm, parent->attributes, &attributes);
    if (rc != MPI_SUCCESS)
        return dv_error(parent, rc, call);
    struct dv_comm_origin origin = dv_comm_make(parent, call, caller);
    MPI_Comm *out = newcomm != NULL ? &real : NULL;
    if (info != NULL)
        rc = DV_REAL(MPI_Comm_dup_with_info, real_parent, real_info, out);
    else
        rc = DV_REAL(MPI_Comm_dup, real_parent, out);
    rc = duplicated(&origin, rc, real, attributes, newcomm);
    return rc == MPI_SUCCESS ? rc : dv_error(parent, rc, call);
}

int PMPI_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_dup");
    int rc = duplicate(comm, NULL, newcomm, "MPI_Comm_dup", CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_dup);

int PMPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_dup_with_info");
    int rc = duplicate(comm, &info, newcomm, "MPI_Comm_dup_with_info", CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_dup_with_info);

/* The duplicate has a handle at once; the real one is complete when the request is. */
static int duplicate_later(MPI_Comm comm, const MPI_Info *info, MPI_Comm *newcomm,
                           MPI_Request *request, const char *call, const void *caller)
{
    struct dv_comm *parent = dv_comm_get(comm);
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Comm *out = newcomm != NULL ? &real : NULL;
    MPI_Info real_info = info != NULL ? dv_info_real(*info) : MPI_INFO_NULL;
    struct dv_attribute *attributes = NULL;
    struct dv_comm_origin origin = {.parent = parent, .call = call, .caller = caller};
    int rc = MPI_SUCCESS;

    if (parent != NULL) {
        rc = dv_attributes_copy(comm, parent->attributes, &attributes);
        if (rc != MPI_SUCCESS)
            return dv_error(parent, rc, call);
        origin.seed = dv_comm_next_seed(parent);
        dv_collective_begin(parent, call, 0);
    }
    if (info != NULL)
        rc = DV_REAL(MPI_Comm_idup_with_info, real_parent, real_info, out, request);
    else
        rc = DV_REAL(MPI_Comm_idup, real_parent, out, request);
    rc = duplicated(&origin, rc, real, attributes, newcomm);
    if (rc != MPI_SUCCESS)
        return dv_error(parent, rc, call);
    *request = dv_request_adopt_collective(*request, parent, call);
    return MPI_SUCCESS;
}

int PMPI_Comm_idup(MPI_Comm comm, MPI_Comm *newcomm, MPI_Request *request)
{
    dv_mpi_enter("MPI_Comm_idup");
    int rc = duplicate_later(comm, NULL, newcomm, request, "MPI_Comm_idup", CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_idup);

int PMPI_Comm_idup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm, MPI_Request *request)
{
    dv_mpi_enter("MPI_Comm_idup_with_info");
    int rc = duplicate_later(comm, &info, newcomm, request, "MPI_Comm_idup_with_info", CALLER);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_idup_with_info);

/* ---- MPI_Comm_create_group: not counted on the parent, which other members may be using for
 * something else ---- */

/* How often each (parent, members, tag) was used; equal on all members of the group. */
struct repeat {
    struct repeat *next;
    uint64_t key;
    uint64_t count;
};
#define REPEAT_BUCKETS 64
static struct repeat *repeats[REPEAT_BUCKETS];

static uint64_t count_repeat(uint64_t key)
{
    struct repeat **bucket = &repeats[key % REPEAT_BUCKETS], *repeat;
    dv_objects_lock();
    for (repeat = *bucket; repeat != NULL && repeat->key != key; repeat = repeat->next)
        ;
    if (repeat == NULL) {
        repeat = dv_arena_alloc(sizeof *repeat);
        repeat->key = key;
        repeat->next = *bucket;
        *bucket = repeat;
    }
    uint64_t count = repeat->count++;
    dv_objects_unlock();
    return count;
}

static uint64_t group_seed(const struct dv_comm *parent, MPI_Group real_group, int tag)
{
    int size = 0;
    uint64_t key = dv_hash(dv_hash_text(parent->name, "group"), &tag, sizeof tag);
    if (DV_REAL(MPI_Group_size, real_group, &size) == MPI_SUCCESS && size > 0) {
        int *members = dv_arena_alloc((size_t)size * sizeof(int));
        if (dv_group_world_ranks(real_group, size, members) == MPI_SUCCESS)
            key = dv_hash(key, members, (size_t)size * sizeof(int));
        dv_arena_free(members, (size_t)size * sizeof(int));
    }
    uint64_t count = count_repeat(key);
    return dv_hash(key, &count, sizeof count);
}

int PMPI_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag, MPI_Comm *newcomm)
{
    dv_mpi_enter("MPI_Comm_create_group");
    struct dv_comm *parent = dv_comm_get(comm);
    MPI_Comm real_parent = dv_comm_real(comm), real = MPI_COMM_NULL;
    MPI_Group real_group = dv_group_real(group);
    struct dv_comm_origin origin = {
        .parent = parent, .call = "MPI_Comm_create_group", .caller = CALLER};
    int rc = DV_REAL(MPI_Comm_create_group, real_parent, real_group, tag,
                     newcomm != NULL ? &real : NULL);
    if (rc == MPI_SUCCESS && real != MPI_COMM_NULL) {
        origin.seed = group_seed(parent, real_group, tag);
        if (!parent->foreign)
            rc = DV_REAL(MPI_Barrier, real);
    }
    rc = dv_comm_made(&origin, rc, real, newcomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Comm_create_group);

/* ---- MPI_Intercomm_create: the two sides count on different parents and must come to one seed  */

/* Has the remote group members who know nothing of DejaVu (spawned, connected)? */
static bool remote_is_outside(MPI_Comm inter)
{
    MPI_Group group = MPI_GROUP_NULL;
    int size = 0;
    bool outside = true;
    if (DV_REAL(MPI_Comm_remote_size, inter, &size) != MPI_SUCCESS ||
        DV_REAL(MPI_Comm_remote_group, inter, &group) != MPI_SUCCESS)
        return outside;
    int *ranks = dv_arena_alloc((size_t)size * sizeof(int));
    if (dv_group_world_ranks(group, size, ranks) == MPI_SUCCESS) {
        outside = false;
        for (int i = 0; i < size; i++)
            outside |= ranks[i] == MPI_UNDEFINED;
    }
    dv_arena_free(ranks, (size_t)size * sizeof(int));
    DV_REAL(MPI_Group_free, &group);
    return outside;
}

static int common_seed(MPI_Comm inter, uint64_t own, uint64_t *seed)
{
    uint64_t other = 0;
    int rc = DV_REAL(MPI_Allreduce, &own, &other, 1, MPI_UINT64_T, MPI_MAX, inter);
    uint64_t both[2] = {own < other ? own : other, own < other ? other : own};
    *seed = dv_hash(0, both, sizeof both);
    return rc;
}

int PMPI_Intercomm_create(MPI_Comm local_comm, int local_leader, MPI_Comm peer_comm,
                          int remote_leader, int tag, MPI_Comm *newintercomm)
{
    dv_mpi_enter("MPI_Intercomm_create");
    struct dv_comm *local = dv_comm_get(local_comm);
    MPI_Comm real_local = dv_comm_real(local_comm), real_peer = dv_comm_real(peer_comm);
    MPI_Comm real = MPI_COMM_NULL;
    struct dv_comm_origin origin = dv_comm_make(local, "MPI_Intercomm_create", CALLER);
    int rc = DV_REAL(MPI_Intercomm_create, real_local, local_leader, real_peer, remote_leader, tag,
                     newintercomm != NULL ? &real : NULL);
    origin.outside = rc == MPI_SUCCESS && remote_is_outside(real);
    if (rc == MPI_SUCCESS && !origin.outside)
        rc = common_seed(real, origin.seed, &origin.seed);
    rc = dv_comm_made(&origin, rc, real, newintercomm);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Intercomm_create);

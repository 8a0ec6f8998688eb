/* Communicators as objects: entering and removing them, their names, their order.
 *
 * A communicator's name is equal on all members and different for all communicators that live at
 * the same time: a hash of its seed and of the MPI_COMM_WORLD ranks of its members in order. The
 * seed comes from the creation: the parent's name and how many communicators were made from the
 * parent before (dv_comm_next_seed). */
#include "mpi/objects.h"

#include <string.h>

struct dv_comm *dv_world, *dv_self;

/* All live communicators, sorted by name: the same order on all ranks. */
static struct dv_comm **sorted;
static size_t sorted_count, sorted_capacity;

/* FNV-1a over 64-bit lanes would do for the bytes; the final mix makes all bits of the name depend
 * on all of them. */
uint64_t dv_hash(uint64_t seed, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    uint64_t hash = seed ^ 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3ull;
    hash ^= hash >> 30;
    hash *= 0xbf58476d1ce4e5b9ull;
    hash ^= hash >> 27;
    hash *= 0x94d049bb133111ebull;
    return hash ^ (hash >> 31);
}

uint64_t dv_hash_text(uint64_t seed, const char *text)
{
    return dv_hash(seed, text, strlen(text));
}

uint64_t dv_comm_next_seed(struct dv_comm *parent)
{
    uint32_t index = parent->children++;
    return dv_hash(parent->name, &index, sizeof index);
}

static uint64_t members_hash(uint64_t seed, int size, const int *world_ranks)
{
    return dv_hash(seed, world_ranks, (size_t)size * sizeof(int));
}

static uint64_t make_name(const struct dv_comm *comm, uint64_t seed)
{
    uint64_t name = members_hash(seed, comm->size, comm->world_ranks);
    if (comm->remote_size > 0) { /* both groups must come to the same name */
        uint64_t remote = members_hash(seed, comm->remote_size, comm->remote_world_ranks);
        uint64_t both[2] = {name < remote ? name : remote, name < remote ? remote : name};
        name = dv_hash(seed, both, sizeof both);
    }
    return name > DV_CUT_PHASE ? name : name + 2; /* 0 and DV_CUT_PHASE mean something else */
}

/* ---- order --------------------------------------------------------------- */

static size_t position(uint64_t name)
{
    size_t low = 0, high = sorted_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle]->name < name)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void sorted_insert(struct dv_comm *comm)
{
    dv_objects_lock();
    if (sorted_count == sorted_capacity) {
        size_t capacity = sorted_capacity == 0 ? 16 : sorted_capacity * 2;
        sorted = dv_arena_grow(sorted, sorted_capacity * sizeof(struct dv_comm *),
                               capacity * sizeof(struct dv_comm *));
        sorted_capacity = capacity;
    }
    size_t at = position(comm->name);
    memmove(sorted + at + 1, sorted + at, (sorted_count - at) * sizeof(struct dv_comm *));
    sorted[at] = comm;
    sorted_count++;
    dv_objects_unlock();
}

static void sorted_remove(const struct dv_comm *comm)
{
    dv_objects_lock();
    for (size_t i = 0; i < sorted_count; i++) {
        if (sorted[i] == comm) {
            memmove(sorted + i, sorted + i + 1, (sorted_count - i - 1) * sizeof(struct dv_comm *));
            sorted_count--;
            break;
        }
    }
    dv_objects_unlock();
}

struct dv_comm *dv_comm_sorted(size_t index)
{
    return index < sorted_count ? sorted[index] : NULL;
}

/* ---- groups of a real communicator --------------------------------------- */

int dv_group_world_ranks(MPI_Group real, int size, int *world_ranks)
{
    if (size == 0)
        return MPI_SUCCESS;
    if (dv_world == NULL)
        return MPI_ERR_COMM; /* sessions only: nobody has a rank in MPI_COMM_WORLD */
    int *own = dv_arena_alloc((size_t)size * sizeof(int));
    for (int i = 0; i < size; i++)
        own[i] = i;
    MPI_Group world;
    int rc = DV_REAL(MPI_Comm_group, MPI_COMM_WORLD, &world);
    if (rc == MPI_SUCCESS) {
        rc = DV_REAL(MPI_Group_translate_ranks, real, size, own, world, world_ranks);
        DV_REAL(MPI_Group_free, &world);
    }
    dv_arena_free(own, (size_t)size * sizeof(int));
    return rc;
}

static int *ask_members(MPI_Group group, int size)
{
    int *world_ranks = dv_arena_alloc((size_t)size * sizeof(int));
    if (dv_group_world_ranks(group, size, world_ranks) != MPI_SUCCESS) {
        for (int i = 0; i < size; i++) /* no MPI_COMM_WORLD: sessions only */
            world_ranks[i] = MPI_UNDEFINED;
    }
    DV_REAL(MPI_Group_free, &group);
    return world_ranks;
}

static void ask_groups(struct dv_comm *comm)
{
    MPI_Comm real = comm->object.real;
    MPI_Group group = MPI_GROUP_NULL;
    int inter = 0;

    DV_REAL(MPI_Comm_rank, real, &comm->rank);
    DV_REAL(MPI_Comm_size, real, &comm->size);
    DV_REAL(MPI_Comm_test_inter, real, &inter);
    if (DV_REAL(MPI_Comm_group, real, &group) == MPI_SUCCESS)
        comm->world_ranks = ask_members(group, comm->size);
    if (!inter)
        return;
    DV_REAL(MPI_Comm_remote_size, real, &comm->remote_size);
    if (DV_REAL(MPI_Comm_remote_group, real, &group) == MPI_SUCCESS)
        comm->remote_world_ranks = ask_members(group, comm->remote_size);
}

static int *copy_ranks(const int *ranks, int size)
{
    if (ranks == NULL)
        return NULL;
    return memcpy(dv_arena_alloc((size_t)size * sizeof(int)), ranks, (size_t)size * sizeof(int));
}

/* ---- entering and removing ----------------------------------------------- */

static int outside_world(const int *world_ranks, int size)
{
    for (int i = 0; i < size; i++) {
        if (world_ranks[i] == MPI_UNDEFINED)
            return 1;
    }
    return 0;
}

static uint64_t foreign_id(const struct dv_comm *comm)
{
    return (uint64_t)(uint32_t)comm->object.handle;
}

/* What all ways of entering share, once object.real and the groups are known. */
static void enter(struct dv_comm *comm, const struct dv_comm_origin *origin)
{
    size_t peers = (size_t)dv_comm_peers(comm);
    comm->name = make_name(comm, origin->seed);
    comm->sent = dv_arena_alloc(peers * sizeof(uint64_t));
    comm->received = dv_arena_alloc(peers * sizeof(uint64_t));
    comm->errhandler = origin->parent != NULL ? origin->parent->errhandler : MPI_ERRORS_ARE_FATAL;
    dv_errhandler_hold(comm->errhandler);
    comm->foreign = origin->outside || (origin->parent != NULL && origin->parent->foreign) ||
                    outside_world(comm->world_ranks, comm->size) ||
                    outside_world(comm->remote_world_ranks, comm->remote_size);
    if (comm->foreign)
        dv_unsupported_created(origin->call, foreign_id(comm), origin->caller);
    sorted_insert(comm);
}

struct dv_comm *dv_comm_enter(MPI_Comm real, const struct dv_comm_origin *origin)
{
    struct dv_comm *comm = dv_object_new(DV_KIND_COMM, sizeof *comm);
    comm->object.real = real;
    DV_REAL(MPI_Comm_set_errhandler, real, MPI_ERRORS_RETURN);
    ask_groups(comm);
    enter(comm, origin);
    return comm;
}

struct dv_comm *dv_comm_enter_duplicate(MPI_Comm real, const struct dv_comm_origin *origin)
{
    const struct dv_comm *parent = origin->parent;
    struct dv_comm *comm = dv_object_new(DV_KIND_COMM, sizeof *comm);
    comm->object.real = real; /* it has its parent's MPI_ERRORS_RETURN */
    comm->rank = parent->rank;
    comm->size = parent->size;
    comm->remote_size = parent->remote_size;
    comm->world_ranks = copy_ranks(parent->world_ranks, parent->size);
    comm->remote_world_ranks = copy_ranks(parent->remote_world_ranks, parent->remote_size);
    enter(comm, origin);
    return comm;
}

MPI_Comm dv_comm_adopt(MPI_Comm real, struct dv_comm *parent, const char *how)
{
    struct dv_comm_origin origin = {
        .parent = parent, .call = how, .caller = __builtin_return_address(0)};
    origin.seed = dv_hash_text(dv_comm_next_seed(parent), how);
    if (real == MPI_COMM_NULL)
        return MPI_COMM_NULL;
    return dv_comm_enter(real, &origin)->object.handle;
}

/* A predefined communicator has an object, but not in the table: its handle is MPI's constant. */
static struct dv_comm *enter_predefined(MPI_Comm handle, const char *text, int own_rank)
{
    struct dv_comm *comm = dv_arena_alloc(sizeof *comm);
    struct dv_comm_origin origin = {.seed =
                                        dv_hash(dv_hash_text(0, text), &own_rank, sizeof own_rank)};
    comm->object.kind = DV_KIND_COMM;
    comm->object.handle = comm->object.real = handle;
    comm->object.references = 1;
    DV_REAL(MPI_Comm_set_errhandler, handle, MPI_ERRORS_RETURN);
    ask_groups(comm);
    for (int i = 0; handle == MPI_COMM_WORLD && i < comm->size; i++)
        comm->world_ranks[i] = i;
    enter(comm, &origin);
    dv_text_add(comm->text, sizeof comm->text, text);
    return comm;
}

void dv_comm_enter_predefined(void)
{
    dv_world = enter_predefined(MPI_COMM_WORLD, "MPI_COMM_WORLD", 0);
    dv_self = enter_predefined(MPI_COMM_SELF, "MPI_COMM_SELF", dv_world->rank);
}

static void discard(struct dv_comm *comm)
{
    size_t peers = (size_t)dv_comm_peers(comm);
    sorted_remove(comm);
    if (comm->foreign)
        dv_unsupported_freed(foreign_id(comm));
    dv_comm_drop_drained(comm);
    dv_topology_forget(comm);
    dv_errhandler_release(comm->errhandler);
    if (comm->hints != NULL) {
        dv_pairs_clear(comm->hints);
        dv_arena_free(comm->hints, sizeof *comm->hints);
    }
    dv_arena_free(comm->sent, peers * sizeof(uint64_t));
    dv_arena_free(comm->received, peers * sizeof(uint64_t));
    dv_arena_free(comm->world_ranks, (size_t)comm->size * sizeof(int));
    dv_arena_free(comm->remote_world_ranks, (size_t)comm->remote_size * sizeof(int));
}

void dv_comm_leave_predefined(void)
{
    struct dv_comm *leaving[] = {dv_self, dv_world};
    dv_world = dv_self = NULL;
    for (size_t i = 0; i < 2; i++) {
        discard(leaving[i]);
        dv_arena_free(leaving[i], sizeof *leaving[i]);
    }
}

void dv_comm_remove(struct dv_comm *comm)
{
    discard(comm);
    dv_object_delete(&comm->object, sizeof *comm);
}

void dv_comm_hold(struct dv_comm *comm)
{
    dv_object_hold(&comm->object);
}

void dv_comm_release(struct dv_comm *comm)
{
    if (!dv_object_release(&comm->object))
        return;
    if (comm->object.real != MPI_COMM_NULL)
        DV_REAL(MPI_Comm_free, &comm->object.real);
    dv_comm_remove(comm);
}

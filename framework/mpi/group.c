/* Groups: made by generated wrappers (dv_group_adopt), described by their members' ranks in
 * MPI_COMM_WORLD. */
#include "mpi/export.h"
#include "mpi/objects.h"

MPI_Group dv_group_adopt(MPI_Group real)
{
    if (real == MPI_GROUP_NULL || real == MPI_GROUP_EMPTY)
        return real;
    struct dv_group *group = dv_object_new(DV_KIND_GROUP, sizeof *group);
    group->object.real = real;
    return group->object.handle;
}

int PMPI_Group_free(MPI_Group *group)
{
    dv_mpi_enter("MPI_Group_free");
    struct dv_group *object =
        group != NULL ? (struct dv_group *)dv_object_find(*group, DV_KIND_GROUP) : NULL;
    MPI_Group real = group != NULL ? dv_group_real(*group) : MPI_GROUP_NULL;
    int rc = DV_REAL(MPI_Group_free, group != NULL ? &real : NULL);
    if (rc == MPI_SUCCESS && group != NULL) {
        if (object != NULL) {
            dv_arena_free(object->world_ranks, (size_t)object->size * sizeof(int));
            dv_object_delete(&object->object, sizeof *object);
        }
        *group = MPI_GROUP_NULL;
    }
    rc = dv_error(NULL, rc, "MPI_Group_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Group_free);

static int describe(struct dv_group *group)
{
    int size, rc = DV_REAL(MPI_Group_size, group->object.real, &size);
    if (rc != MPI_SUCCESS)
        return rc;
    int *ranks = dv_arena_alloc((size_t)size * sizeof(int));
    rc = dv_group_world_ranks(group->object.real, size, ranks);
    if (rc != MPI_SUCCESS) {
        dv_arena_free(ranks, (size_t)size * sizeof(int));
        return rc;
    }
    group->size = size;
    group->world_ranks = ranks;
    group->described = true;
    return MPI_SUCCESS;
}

enum dv_status dv_groups_describe(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_group *group;
    while ((group = (struct dv_group *)dv_object_next(DV_KIND_GROUP, &index)) != NULL) {
        int rc = group->described ? MPI_SUCCESS : describe(group);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "describing a group", rc);
        for (int i = 0; i < group->size; i++) {
            if (group->world_ranks[i] != MPI_UNDEFINED)
                continue;
            dv_text_add(why, why_bytes,
                        "an MPI group has members outside MPI_COMM_WORLD (MPI_Comm_spawn, "
                        "MPI_Comm_connect); free it first");
            return DV_ERR_REFUSED;
        }
    }
    return DV_OK;
}

enum dv_status dv_groups_rebuild(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_group *group;
    while ((group = (struct dv_group *)dv_object_next(DV_KIND_GROUP, &index)) != NULL) {
        int rc = dv_group_make(group->size, group->world_ranks, &group->object.real);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "making a group again", rc);
    }
    return DV_OK;
}

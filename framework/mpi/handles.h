/* Virtual handles: tables of objects by kind, O(1) lookup, inline because every wrapper does it.
 *
 *      handle  1 0 k k k k 0 0 0 0 0 1 i i i i ...      kind k (bits 26..29), bit 20 marks ours,
 * index i (bits 0..19)
 *
 * MPICH's own direct handles have small indices, so bit 20 tells ours apart. Tables only grow and
 * an outgrown array is never given back, so lookups need no lock; whoever enters or removes objects
 * takes the lock of objects.c. Included by core.h. */
#ifndef DV_MPI_HANDLES_H
#define DV_MPI_HANDLES_H

#ifndef DV_MPI_CORE_H
#error "include mpi/core.h"
#endif

#define DV_KINDS 16
#define DV_HANDLE_INDICES (1u << 20)

struct dv_table {
    struct dv_object **items; /* [capacity]; NULL: free */
    uint32_t capacity;
    uint32_t used;      /* indices given out at least once */
    uint32_t *recycled; /* stack of freed indices, [capacity] */
    uint32_t recycled_count;
};

extern struct dv_table dv_tables[DV_KINDS];
extern struct dv_comm *dv_world, *dv_self; /* NULL outside MPI_Init ... MPI_Finalize */

/* What the real library takes for an invalid handle of every kind. */
#define DV_HANDLE_INVALID 0

static inline struct dv_object *dv_object_find(int handle, enum dv_kind kind)
{
    if (((unsigned)handle & 0xfff00000u) != (unsigned)DV_HANDLE(kind, 0))
        return NULL;
    uint32_t index = DV_HANDLE_INDEX(handle);
    const struct dv_table *table = &dv_tables[kind];
    return index < table->capacity ? table->items[index] : NULL;
}

static inline int dv_real_of(int handle, enum dv_kind kind)
{
    if (!DV_HANDLE_IS_VIRTUAL(handle))
        return handle;
    const struct dv_object *object = dv_object_find(handle, kind);
    return object != NULL ? object->real : DV_HANDLE_INVALID;
}

#endif

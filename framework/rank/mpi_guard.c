/* Buffers that the real MPI library will write to, perhaps by the kernel's hand: opened before it does; see guard.h. */
#include "capture/tracker_mprotect.h"
#include "rank/guard.h"

#include <dejavu/log.h>

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

int dv_guard_watches;

struct pending {
    MPI_Request request;
    uint64_t start, end;
};

static struct {
    pthread_mutex_t lock;
    struct pending *items;
    size_t count, capacity;
    int lost; /* no memory to write one down: nothing may be protected any more */
} pending = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The bytes from the lowest to the highest that are written; an empty range if there are none. */
static void extent_of(const void *buffer, int64_t displacement, int64_t count, MPI_Datatype type,
                      uint64_t *start, uint64_t *end)
{
    MPI_Count low, extent, true_low, true_extent;
    *start = *end = 0;
    if (buffer == MPI_IN_PLACE || count <= 0 || type == MPI_DATATYPE_NULL ||
        PMPI_Type_get_extent_x(type, &low, &extent) != MPI_SUCCESS ||
        PMPI_Type_get_true_extent_x(type, &true_low, &true_extent) != MPI_SUCCESS ||
        true_extent <= 0)
        return;
    int64_t first = displacement * extent, last = (displacement + count - 1) * extent;
    *start = (uint64_t)buffer + (uint64_t)((first < last ? first : last) + true_low);
    *end = (uint64_t)buffer + (uint64_t)((first < last ? last : first) + true_low + true_extent);
}

void dv_mpi_guard_written(void *buffer, int64_t displacement, int64_t count, int type)
{
    uint64_t start, end;
    extent_of(buffer, displacement, count, type, &start, &end);
    dv_protect_open(start, end);
}

void dv_mpi_guard_posted(const struct dv_side *side, MPI_Request request)
{
    struct pending new = {.request = request};
    extent_of(side->buffer, 0, side->count, side->type, &new.start, &new.end);
    if (new.end <= new.start)
        return;
    pthread_mutex_lock(&pending.lock);
    if (pending.count == pending.capacity) {
        size_t capacity = pending.capacity ? 2 * pending.capacity : 64;
        struct pending *items = realloc(pending.items, capacity * sizeof *items);
        if (items) {
            pending.items = items;
            pending.capacity = capacity;
        }
    }
    if (pending.count < pending.capacity)
        pending.items[pending.count++] = new;
    else
        pending.lost = 1;
    pthread_mutex_unlock(&pending.lock);
}

void dv_mpi_guard_over(MPI_Request request)
{
    pthread_mutex_lock(&pending.lock);
    for (size_t i = pending.count; i-- > 0;)
        if (pending.items[i].request == request)
            pending.items[i] = pending.items[--pending.count];
    pthread_mutex_unlock(&pending.lock);
}

void dv_mpi_guard_reopen(void)
{
    pthread_mutex_lock(&pending.lock);
    for (size_t i = 0; i < pending.count; i++)
        dv_protect_open(pending.items[i].start, pending.items[i].end);
    if (pending.lost)
        dv_protect_open_all();
    pthread_mutex_unlock(&pending.lock);
}

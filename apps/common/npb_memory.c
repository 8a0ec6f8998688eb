#include "apps/common/npb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { CACHE_LINE = 64, STATUS_NO_MEMORY = 3 };

/* The programs have one thread; the two counts serve the report only. */
static size_t bytes_now, bytes_peak;

static size_t padded(size_t count, size_t size)
{
    return (count * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

void *npb_alloc(size_t count, size_t size)
{
    size_t bytes = padded(count, size);
    void *memory = bytes < count ? NULL : aligned_alloc(CACHE_LINE, bytes ? bytes : CACHE_LINE);
    if (!memory) {
        fprintf(stderr,
                "npb: no memory for an array of %zu bytes: use a smaller class or more "
                "nodes\n",
                bytes);
        MPI_Abort(MPI_COMM_WORLD, STATUS_NO_MEMORY);
        abort();
    }
    memset(memory, 0, bytes);
    bytes_now += bytes;
    if (bytes_now > bytes_peak)
        bytes_peak = bytes_now;
    return memory;
}

void npb_free(void *memory, size_t count, size_t size)
{
    if (!memory)
        return;
    bytes_now -= padded(count, size);
    free(memory);
}

size_t npb_alloc_peak(void)
{
    return bytes_peak;
}

uint64_t npb_digest(uint64_t digest, const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, digest);
}

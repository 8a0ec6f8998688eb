/* Memory that a forked child shares with this process. */
#include "capture/job.h"

#include <sys/mman.h>

void *dv_shared_alloc(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void dv_shared_free(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

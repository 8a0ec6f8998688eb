/* The MPI library's own memory: size classes over mapped chunks.
 *
 * The application's malloc cannot be used: a checkpoint may begin in a signal handler that
 * interrupted it. Blocks come in classes of 32, 48, 64, 96, 128 ... bytes (each power of two and
 * one and a half times it) up to 64 KiB, kept in free lists; larger ones are mapped and unmapped
 * one by one. Callers remember sizes, so blocks have no headers. */
#include "mpi/core.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define LARGEST_CLASS_BYTES ((size_t)64 << 10)
#define SMALLEST_CLASS_BYTES ((size_t)32)
#define CLASSES 24
#define PAGE_BYTES ((size_t)4096)

struct block {
    struct block *next;
};

static struct block *free_blocks[CLASSES];
static unsigned char *chunk, *chunk_end;
static volatile int lock;

static void arena_lock(void)
{
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void arena_unlock(void)
{
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* The class that holds `bytes`, and the size of its blocks. */
static unsigned size_class(size_t bytes, size_t *class_bytes)
{
    size_t size = SMALLEST_CLASS_BYTES;
    unsigned class = 0;
    for (; size < bytes; size *= 2, class += 2) {
        if (size + size / 2 >= bytes) {
            *class_bytes = size + size / 2;
            return class + 1;
        }
    }
    *class_bytes = size;
    return class;
}

static size_t round_to_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        static const char text[] =
            "dejavu: mpi: out of memory for the MPI library's own objects (mmap failed); the "
            "program cannot go on: give it more memory or address space (ulimit -v)\n";
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            _exit(127);
        _exit(1);
    }
    return memory;
}

/* A block from the current chunk; the rest of a chunk that is too small is given up. */
static void *carve(size_t bytes)
{
    if (chunk == NULL || (size_t)(chunk_end - chunk) < bytes) {
        chunk = map(CHUNK_BYTES);
        chunk_end = chunk + CHUNK_BYTES;
    }
    void *block = chunk;
    chunk += bytes;
    return block;
}

void *dv_arena_alloc(size_t bytes)
{
    if (bytes > LARGEST_CLASS_BYTES)
        return map(round_to_pages(bytes));

    size_t class_bytes;
    unsigned class = size_class(bytes, &class_bytes);
    arena_lock();
    struct block *block = free_blocks[class];
    if (block != NULL)
        free_blocks[class] = block->next;
    else
        block = carve(class_bytes);
    arena_unlock();
    return memset(block, 0, class_bytes);
}

void dv_arena_free(void *pointer, size_t bytes)
{
    if (pointer == NULL)
        return;
    if (bytes > LARGEST_CLASS_BYTES) {
        munmap(pointer, round_to_pages(bytes));
        return;
    }
    size_t class_bytes;
    unsigned class = size_class(bytes, &class_bytes);
    struct block *block = pointer;
    arena_lock();
    block->next = free_blocks[class];
    free_blocks[class] = block;
    arena_unlock();
}

void *dv_arena_grow(void *pointer, size_t old_bytes, size_t new_bytes)
{
    void *grown = dv_arena_alloc(new_bytes);
    if (pointer != NULL) {
        memcpy(grown, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
        dv_arena_free(pointer, old_bytes);
    }
    return grown;
}

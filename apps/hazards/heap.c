/* Hazard: memory that comes and goes: malloc and free, the break, mmap, mremap, munmap,
 * protections, memory that is only reserved, and memory given back by madvise. */
#include "apps/hazards/hazard.h"

#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS 300
#define PAGE 4096u
#define AREA_PAGES 64u
#define RESERVED_BYTES (1ull << 40)

static struct {
    unsigned char *memory;
    size_t bytes;
    uint64_t seed;
} blocks[BLOCKS];

static void stir_malloc(uint64_t *random)
{
    for (int i = 0; i < 60; i++) {
        uint64_t value = hazard_random(random);
        size_t at = value % BLOCKS, bytes = (value >> 32) % (i == 0 ? 2000000 : 6000) + 1;
        if (blocks[at].memory)
            hazard_verify(blocks[at].memory, blocks[at].bytes, blocks[at].seed, "malloc");
        if (value & 1 << 20) {
            free(blocks[at].memory);
            blocks[at].memory = NULL;
            continue;
        }
        blocks[at].memory = realloc(blocks[at].memory, bytes);
        CHECK(blocks[at].memory);
        blocks[at].bytes = bytes;
        blocks[at].seed = value;
        hazard_fill(blocks[at].memory, bytes, value);
    }
}

/* The break: malloc is told by its own bookkeeping that somebody else moved it. */
static void stir_break(void)
{
    static unsigned char *mine;
    unsigned round = hazard_round();
    if (mine)
        hazard_verify(mine, 5000, round - 1, "sbrk");
    unsigned char *now = sbrk(8192);
    CHECK(now != (void *)-1);
    mine = now;
    hazard_fill(mine, 5000, round);
}

/* An area that grows and shrinks and moves, with pages of all protections. */
static void stir_maps(void)
{
    static unsigned char *area;
    static size_t pages;
    unsigned round = hazard_round();
    if (!area) {
        pages = AREA_PAGES;
        area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(area != MAP_FAILED);
        hazard_fill(area, AREA_PAGES * PAGE, 42);
        CHECK(mprotect(area + 3 * PAGE, PAGE, PROT_NONE) == 0);
        CHECK(mprotect(area + 5 * PAGE, PAGE, PROT_READ) == 0);
    }
    if (round % 2 == 0) {
        size_t wanted = AREA_PAGES + (round * 13) % 200;
        CHECK(mprotect(area, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
        unsigned char *moved = mremap(area, pages * PAGE, wanted * PAGE, MREMAP_MAYMOVE);
        CHECK(moved != MAP_FAILED);
        area = moved;
        pages = wanted;
        hazard_verify(area, AREA_PAGES * PAGE, 42, "mremap");
        CHECK(mprotect(area + 3 * PAGE, PAGE, PROT_NONE) == 0);
        CHECK(mprotect(area + 5 * PAGE, PAGE, PROT_READ) == 0);
    } else {
        hazard_verify(area, 3 * PAGE, 42, "below the protected page");
        CHECK(mprotect(area + 3 * PAGE, PAGE, PROT_READ) == 0);
        hazard_verify(area, AREA_PAGES * PAGE, 42, "with the protected page");
        CHECK(mprotect(area + 3 * PAGE, PAGE, PROT_NONE) == 0);
    }
}

static void stir_reserved(unsigned char *reserved)
{
    unsigned round = hazard_round();
    uint64_t stride = RESERVED_BYTES / 1024;
    unsigned char *page = reserved + (round % 1024) * stride;
    if (round > 0) {
        unsigned char *last = reserved + ((round - 1) % 1024) * stride;
        hazard_verify(last, PAGE, round - 1, "reserved memory");
        CHECK(madvise(last, PAGE, MADV_DONTNEED) == 0);
        for (unsigned i = 0; i < PAGE; i++)
            CHECK(last[i] == 0);
    }
    hazard_fill(page, PAGE, round);
}

int main(int argc, char **argv)
{
    uint64_t random = 1;
    hazard_begin(argc, argv);
    unsigned char *reserved = mmap(NULL, RESERVED_BYTES, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char *low =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(reserved != MAP_FAILED && low != MAP_FAILED && (uintptr_t)low < 1ull << 32);
    hazard_fill(low, PAGE, 7);
    do {
        stir_malloc(&random);
        stir_break();
        stir_maps();
        stir_reserved(reserved);
        hazard_verify(low, PAGE, 7, "MAP_32BIT");
        hazard_mix(random);
    } while (hazard_next());
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].memory)
            hazard_verify(blocks[i].memory, blocks[i].bytes, blocks[i].seed, "malloc, at the end");
    return hazard_end();
}

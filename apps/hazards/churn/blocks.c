/* Churn: the memory of malloc, of every size, and the break; see churn.h. */
#include "apps/hazards/churn/churn.h"

#include <malloc.h>
#include <unistd.h>

#define SMALL_BLOCKS 400u
#define BIG_BLOCKS 8u
#define SMALL_BITS 16u /* up to 64 KiB */
#define BIG_BITS 26u   /* up to 64 MiB */
#define WHOLE_BYTES (1u << 20)
#define STRIDE (32u * CHURN_PAGE)
#define BREAK_PAGES 64u
#define MOST_BREAKS 40u

struct block {
    unsigned char *memory;
    size_t bytes;
    uint64_t seed; /* 0: zeros */
};

static struct block small[SMALL_BLOCKS], big[BIG_BLOCKS];
static unsigned char *break_start;
static size_t break_pages;
static uint64_t break_seeds[BREAK_PAGES];
static unsigned breaks;

/* Blocks above 1 MiB are filled at some places only; the rest of them is not looked at. */
static void each_part(const struct block *block,
                      void (*run)(unsigned char *at, size_t bytes, uint64_t seed))
{
    if (block->bytes <= WHOLE_BYTES) {
        run(block->memory, block->bytes, block->seed);
        return;
    }
    for (size_t at = 0; at < block->bytes; at += STRIDE) {
        size_t rest = block->bytes - at;
        run(block->memory + at, rest < CHURN_PAGE ? rest : CHURN_PAGE,
            block->seed ? block->seed + at : 0);
    }
}

static void fill_part(unsigned char *at, size_t bytes, uint64_t seed)
{
    if (seed)
        hazard_fill(at, bytes, seed);
    else
        memset(at, 0, bytes);
}

static void verify_part(unsigned char *at, size_t bytes, uint64_t seed)
{
    if (seed)
        hazard_verify(at, bytes, seed, "a block of malloc");
    else
        for (size_t i = 0; i < bytes; i++)
            CHECK(at[i] == 0);
}

static void verify_block(const struct block *block)
{
    if (block->memory)
        each_part(block, verify_part);
}

/* Sizes are spread over all orders of magnitude. */
static size_t random_size(unsigned from_bits, unsigned to_bits)
{
    uint64_t most = 1ull << (from_bits + churn_random(to_bits - from_bits + 1));
    return (size_t)(1 + churn_random(most));
}

static void release(struct block *block)
{
    verify_block(block);
    free(block->memory);
    block->memory = NULL;
}

static void obtain(struct block *block, size_t bytes)
{
    bool zero = churn_random(8) == 0;
    block->bytes = bytes;
    block->memory = zero ? calloc(1, bytes) : malloc(bytes);
    CHECK(block->memory);
    block->seed = zero ? 0 : churn_seed();
    if (!zero)
        each_part(block, fill_part);
}

static void resize(struct block *block, size_t bytes)
{
    size_t kept = bytes < block->bytes ? bytes : block->bytes;
    verify_block(block);
    block->memory = realloc(block->memory, bytes);
    CHECK(block->memory);
    /* What is kept is looked at as it was filled, then all is filled anew. */
    if (block->bytes <= WHOLE_BYTES || bytes > WHOLE_BYTES)
        each_part(&(struct block){block->memory, kept & ~7ull, block->seed},
                  block->bytes <= WHOLE_BYTES && kept > WHOLE_BYTES ? fill_part : verify_part);
    block->bytes = bytes;
    block->seed = churn_seed();
    each_part(block, fill_part);
}

static void stir(struct block *block, unsigned from_bits, unsigned to_bits)
{
    uint64_t what = churn_random(5);
    size_t bytes = random_size(from_bits, to_bits);
    if (!block->memory)
        obtain(block, bytes);
    else if (what == 0)
        release(block);
    else if (what == 1)
        resize(block, bytes);
    else if (what == 2) {
        verify_block(block);
        block->seed = churn_seed();
        each_part(block, fill_part);
    } else
        verify_block(block);
}

static void run_malloc(void)
{
    for (int i = 0; i < 12; i++)
        stir(&small[churn_random(SMALL_BLOCKS)], 0, SMALL_BITS);
}

/* The biggest is one of few, so that the program stays small. */
static void run_bigmalloc(void)
{
    size_t at = churn_random(BIG_BLOCKS);
    stir(&big[at], SMALL_BITS, at == 0 ? BIG_BITS : BIG_BITS - 5);
}

static void run_malloctrim(void)
{
    (void)malloc_trim(churn_random(2) ? 0 : 1 << 20);
}

static void verify_break(void)
{
    for (size_t page = 0; page < break_pages; page++)
        for (size_t i = 0; i < CHURN_PAGE_BLOCKS; i++)
            churn_block_verify(break_start + page * CHURN_PAGE + i * CHURN_BLOCK,
                               i ? 0 : break_seeds[page], "the break");
}

/* Pages of ours at the end of the break; if malloc has moved it meanwhile, others from there on. (malloc is used to that.) */
static void run_break(void)
{
    unsigned char *now = sbrk(0);
    CHECK(now != (void *)-1);
    verify_break();
    if (!break_start || now != break_start + break_pages * CHURN_PAGE) {
        if (breaks >= MOST_BREAKS)
            return;
        size_t skip = -(uintptr_t)now % CHURN_PAGE;
        CHECK(sbrk((intptr_t)skip) != (void *)-1);
        break_start = now + skip;
        break_pages = 0;
        breaks++;
    }
    size_t pages = churn_random(BREAK_PAGES + 1);
    CHECK(sbrk(((intptr_t)pages - (intptr_t)break_pages) * (intptr_t)CHURN_PAGE) != (void *)-1);
    for (size_t page = break_pages; page < pages; page++)
        break_seeds[page] = 0;
    break_pages = pages;
    verify_break();
    for (size_t page = 0; page < pages; page += 1 + churn_random(4)) {
        break_seeds[page] = churn_seed();
        churn_block_fill(break_start + page * CHURN_PAGE, break_seeds[page]);
    }
}

void churn_heap_verify(void)
{
    for (size_t i = 0; i < SMALL_BLOCKS; i++)
        verify_block(&small[i]);
    for (size_t i = 0; i < BIG_BLOCKS; i++)
        verify_block(&big[i]);
    verify_break();
}

const struct churn_operation churn_heap_operations[] = {
    {"malloc", 12, run_malloc},
    {"bigmalloc", 2, run_bigmalloc},
    {"malloctrim", 1, run_malloctrim},
    {"break", 4, run_break},
    {NULL, 0, NULL},
};

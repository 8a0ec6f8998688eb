/* The model of what every byte of the churned memory must be; see churn.h. */
#include "apps/hazards/churn/churn.h"

#include <sys/mman.h>

#define POKE_BITS 16

struct churn churn;

uint64_t churn_random(uint64_t below)
{
    return hazard_random(&churn.random) % below;
}

uint64_t churn_seed(void)
{
    uint64_t seed;
    do
        seed = hazard_random(&churn.next_seed);
    while (seed == 0);
    return seed;
}

/* The whole block as it must be. */
static void expected(uint64_t seed, unsigned char block[CHURN_BLOCK])
{
    if (seed == 0) {
        memset(block, 0, CHURN_BLOCK);
        return;
    }
    hazard_fill(block + sizeof seed, CHURN_BLOCK - sizeof seed, seed >> POKE_BITS);
    memcpy(block, &seed, sizeof seed);
}

void churn_block_fill(unsigned char *at, uint64_t seed)
{
    if (seed == 0)
        memset(at, 0, CHURN_BLOCK);
    else
        hazard_fill(at + sizeof seed, CHURN_BLOCK - sizeof seed, seed >> POKE_BITS);
    memcpy(at, &seed, sizeof seed);
}

static bool page_is_zero(const unsigned char *at)
{
    return at[0] == 0 && memcmp(at, at + 1, CHURN_PAGE - 1) == 0;
}

void churn_block_verify(const unsigned char *at, uint64_t seed, const char *what)
{
    unsigned char block[CHURN_BLOCK];
    expected(seed, block);
    for (unsigned i = 0; i < CHURN_BLOCK; i++)
        if (at[i] != block[i]) {
            uint64_t found, word;
            memcpy(&found, at + i / 8 * 8, sizeof found);
            memcpy(&word, block + i / 8 * 8, sizeof word);
            fprintf(stderr, "step %u: %s: %p + %u: %016llx, expected %016llx (seed %016llx)\n",
                    hazard_round(), what, (const void *)at, i / 8 * 8, (unsigned long long)found,
                    (unsigned long long)word, (unsigned long long)seed);
            exit(1);
        }
}

uint64_t churn_file_seed(size_t block)
{
    uint64_t state = 4711 + block;
    return hazard_random(&state) | 1;
}

struct churn_area *churn_area_new(size_t pages)
{
    if (churn.pages + pages > churn.most_pages)
        return NULL;
    for (size_t i = 0; i < CHURN_AREAS; i++)
        if (!churn.areas[i].at)
            return &churn.areas[i];
    return NULL;
}

void churn_area_set(struct churn_area *area, enum churn_kind kind, unsigned char *at, size_t pages,
                    size_t file_page)
{
    *area = (struct churn_area){.at = at, .kind = kind, .file_page = file_page};
    churn_area_resize(area, pages);
}

void churn_area_forget(struct churn_area *area)
{
    churn.pages -= area->pages;
    free(area->seeds);
    free(area->protection);
    free(area->given_back);
    *area = (struct churn_area){0};
}

void churn_area_fresh(struct churn_area *area, size_t first, size_t count)
{
    for (size_t page = first; page < first + count; page++) {
        size_t block = page * CHURN_PAGE_BLOCKS;
        area->given_back[page] = 0;
        for (size_t i = block; i < block + CHURN_PAGE_BLOCKS; i++)
            area->seeds[i] = area->kind == CHURN_FILE
                                 ? churn_file_seed(area->file_page * CHURN_PAGE_BLOCKS + i)
                                 : 0;
    }
}

void churn_area_resize(struct churn_area *area, size_t pages)
{
    size_t before = area->pages;
    area->seeds = realloc(area->seeds, pages * CHURN_PAGE_BLOCKS * sizeof *area->seeds);
    area->protection = realloc(area->protection, pages);
    area->given_back = realloc(area->given_back, pages);
    CHECK(area->seeds && area->protection && area->given_back);
    churn.pages += pages - before;
    area->pages = pages;
    if (pages > before) {
        memset(area->protection + before, PROT_READ | PROT_WRITE, pages - before);
        churn_area_fresh(area, before, pages - before);
    }
}

struct churn_area *churn_pick(unsigned kinds)
{
    size_t start = churn_random(CHURN_AREAS);
    for (size_t i = 0; i < CHURN_AREAS; i++) {
        struct churn_area *area = &churn.areas[(start + i) % CHURN_AREAS];
        if (area->at && !area->busy && (area->kind & kinds))
            return area;
    }
    return NULL;
}

bool churn_pick_range(unsigned kinds, size_t most, struct churn_range *range)
{
    struct churn_area *area = churn_pick(kinds);
    if (!area)
        return false;
    size_t first = churn_random(area->pages), rest = area->pages - first;
    *range = (struct churn_range){area, first, 1 + churn_random(rest < most ? rest : most)};
    return true;
}

bool churn_writable(const struct churn_area *area, size_t page)
{
    return area->protection[page] & PROT_WRITE;
}

bool churn_all_writable(const struct churn_range *range)
{
    for (size_t page = range->first; page < range->first + range->count; page++)
        if (!churn_writable(range->area, page))
            return false;
    return true;
}

void churn_open(const struct churn_range *range)
{
    if (churn_all_writable(range))
        return;
    CHECK(mprotect(range->area->at + range->first * CHURN_PAGE, range->count * CHURN_PAGE,
                   PROT_READ | PROT_WRITE) == 0);
    memset(range->area->protection + range->first, PROT_READ | PROT_WRITE, range->count);
}

void churn_take_back(struct churn_area *area, size_t page)
{
    if (!area->given_back[page])
        return;
    area->given_back[page] = 0;
    for (size_t i = page * CHURN_PAGE_BLOCKS; i < (page + 1) * CHURN_PAGE_BLOCKS; i++) {
        area->seeds[i] = churn_seed();
        churn_block_fill(area->at + i * CHURN_BLOCK, area->seeds[i]);
    }
}

void churn_written(struct churn_area *area, size_t block, uint64_t seed)
{
    area->seeds[block] = seed;
}

void churn_write(struct churn_area *area, size_t block, uint64_t seed)
{
    churn_take_back(area, block / CHURN_PAGE_BLOCKS);
    churn_block_fill(area->at + block * CHURN_BLOCK, seed);
    area->seeds[block] = seed;
}

void churn_area_verify(const struct churn_area *area, size_t first, size_t count)
{
    const char *what = area->kind == CHURN_PRIVATE  ? "a private mapping"
                       : area->kind == CHURN_SHARED ? "shared memory"
                                                    : "a private mapping of a file";
    for (size_t page = first; page < first + count; page++) {
        if (!(area->protection[page] & PROT_READ))
            continue;
        bool zero = area->given_back[page] && page_is_zero(area->at + page * CHURN_PAGE);
        for (size_t i = page * CHURN_PAGE_BLOCKS; i < (page + 1) * CHURN_PAGE_BLOCKS; i++)
            churn_block_verify(area->at + i * CHURN_BLOCK, zero ? 0 : area->seeds[i], what);
    }
}

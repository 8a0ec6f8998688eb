/* Churn: which operation comes next, the stack, and the end; see churn.h. */
#include "apps/hazards/churn/churn.h"

#include <fcntl.h>
#include <unistd.h>

#define SAY_EVERY 100
#define VERIFY_ALL_EVERY 128
#define FRAME_BLOCKS 4
#define MOST_FRAMES 256
#define STEPS_BELOW 4
#define DEFAULT_MIB 48

static unsigned depth, weights;
static const char *asked_for; /* "map,unmap,..." or NULL */

static void run_stack(void);
static const struct churn_operation own_operations[] = {{"stack", 3, run_stack}, {NULL, 0, NULL}};
static const struct churn_operation *const tables[] = {
    own_operations, churn_map_operations, churn_write_operations, churn_heap_operations};
#define TABLES (sizeof tables / sizeof *tables)

/* "+": all that are run if nothing is asked for, and those named besides. */
static unsigned weight_of(const struct churn_operation *operation)
{
    if (!asked_for)
        return operation->weight;
    size_t length = strlen(operation->name);
    for (const char *at = asked_for; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, operation->name, length) == 0 && (at[length] == ',' || !at[length]))
            return operation->weight ? operation->weight : 4;
    return asked_for[0] == '+' ? operation->weight : 0;
}

static const struct churn_operation *choose(void)
{
    uint64_t value = churn_random(weights);
    for (size_t t = 0; t < TABLES; t++)
        for (const struct churn_operation *o = tables[t]; o->name; o++) {
            unsigned weight = weight_of(o);
            if (value < weight)
                return o;
            value -= weight;
        }
    abort();
}

void churn_one(void)
{
    const struct churn_operation *operation = choose();
    if (operation->run == run_stack && depth)
        return;
    if (getenv("CHURN_TRACE"))
        fprintf(stderr, "step %u: %s\n", hazard_round(), operation->name);
    operation->run();
    struct churn_area *area = churn_pick(~0u);
    if (area)
        churn_area_verify(area, 0, area->pages);
}

/* Deep frames with contents, under which the churn goes on. */
static void __attribute__((noinline)) descend(unsigned frames)
{
    unsigned char frame[FRAME_BLOCKS * CHURN_BLOCK];
    uint64_t seeds[FRAME_BLOCKS];
    for (size_t i = 0; i < FRAME_BLOCKS; i++) {
        seeds[i] = churn_seed();
        churn_block_fill(frame + i * CHURN_BLOCK, seeds[i]);
    }
    if (frames > 1)
        descend(frames - 1);
    else
        for (int i = 0; i < STEPS_BELOW; i++)
            churn_one();
    for (size_t i = 0; i < FRAME_BLOCKS; i++)
        churn_block_verify(frame + i * CHURN_BLOCK, seeds[i], "the stack");
}

static void run_stack(void)
{
    depth++;
    descend(1 + (unsigned)churn_random(MOST_FRAMES));
    depth--;
}

static void make_file(void)
{
    unsigned char block[CHURN_BLOCK];
    churn.file = open("churn.data", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(churn.file >= 0);
    for (size_t i = 0; i < CHURN_FILE_PAGES * CHURN_PAGE_BLOCKS; i++) {
        churn_block_fill(block, churn_file_seed(i));
        CHECK(pwrite(churn.file, block, sizeof block, (off_t)(i * sizeof block)) == sizeof block);
    }
    CHECK(fsync(churn.file) == 0);
}

void churn_begin(int argc, char **argv)
{
    char *steps[] = {argv[0], argc > 1 ? argv[1] : (char[]){"2000"}, NULL};
    hazard_begin(2, steps);
    churn.random = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    churn.next_seed = churn.random + 1000000;
    churn.most_pages =
        (argc > 3 ? strtoul(argv[3], NULL, 10) : DEFAULT_MIB) * (1048576 / CHURN_PAGE);
    asked_for = argc > 4 ? argv[4] : NULL;
    for (size_t t = 0; t < TABLES; t++)
        for (const struct churn_operation *o = tables[t]; o->name; o++)
            weights += weight_of(o);
    CHECK(weights > 0);
    make_file();
}

static void verify_all(void)
{
    for (size_t i = 0; i < CHURN_AREAS; i++)
        if (churn.areas[i].at && !churn.areas[i].busy)
            churn_area_verify(&churn.areas[i], 0, churn.areas[i].pages);
    churn_heap_verify();
}

int churn_step(void)
{
    unsigned step = hazard_round();
    churn_one();
    if (step % VERIFY_ALL_EVERY == 0)
        verify_all();
    if (step % SAY_EVERY == 0) {
        printf("STEP %u\n", step);
        CHECK(fflush(stdout) == 0);
    }
    hazard_mix(churn.random);
    return hazard_step();
}

void churn_end(void)
{
    for (size_t i = 0; i < CHURN_AREAS; i++)
        if (churn.areas[i].at)
            churn_open(&(struct churn_range){&churn.areas[i], 0, churn.areas[i].pages});
    verify_all();
    for (size_t i = 0; i < CHURN_AREAS; i++)
        for (size_t block = 0; block < churn.areas[i].pages * CHURN_PAGE_BLOCKS; block++)
            hazard_mix(churn.areas[i].seeds[block]);
    printf("MOVES %u REFUSED %u\n", churn.moves, churn.refused_moves);
}

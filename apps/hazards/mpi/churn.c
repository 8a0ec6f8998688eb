/* Hazard: messages into and out of memory that is churned (see churn/churn.h): sends and receives stay pending over several
 * steps, and so over checkpoints, while pages beside them change, and what was received moves and goes like all other
 * memory. Each rank churns by its own seed; the messages' sizes and contents follow from the step.
 * usage: hazard-mpi-churn [STEPS [SEED [MIB [OPERATIONS]]]] */
#include "apps/hazards/churn/churn.h"

#include <mpi.h>

#define DEPTH 4u /* steps that a message is pending */
#define SMALL_BLOCKS 24u
#define BIG_BLOCKS 600u
#define BIG_EVERY 7u
#define COLLECTIVE_EVERY 6u
#define TAGS 30000u

/* A message, sent or to be received. */
struct message {
    struct churn_area *area; /* NULL: none */
    size_t first, blocks;
    unsigned step;
    int sender;
    MPI_Request request;
};

static struct message out[DEPTH], in[DEPTH];
static int rank, size;

/* Both sides know what a message is by its step and sender. */
static size_t blocks_of(unsigned step, int sender)
{
    uint64_t state = step * 1000u + (unsigned)sender;
    return 1 + hazard_random(&state) % (step % BIG_EVERY ? SMALL_BLOCKS : BIG_BLOCKS);
}

static uint64_t seed_of(unsigned step, int sender, size_t block)
{
    uint64_t state = step * 1000003ull + (unsigned)sender * 10007u + block;
    return hazard_random(&state) | 1;
}

/* Memory of its own for a message. If there is no room for it, other memory goes. */
static struct churn_area *make_room(size_t pages)
{
    struct churn_area *area;
    while (!(area = churn_area_new(pages))) {
        struct churn_area *victim = churn_pick(~0u);
        CHECK(victim && munmap(victim->at, victim->pages * CHURN_PAGE) == 0);
        churn_area_forget(victim);
    }
    void *memory =
        mmap(NULL, pages * CHURN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    churn_area_set(area, CHURN_PRIVATE, memory, pages, 0);
    return area;
}

/* A place for so many blocks in an area that is left alone until the message is through. */
static void find_place(struct message *message, size_t blocks)
{
    size_t pages = blocks / CHURN_PAGE_BLOCKS + 2;
    struct churn_area *area = churn_pick(CHURN_PRIVATE | CHURN_FILE);
    if (!area || area->pages < pages)
        area = make_room(pages);
    message->area = area;
    size_t page = churn_random(area->pages - pages + 1);
    struct churn_range range = {area, page, pages};
    churn_open(&range);
    for (size_t i = page; i < page + pages; i++)
        churn_take_back(area, i);
    message->first = page * CHURN_PAGE_BLOCKS + churn_random(CHURN_PAGE_BLOCKS);
    message->blocks = blocks;
}

static unsigned char *start_of(const struct message *message)
{
    return message->area->at + message->first * CHURN_BLOCK;
}

static int bytes_of(const struct message *message)
{
    return (int)(message->blocks * CHURN_BLOCK);
}

static void post(unsigned step)
{
    struct message *to = &out[step % DEPTH], *from = &in[step % DEPTH];
    int shift = 1 + (int)(step % (unsigned)(size - 1)), tag = (int)(step % TAGS);
    int receiver = (rank + shift) % size;
    from->sender = (rank + size - shift) % size;
    from->step = to->step = step;
    to->sender = rank;
    find_place(from, blocks_of(step, from->sender));
    from->area->busy = true;
    MPI_Irecv(start_of(from), bytes_of(from), MPI_BYTE, from->sender, tag, MPI_COMM_WORLD,
              &from->request);
    find_place(to, blocks_of(step, rank));
    for (size_t i = 0; i < to->blocks; i++)
        churn_write(to->area, to->first + i, seed_of(step, rank, i));
    to->area->busy = true;
    MPI_Isend(start_of(to), bytes_of(to), MPI_BYTE, receiver, tag, MPI_COMM_WORLD, &to->request);
}

static void settle(struct message *message)
{
    int done = 0;
    if (message->step % 3 == 0)
        while (!done)
            MPI_Test(&message->request, &done, MPI_STATUS_IGNORE);
    else
        MPI_Wait(&message->request, MPI_STATUS_IGNORE);
    struct churn_area *area = message->area;
    for (size_t i = 0; i < message->blocks; i++)
        churn_written(area, message->first + i, seed_of(message->step, message->sender, i));
    area->busy = false;
    churn_area_verify(area, 0, area->pages);
    message->area = NULL;
}

/* Pages that a message is on its way to are written beside it. */
static void write_beside(const struct message *message)
{
    struct churn_area *area = message->area;
    if (!area)
        return;
    size_t blocks = area->pages * CHURN_PAGE_BLOCKS, end = message->first + message->blocks;
    if (message->first > 0 && churn_writable(area, (message->first - 1) / CHURN_PAGE_BLOCKS))
        churn_write(area, message->first - 1, churn_seed());
    if (end < blocks && churn_writable(area, end / CHURN_PAGE_BLOCKS))
        churn_write(area, end, churn_seed());
}

static void collective(unsigned step)
{
    struct message place = {.area = NULL};
    unsigned sum = 0, mine = step + (unsigned)rank;
    MPI_Allreduce(&mine, &sum, 1, MPI_UNSIGNED, MPI_SUM, MPI_COMM_WORLD);
    CHECK(sum == (unsigned)size * step + (unsigned)(size * (size - 1) / 2));
    int root = (int)(step % (unsigned)size);
    find_place(&place, blocks_of(step, size));
    for (size_t i = 0; i < place.blocks; i++)
        churn_write(place.area, place.first + i, rank == root ? seed_of(step, size, i) : 0);
    MPI_Bcast(start_of(&place), bytes_of(&place), MPI_BYTE, root, MPI_COMM_WORLD);
    for (size_t i = 0; i < place.blocks; i++)
        churn_written(place.area, place.first + i, seed_of(step, size, i));
    churn_area_verify(place.area, 0, place.area->pages);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    CHECK(size > 1);
    churn_begin(argc, argv);
    churn.random += (unsigned)rank * 7919u;
    unsigned step;
    do {
        step = hazard_round();
        if (out[step % DEPTH].area) {
            settle(&in[step % DEPTH]);
            settle(&out[step % DEPTH]);
        }
        post(step);
        if (step % COLLECTIVE_EVERY == 0)
            collective(step);
        write_beside(&in[hazard_round() / 2 % DEPTH]);
    } while (churn_step());
    for (unsigned i = 1; i <= DEPTH; i++)
        if (out[(step + i) % DEPTH].area) {
            settle(&in[(step + i) % DEPTH]);
            settle(&out[(step + i) % DEPTH]);
        }
    churn_end();
    uint64_t mine = hazard_digest(), all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_BXOR, 0, MPI_COMM_WORLD);
    hazard_mix(all);
    if (rank == 0)
        hazard_end();
    MPI_Finalize();
    return 0;
}

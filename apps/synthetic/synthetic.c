#include "apps/synthetic/synthetic.h"

#include <math.h>
#include <string.h>

enum {
    TAG_LEFT = 51,
    TAG_RIGHT = 52,
    BLOCK_VALUES = 1024, /* with its copy half of a first-level cache of 32 KiB */
    FLOP_PER_VALUE = 4,
};

#define TRIAL_PART 0.05 /* of the seconds asked for, at least */

static const struct npb_program program = {.name = "Synthetic", .command = "synthetic"};

struct synthetic {
    const struct synthetic_settings *settings;
    int left, right; /* neighbours' ranks */
    struct synthetic_field field;
    double *halo[2]; /* from left and right */
    size_t halo_values;
    double block[BLOCK_VALUES];
    /* What all that was received and computed comes to. */
    double received, agreed;
};

static void synthetic_create(const struct npb_run *run, const struct synthetic_settings *settings,
                             struct synthetic *s)
{
    *s = (struct synthetic){
        .settings = settings,
        .left = (run->rank + run->nranks - 1) % run->nranks,
        .right = (run->rank + 1) % run->nranks,
        .halo_values = (settings->message_bytes + sizeof(double) - 1) / sizeof(double),
    };
    synthetic_field_create(settings, &s->field);
    for (int side = 0; side < 2; side++)
        s->halo[side] = npb_alloc(s->halo_values, sizeof(double));
}

static void synthetic_free(struct synthetic *s)
{
    for (int side = 0; side < 2; side++)
        npb_free(s->halo[side], s->halo_values, sizeof(double));
    synthetic_field_free(&s->field);
}

static void start_over(struct synthetic *s, int rank)
{
    synthetic_field_fill(&s->field, rank);
    for (int i = 0; i < BLOCK_VALUES; i++)
        s->block[i] = 1.0 / (i + 1);
    s->received = s->agreed = 0;
}

/* The ends of the field go to the neighbours from where they are. */
static void start_exchange(struct synthetic *s, MPI_Request requests[4])
{
    const int bytes = (int)s->settings->message_bytes;
    const char *first = (const char *)s->field.page;
    const char *last = (const char *)(s->field.page + s->field.pages) - bytes;

    MPI_Irecv(s->halo[0], bytes, MPI_BYTE, s->left, TAG_RIGHT, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(s->halo[1], bytes, MPI_BYTE, s->right, TAG_LEFT, MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(first, bytes, MPI_BYTE, s->left, TAG_LEFT, MPI_COMM_WORLD, &requests[2]);
    MPI_Isend(last, bytes, MPI_BYTE, s->right, TAG_RIGHT, MPI_COMM_WORLD, &requests[3]);
}

/* A message as one value: each of its bytes matters. */
static double mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : 0;
}

/* Smooths the block as often as it takes to do the operations asked for, in pairs of sweeps. */
static void compute(double *block, double mflop)
{
    const double per_pair = 2.0 * FLOP_PER_VALUE * (BLOCK_VALUES - 2);
    const long pairs = (long)ceil(mflop * 1e6 / per_pair);
    double next[BLOCK_VALUES];

    memcpy(next, block, sizeof next);
    for (long pair = 0; pair < pairs; pair++) {
        for (int i = 1; i < BLOCK_VALUES - 1; i++)
            next[i] = 0.25 * (block[i - 1] + block[i + 1]) + 0.5 * block[i];
        for (int i = 1; i < BLOCK_VALUES - 1; i++)
            block[i] = 0.25 * (next[i - 1] + next[i + 1]) + 0.5 * next[i];
    }
}

static void make_step(struct synthetic *s, long step)
{
    const struct synthetic_settings *settings = s->settings;
    MPI_Request requests[4];
    MPI_Status statuses[4]; /* not MPI_STATUSES_IGNORE: gcc 12 warns of its size */
    double left = 0, right = 0;

    if (settings->message_bytes)
        start_exchange(s, requests);
    s->block[0] = s->agreed;
    compute(s->block, settings->compute_mflop);
    if (settings->message_bytes) {
        MPI_Waitall(4, requests, statuses);
        left = mean(s->halo[0], s->halo_values);
        right = mean(s->halo[1], s->halo_values);
        s->received = 0.5 * s->received + left - right;
    }
    double sample = synthetic_field_write(&s->field, step, left, right, s->agreed);
    if (settings->collective_every && step % settings->collective_every == 0) {
        double mine = sample + s->block[1], all = 0;
        MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        s->agreed = sin(all);
    }
}

/* As many steps as take so long, by a trial of some. Rank 0 decides. */
static long steps_for(struct synthetic *s, int rank, double seconds)
{
    double start = npb_timer_start();
    long steps = 0, done = 0;

    for (long batch = 1; steps == 0; batch *= 2) {
        for (long i = 0; i < batch; i++)
            make_step(s, ++done);
        double elapsed = MPI_Wtime() - start;
        if (elapsed >= TRIAL_PART * seconds)
            steps = lround(fmax(1, (double)done * seconds / elapsed));
        MPI_Bcast(&steps, 1, MPI_LONG, 0, MPI_COMM_WORLD);
    }
    start_over(s, rank);
    return steps;
}

static uint64_t digest(const struct synthetic *s)
{
    uint64_t value = npb_digest(0, s->field.page, s->field.pages * sizeof *s->field.page);
    value = npb_digest(value, s->block, sizeof s->block);
    value = npb_digest(value, &s->received, sizeof s->received);
    return npb_digest(value, &s->agreed, sizeof s->agreed);
}

static void describe(const struct npb_run *run, const struct synthetic *s)
{
    const struct synthetic_settings *settings = s->settings;
    double page_mib = SYNTHETIC_PAGE_BYTES / 0x1p20;

    npb_say(run, "Synthetic stencil, on each of %d ranks:", run->nranks);
    npb_say(run, "Footprint       = %12.3f MiB, %zu pages", (double)s->field.pages * page_mib,
            s->field.pages);
    npb_say(run, "Written         = %12.3f MiB, %zu pages per step, %s, moving by %ld pages",
            (double)s->field.written * page_mib, s->field.written,
            settings->order == SYNTHETIC_SCATTERED ? "scattered" : "clustered",
            settings->move_pages);
    npb_say(run, "Messages        = %12zu bytes to each of 2 neighbours per step",
            settings->message_bytes);
    npb_say(run, "Collective      = %12ld steps from one to the next (0: none)",
            settings->collective_every);
    npb_say(run, "Compute         = %12g Mflop per step", settings->compute_mflop);
}

static double count_operations(const struct npb_run *run, const struct synthetic *s)
{
    double written = (double)s->field.written * FLOP_PER_VALUE * SYNTHETIC_VALUES;
    return run->nranks * (double)run->iterations * (1e6 * s->settings->compute_mflop + written);
}

static bool verify(const struct synthetic *s, long steps)
{
    int mine = synthetic_field_verify(&s->field, steps), all = 0;
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv)
{
    struct npb_run run = {.program = &program, .class_name = '-', .official = true};
    struct synthetic_settings settings;
    static struct synthetic s;
    int status;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &run.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &run.nranks);
    if (!synthetic_parse(argc, argv, &run, &settings, &status))
        return status;
    run.progress = settings.progress;
    synthetic_create(&run, &settings, &s);
    describe(&run, &s);

    start_over(&s, run.rank);
    run.iterations =
        (int)(settings.seconds > 0 ? steps_for(&s, run.rank, settings.seconds) : settings.steps);
    double start = npb_timer_start();
    for (int step = 1; step <= run.iterations; step++) {
        make_step(&s, step);
        npb_progress(&run, step, "agreed %.15f", s.agreed);
    }
    double seconds = MPI_Wtime() - start;

    npb_say(&run, "Step            = %12.6f ms", 1e3 * seconds / run.iterations);
    struct npb_result result = {
        .size = {(int64_t)s.field.pages},
        .operations = count_operations(&run, &s),
        .seconds = seconds,
        .digest = digest(&s),
        .op_type = "floating point",
        .verified = verify(&s, run.iterations),
    };
    synthetic_free(&s);
    return npb_end(&run, &result);
}

/*
 * EP, "embarrassingly parallel" (RNR-94-007): pairs of uniform numbers become Gaussian
 * deviates by the polar method; their sums and a count per square annulus are the result. Ranks
 * share the batches of 2^16 pairs and meet only at the end.
 */
#include "apps/common/npb.h"
#include "apps/common/npb_random.h"

#include <math.h>

enum {
    BATCH_PAIRS = 1 << 16,
    CHUNK_PAIRS = 1 << 10, /* what stays in the first-level cache */
    ANNULI = 12,           /* the smallest t > 0, 2^-90, gives 11.2 */
    ANNULI_SHOWN = 10,
    PROGRESS_LINES = 64,
};

#define EP_SEED UINT64_C(271828183)
#define EP_EPSILON 1e-8

static const struct npb_program program = {
    .name = "EP",
    .command = "npb-ep",
    .summary = "NPB EP: Gaussian deviates by the polar method. Any number of ranks. An iteration "
               "is a batch of 65536 pairs.",
    .rank_rule = NPB_RANKS_ANY,
    .iterations = {1 << 8, 1 << 9, 1 << 12, 1 << 14, 1 << 16},
};

static const struct {
    int log2_pairs;
    double sum_x, sum_y;
} classes[NPB_CLASS_COUNT] = {
    {24, -3.247834652034740e+3, -6.958407078382297e+3},
    {25, -2.863319731645753e+3, -6.320053679109499e+3},
    {28, -4.295875165629892e+3, -1.580732573678431e+4},
    {30, 4.033815542441498e+4, -2.660669192809235e+4},
    {32, 4.764367927995374e+4, -8.084072988043731e+4},
};

struct tally {
    double sum_x, sum_y;
    double annulus[ANNULI]; /* counts, exact in a double */
};

/* The pairs inside the unit circle, closed up. Without a branch: one in five is outside. */
static int select_pairs(const double *uniform, double *x, double *y, double *t)
{
    int kept = 0;
    for (int i = 0; i < CHUNK_PAIRS; i++) {
        double a = 2.0 * uniform[2 * i] - 1.0;
        double b = 2.0 * uniform[2 * i + 1] - 1.0;
        double square = a * a + b * b;
        x[kept] = a;
        y[kept] = b;
        t[kept] = square;
        kept += square <= 1.0;
    }
    return kept;
}

static void tally_chunk(uint64_t *state, struct tally *tally)
{
    double uniform[2 * CHUNK_PAIRS];
    double x[CHUNK_PAIRS], y[CHUNK_PAIRS], t[CHUNK_PAIRS];

    npb_random_fill(state, 2 * CHUNK_PAIRS, uniform);
    int kept = select_pairs(uniform, x, y, t);
    for (int i = 0; i < kept; i++) {
        double scale = sqrt(-2.0 * log(t[i]) / t[i]);
        double a = x[i] * scale, b = y[i] * scale;
        double larger = fmax(fabs(a), fabs(b));
        tally->annulus[(int)larger] += 1.0;
        tally->sum_x += a;
        tally->sum_y += b;
    }
}

static void tally_batch(int batch, struct tally *tally)
{
    uint64_t state = npb_random_jump(EP_SEED, (uint64_t)batch * 2 * BATCH_PAIRS);
    for (int chunk = 0; chunk < BATCH_PAIRS / CHUNK_PAIRS; chunk++)
        tally_chunk(&state, tally);
}

static void run_batches(const struct npb_run *run, struct tally *mine)
{
    struct npb_span span = npb_split(run->iterations, run->nranks, run->rank);
    int every = run->iterations / PROGRESS_LINES > 0 ? run->iterations / PROGRESS_LINES : 1;

    for (int i = 0; i < span.count; i++) {
        tally_batch(span.first + i, mine);
        if ((i + 1) % every == 0 || i + 1 == span.count)
            npb_progress(run, i + 1, "of rank 0's %d: sum %.15e %.15e", span.count, mine->sum_x,
                         mine->sum_y);
    }
}

static void print_counts(const struct npb_run *run, const struct tally *all)
{
    double pairs = 0;
    for (int i = 0; i < ANNULI; i++)
        pairs += all->annulus[i];
    npb_say(run, "No. Gaussian pairs = %.0f", pairs);
    for (int i = 0; i < ANNULI_SHOWN; i++)
        npb_say(run, "%3d %15.0f", i, all->annulus[i]);
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct tally warm = {0}, mine = {0}, all = {0};

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    npb_say(&run, "NAS Parallel Benchmarks - EP: 2^%d pairs, %d ranks",
            classes[run.class_index].log2_pairs, run.nranks);

    tally_batch(0, &warm);
    double start = npb_timer_start();
    run_batches(&run, &mine);
    MPI_Allreduce(&mine, &all, (int)(sizeof all / sizeof(double)), MPI_DOUBLE, MPI_SUM,
                  MPI_COMM_WORLD);
    double seconds = MPI_Wtime() - start;

    print_counts(&run, &all);
    bool good_x =
        npb_agrees(&run, "Sum of x", all.sum_x, classes[run.class_index].sum_x, EP_EPSILON);
    bool good_y =
        npb_agrees(&run, "Sum of y", all.sum_y, classes[run.class_index].sum_y, EP_EPSILON);
    struct npb_result result = {
        .size = {INT64_C(2) * BATCH_PAIRS * run.iterations},
        .operations = 2.0 * BATCH_PAIRS * run.iterations,
        .seconds = seconds,
        .op_type = "random numbers generated",
        .verified = good_x && good_y,
    };
    result.digest = npb_digest(npb_digest(0, &mine, sizeof mine), &all, sizeof all);
    return npb_end(&run, &result);
}

/*
 * IS, "integer sort" (RNR-94-007): ranks integer keys ten times; before each ranking
 * two keys are changed, so that the ranks of five test keys move in a known way. The keys are
 * sorted once at the end.
 */
#include "apps/npb/is/is.h"

enum { RANKINGS = 10, TAGGED_KEYS = 2 * RANKINGS };

static const struct npb_program program = {
    .name = "IS",
    .command = "npb-is",
    .summary = "NPB IS: ranking of integer keys by bucket sort. The number of ranks must be a "
               "power of two.",
    .rank_rule = NPB_RANKS_POWER_OF_TWO,
    .iterations = {RANKINGS, RANKINGS, RANKINGS, RANKINGS, RANKINGS},
};

static const struct is_class classes[NPB_CLASS_COUNT] = {
    {16, 11, 9, {48427, 17148, 23627, 62548, 4431}, {0, 18, 346, 64917, 65463}},
    {20,
     16,
     10,
     {357773, 934767, 875723, 898999, 404505},
     {1249, 11698, 1039987, 1043896, 1048018}},
    {23,
     19,
     10,
     {2112377, 662041, 5336171, 3642833, 4250760},
     {104, 17523, 123928, 8288932, 8388264}},
    {25,
     21,
     10,
     {41869, 812306, 5102857, 18232239, 26860214},
     {33422937, 10244, 59149, 33135281, 99}},
    {27,
     23,
     10,
     {44172927, 72999161, 74326391, 129606274, 21736814},
     {61147, 882988, 266290, 133997595, 133525895}},
};

/* By how much the changes of an iteration have moved the rank of a test key. */
static int expected_shift(char class_name, int test, int iteration)
{
    switch (class_name) {
    case 'W':
        return test < 2 ? iteration - 2 : -iteration;
    case 'A':
        return test <= 2 ? iteration - 1 : 1 - iteration;
    case 'B':
        return test == 1 || test == 2 || test == 4 ? iteration : -iteration;
    default:
        return test <= 2 ? iteration : -iteration;
    }
}

/* How many of the test keys that this process owns have the right rank. */
static int check_ranks(const struct npb_run *run, const struct is_sorter *s,
                       const struct is_class *class, int iteration)
{
    int right = 0;
    for (int i = 0; i < IS_TESTS; i++) {
        int key = s->bucket_total[s->bucket_count + i];
        if (key < s->key_first || key > s->key_last)
            continue;
        int64_t expected = class->test_rank[i] + expected_shift(run->class_name, i, iteration);
        right += is_rank_of(s, key) == expected;
    }
    return right;
}

/* Changes two keys of process 0, ranks all, checks; beyond ten iterations the changes recur. */
static int iterate(const struct npb_run *run, struct is_sorter *s, const struct is_class *class,
                   int iteration)
{
    int step = (iteration - 1) % RANKINGS + 1;
    if (s->rank == 0) {
        s->keys[step] = step;
        s->keys[step + RANKINGS] = s->key_max - step;
    }
    is_rank_keys(s, class);
    return check_ranks(run, s, class, step);
}

static void place_keys(const struct is_sorter *s, const int *keys, int count, int *sorted)
{
    for (int i = 0; i < count; i++)
        sorted[s->smaller[keys[i] - s->key_first]++] = keys[i];
}

/* Each key goes where its rank says. Uses up the ranks: smaller[k] then counts keys k too. */
static void sort_keys(const struct is_sorter *s, int *sorted)
{
    place_keys(s, s->by_bucket + s->kept_first, s->kept_count, sorted);
    place_keys(s, s->received, s->received_count, sorted);
}

/* Within each process and from one to the next the keys ascend, and none is lost. */
static bool is_sorted(const struct is_sorter *s, const int *sorted)
{
    int previous = -1, count = s->kept_count + s->received_count;
    int64_t mine[2] = {count, 0}, all[2];
    int last = count > 0 ? sorted[count - 1] : -1;

    MPI_Exscan(&last, &previous, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (s->rank == 0)
        previous = -1; /* Exscan leaves it alone, or not */
    for (int i = 0; i < count; i++) {
        mine[1] += sorted[i] < previous;
        previous = sorted[i];
    }
    MPI_Allreduce(mine, all, 2, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    return all[0] == (int64_t)s->key_count * s->nranks && all[1] == 0;
}

/* The timed part; returns how many test ranks were right, over all processes. */
static int run_rankings(const struct npb_run *run, struct is_sorter *s,
                        const struct is_class *class, double *seconds)
{
    int right = 0, all = 0;
    double start = npb_timer_start();

    for (int i = 1; i <= run->iterations; i++) {
        right += iterate(run, s, class, i);
        npb_progress(run, i, "%d test ranks right on rank 0 so far", right);
    }
    *seconds = MPI_Wtime() - start;
    MPI_Allreduce(&right, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct is_sorter s;
    double seconds;

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    const struct is_class *class = &classes[run.class_index];
    if ((1 << class->log2_keys) / run.nranks <= TAGGED_KEYS)
        return npb_reject(&run, "class %c is too small for %d ranks", run.class_name, run.nranks);
    is_sorter_create(&run, class, &s);
    npb_say(&run, "NAS Parallel Benchmarks - IS: 2^%d keys below 2^%d, %d iterations, %d ranks",
            class->log2_keys, class->log2_key_max, run.iterations, run.nranks);

    iterate(&run, &s, class, 1);
    int right = run_rankings(&run, &s, class, &seconds);

    double keys = (double)s.key_count * s.nranks;
    struct npb_result result = {
        .size = {(int64_t)keys},
        .operations = keys * run.iterations,
        .seconds = seconds,
        .op_type = "keys ranked",
    };
    size_t count = (size_t)s.kept_count + (size_t)s.received_count;
    /* NOLINTNEXTLINE(bugprone-misplaced-widening-cast): meant so */
    size_t ranks = (size_t)(s.key_last - s.key_first + 1);
    int *sorted = npb_alloc(count, sizeof *sorted);
    result.digest = npb_digest((uint64_t)s.before, s.smaller, ranks * sizeof *s.smaller);
    sort_keys(&s, sorted);
    bool ascending = is_sorted(&s, sorted);
    result.verified = ascending && right == IS_TESTS * run.iterations;
    result.digest = npb_digest(result.digest, sorted, count * sizeof *sorted);
    npb_say(&run, "Test ranks right %d of %d, keys %s", right, IS_TESTS * run.iterations,
            ascending ? "in order" : "NOT in order");
    npb_free(sorted, count, sizeof *sorted);
    is_sorter_free(&s);
    return npb_end(&run, &result);
}

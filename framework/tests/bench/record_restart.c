/* results/restart.h5: how soon a restarted job computes, and in which phases the time goes. */
#include "analysis/stats/stats.h"
#include "framework/tests/bench/record.h"
#include "framework/tests/bench/sample.h"
#include "harness/config/arena.h"
#include "harness/config/say.h"
#include "harness/record/events.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95

#define COLUMN(type, member, unit, description)                                                    \
    {                                                                                              \
        .name = #member, DV_COLUMN_##type, offsetof(struct bench_restart, member),                 \
        sizeof(((struct bench_restart *)0)->member), unit, description, NULL                       \
    }

static const struct dv_column columns[] = {
    COLUMN(INT, run, "index", "key of a restart in all tables"),
    COLUMN(INT, ranks, "processes", "MPI processes"),
    COLUMN(TEXT, program, "text", "ft: npb-ft class B; cg: npb-cg class B"),
    COLUMN(TEXT, how, "text", "eager: memory is read before the ranks run; lazy: mapped"),
    COLUMN(INT, computing_ns, "ns",
           "from just before `dejavu restart` was started until all ranks ran"),
    {.name = NULL},
};

const struct dv_table_kind bench_restarts = {"jobs", "restarts, from a RAM disk",
                                             sizeof(struct bench_restart), columns};

/* RUN:PROGRAM,HOW,RANKS,NANOSECONDS:EVENTS:- */
enum dv_status bench_read_restart(char *item, struct bench_tables *tables)
{
    char *part[4], *word[4];
    size_t restores = tables->harness.table[DV_TABLE_RESTORES].count;
    struct dv_events_summary summary;
    enum dv_status status = bench_split(item, part);
    if (status != DV_OK)
        return status;
    char *rest = part[1];
    for (int i = 0; i < 4; i++)
        word[i] = strsep(&rest, ",");
    if (!word[3] || rest)
        return dv_bench_fail(DV_ERR_USAGE, "%s: expected PROGRAM,HOW,RANKS,NANOSECONDS", part[1]);
    struct bench_restart *restart = dv_table_add(&tables->restarts);
    restart->run = strtoll(part[0], NULL, 10);
    restart->ranks = strtoll(word[2], NULL, 10);
    restart->computing_ns = strtoll(word[3], NULL, 10);
    DV_TEXT_SET(restart->program, word[0]);
    DV_TEXT_SET(restart->how, word[1]);
    int64_t ranks = restart->ranks;
    status = dv_events_read(part[2], restart->run, 0, &tables->harness, &summary);
    if (status == DV_OK &&
        tables->harness.table[DV_TABLE_RESTORES].count != restores + (size_t)ranks)
        status = dv_bench_fail(DV_ERR_DAMAGED, "%s does not tell of %lld restored ranks", part[2],
                               (long long)ranks);
    return status;
}

/* Of the slowest rank of each restart, ms; bytes of all ranks, MiB. */
enum { COMPUTING, SPLIT, MPI_INIT, READ, REBUILD, RESTORE, LOADED, LAZY, FIGURES };

static void take_restart(const struct bench_tables *t, const struct bench_restart *restart,
                         struct bench_sample samples[FIGURES])
{
    double figure[FIGURES] = {[COMPUTING] = (double)restart->computing_ns / 1e6};
    const struct dv_table *restores = &t->harness.table[DV_TABLE_RESTORES];
    for (size_t i = 0; i < restores->count; i++) {
        const struct dv_restore_row *r = dv_table_row(restores, i);
        if (r->run != restart->run)
            continue;
        figure[SPLIT] = fmax(figure[SPLIT], (double)r->split_ns / 1e6);
        figure[MPI_INIT] = fmax(figure[MPI_INIT], (double)r->mpi_init_ns / 1e6);
        figure[READ] = fmax(figure[READ], (double)r->read_ns / 1e6);
        figure[REBUILD] = fmax(figure[REBUILD], (double)r->rebuild_ns / 1e6);
        figure[RESTORE] = fmax(figure[RESTORE], (double)r->restore_ns / 1e6);
        figure[LOADED] += (double)r->loaded_bytes / 0x1p20;
        figure[LAZY] += (double)r->lazy_bytes / 0x1p20;
    }
    for (size_t i = 0; i < FIGURES; i++)
        bench_sample_push(&samples[i], figure[i]);
}

static bool is_like(const struct bench_restart *a, const struct bench_restart *b)
{
    return strcmp(a->program, b->program) == 0 && strcmp(a->how, b->how) == 0 &&
           a->ranks == b->ranks;
}

static const char *target_of(const struct bench_restart *restart)
{
    return strcmp(restart->program, "ft") == 0 && strcmp(restart->how, "eager") == 0 ? "400"
                                                                                     : "250";
}

static void print_restarts(const struct bench_restart *restart, const struct bench_sample *s)
{
    struct dv_interval i;
    char label[40], interval[40] = "";
    snprintf(label, sizeof label, "%s, %s", restart->program, restart->how);
    if (dv_stats_median_interval(s[COMPUTING].value, s[COMPUTING].count, CONFIDENCE, &i))
        snprintf(interval, sizeof interval, "[%.0f, %.0f]", i.low, i.high);
    printf("%-14s %4zu %8.0f %-16s %8.0f %7s", label, s[COMPUTING].count,
           bench_sample_median(&s[COMPUTING]), interval,
           dv_stats_maximum(s[COMPUTING].value, s[COMPUTING].count), target_of(restart));
    for (size_t k = SPLIT; k <= RESTORE; k++)
        printf(" %8.1f", bench_sample_median(&s[k]));
    printf(" %9.1f %9.1f\n", bench_sample_median(&s[LOADED]), bench_sample_median(&s[LAZY]));
}

void bench_summarize_restart(const struct bench_tables *tables)
{
    printf(
        "From `dejavu restart` to all ranks computing, ms: median with its 95 %% order-statistic "
        "interval; target: of issue 3. Phases: of the slowest rank, median, ms (the memory is "
        "read\nwhile MPI is initialized); restore: from the start of the rank's process. Read and "
        "mapped: all ranks, MiB.\n");
    printf("%-14s %4s %8s %-16s %8s %7s %8s %8s %8s %8s %8s %9s %9s\n", "job", "n", "median",
           "interval", "max", "target", "split", "MPI_Init", "memory", "rebuild", "restore", "read",
           "mapped");
    for (size_t i = 0; i < tables->restarts.count; i++) {
        const struct bench_restart *first = dv_table_row(&tables->restarts, i);
        size_t before = 0;
        while (!is_like(dv_table_row(&tables->restarts, before), first))
            before++;
        if (before < i)
            continue; /* with the first one like it */
        struct bench_sample samples[FIGURES] = {{NULL, 0}};
        for (size_t k = i; k < tables->restarts.count; k++) {
            const struct bench_restart *restart = dv_table_row(&tables->restarts, k);
            if (is_like(restart, first))
                take_restart(tables, restart, samples);
        }
        print_restarts(first, samples);
        for (size_t k = 0; k < FIGURES; k++)
            free(samples[k].value);
    }
}

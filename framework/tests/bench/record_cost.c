/* results/cost.h5 and total.h5: what checkpoints cost the iterations of an application.
 *
 *      base         | i | i | i | i | i |                              idle or native, in the same block
 *      incremental  | b | b | e | e | t | t | t | e | t | t |          b before the first checkpoint, t between checkpoints,
 *                           stop  committed                            e overlaps one
 *
 * Per block: between = median(t) / median(i); own = median(t) / median(b), of one process; all = mean of the iterations that end
 * in the run's last interval, which hold one checkpoint / mean(i). */
#include "analysis/stats/stats.h"
#include "framework/tests/bench/record.h"
#include "framework/tests/bench/sample.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"
#include "harness/config/say.h"
#include "harness/record/events.h"
#include "harness/record/file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95
#define NS_PER_S 1e9

enum { BEFORE, CHECKPOINT, BETWEEN, WHENS };
static const char *const whens[] = {"before", "checkpoint", "between", NULL};

/* ---- the tables ---------------------------------------------------------- */

#define COLUMN(type, struct_name, member, unit, description)                                       \
    {                                                                                              \
        .name = #member, DV_COLUMN_##type, offsetof(struct struct_name, member),                   \
        sizeof(((struct struct_name *)0)->member), unit, description, NULL                         \
    }

static const struct dv_column job_columns[] = {
    COLUMN(INT, bench_cost_job, run, "index", "key of a run in all tables"),
    COLUMN(INT, bench_cost_job, block, "index", "of runs to be compared"),
    COLUMN(INT, bench_cost_job, position, "index",
           "0: the first of the two runs of a program in the block; random"),
    COLUMN(TEXT, bench_cost_job, program, "text", "cg, ft, mg, ..."),
    COLUMN(TEXT, bench_cost_job, class_name, "text", "of the problem"),
    COLUMN(TEXT, bench_cost_job, base, "text",
           "native: without DejaVu; idle: under `dejavu run`, no checkpoints; incremental: with"),
    COLUMN(REAL, bench_cost_job, interval_s, "s", "between checkpoints"),
    {.name = NULL},
};

static const struct dv_column iteration_columns[] = {
    COLUMN(INT, bench_iteration, run, "index", "key of /jobs"),
    COLUMN(INT, bench_iteration, iteration, "index",
           "as the program counts; the first, whose beginning is not known, is left out"),
    COLUMN(INT, bench_iteration, at_ns, "ns", "its end, CLOCK_MONOTONIC on rank 0"),
    COLUMN(REAL, bench_iteration, seconds, "s", "since the end of the one before"),
    {.name = "moment",
     DV_COLUMN_ENUM,
     offsetof(struct bench_iteration, moment),
     sizeof(int32_t),
     "enum",
     "before: the first checkpoint had not begun; checkpoint: it overlaps the time from a "
     "checkpoint's beginning (stop) to its end (committed or aborted); between: the others",
     whens},
    {.name = NULL},
};

const struct dv_table_kind bench_cost_jobs = {"jobs", "runs whose iterations were timed",
                                              sizeof(struct bench_cost_job), job_columns};
const struct dv_table_kind bench_iterations = {"iterations", "every iteration, raw",
                                               sizeof(struct bench_iteration), iteration_columns};

/* "BLOCK,POSITION,PROGRAM,CLASS,BASE,SECONDS" */
static enum dv_status read_label(char *label, struct bench_cost_job *job)
{
    char *rest = label, *word[6];
    for (int i = 0; i < 6; i++)
        word[i] = strsep(&rest, ",");
    if (!word[5] || rest)
        return dv_bench_fail(DV_ERR_USAGE, "%s: expected BLOCK,POSITION,PROGRAM,CLASS,BASE,SECONDS",
                             label);
    job->block = strtoll(word[0], NULL, 10);
    job->position = strtoll(word[1], NULL, 10);
    DV_TEXT_SET(job->program, word[2]);
    DV_TEXT_SET(job->class_name, word[3]);
    DV_TEXT_SET(job->base, word[4]);
    job->interval_s = strtod(word[5], NULL);
    return DV_OK;
}

/* The lines "npb-cg: iteration 3/250 at 123.456789012 s: ..." (apps/common/npb_report.c); others are the program's. */
static enum dv_status read_iterations(const char *path, int64_t run, struct dv_table *table)
{
    char *text, *line;
    size_t length, first = table->count;
    int64_t before_ns = -1;
    enum dv_status status = dv_file_read(path, &text, &length);
    if (status != DV_OK)
        return dv_bench_fail(status, "cannot read %s: %s", path, strerror(errno));
    for (char *rest = text; (line = strsep(&rest, "\n"));) {
        int64_t iteration, s, ns;
        if (sscanf(line, "npb-%*[a-z]: iteration %" SCNd64 "/%*d at %" SCNd64 ".%" SCNd64 " s:",
                   &iteration, &s, &ns) != 3)
            continue;
        int64_t at_ns = s * (int64_t)NS_PER_S + ns;
        if (before_ns >= 0)
            *(struct bench_iteration *)dv_table_add(table) =
                (struct bench_iteration){.run = run,
                                         .iteration = iteration,
                                         .at_ns = at_ns,
                                         .seconds = (double)(at_ns - before_ns) / NS_PER_S,
                                         .moment = BEFORE};
        before_ns = at_ns;
    }
    free(text);
    return table->count > first
               ? DV_OK
               : dv_bench_fail(DV_ERR_DAMAGED, "%s tells of no iteration: was --progress given?",
                               path);
}

/* The checkpoint between `from_ns` and `to_ns`, and what follows it. */
static void mark_checkpoint(struct dv_table *iterations, size_t first, int64_t from_ns,
                            int64_t to_ns)
{
    for (size_t i = first; i < iterations->count; i++) {
        struct bench_iteration *it = dv_table_row(iterations, i);
        double begin_ns = (double)it->at_ns - it->seconds * NS_PER_S;
        if (it->at_ns >= from_ns && begin_ns <= (double)to_ns)
            it->moment = CHECKPOINT;
        else if (it->at_ns > to_ns)
            it->moment = BETWEEN;
    }
}

static enum dv_status mark_checkpoints(const char *path, const struct dv_table *events,
                                       size_t first_event, struct dv_table *iterations,
                                       size_t first)
{
    int64_t zero_ns = -1, from_ns = -1;
    for (size_t i = first_event; i < events->count; i++) {
        const struct dv_event_row *e = dv_table_row(events, i);
        const char *clock = strstr(e->fields, "monotonic_ns=");
        if (strcmp(e->event, "start") == 0 && clock)
            zero_ns = strtoll(clock + strlen("monotonic_ns="), NULL, 10);
        int64_t at_ns = zero_ns + (int64_t)(e->at_s * NS_PER_S);
        if (strcmp(e->event, "stop") == 0)
            from_ns = at_ns;
        if (from_ns >= 0 &&
            (strcmp(e->event, "committed") == 0 || strcmp(e->event, "aborted") == 0)) {
            mark_checkpoint(iterations, first, from_ns, at_ns);
            from_ns = -1;
        }
    }
    if (zero_ns < 0)
        return dv_bench_fail(DV_ERR_DAMAGED, "%s does not say when the job began", path);
    if (from_ns >= 0)
        mark_checkpoint(iterations, first, from_ns, INT64_MAX);
    return DV_OK;
}

enum dv_status bench_read_cost(char *item, struct bench_tables *tables)
{
    char *part[4];
    struct dv_events_summary summary;
    const struct dv_table *events = &tables->harness.table[DV_TABLE_EVENTS];
    size_t first = tables->iterations.count, first_event = events->count;
    enum dv_status status = bench_split(item, part);
    if (status != DV_OK)
        return status;
    struct bench_cost_job *job = dv_table_add(&tables->cost_jobs);
    int64_t run = job->run = strtoll(part[0], NULL, 10);
    status = read_label(part[1], job);
    if (status == DV_OK)
        status = read_iterations(part[3], run, &tables->iterations);
    if (status != DV_OK || strcmp(part[2], "-") == 0)
        return status;
    status = dv_events_read(part[2], run, 0, &tables->harness, &summary);
    if (status == DV_OK && summary.epochs == 0)
        status = dv_bench_fail(DV_ERR_DAMAGED, "%s tells of no checkpoint", part[2]);
    return status == DV_OK
               ? mark_checkpoints(part[2], events, first_event, &tables->iterations, first)
               : status;
}

/* ---- the figures --------------------------------------------------------- */

/* Of all blocks of a program and class; one value per block. */
struct costs {
    struct bench_sample base_ms, between, own, all;
    size_t iterations; /* between checkpoints, of all blocks */
};

/* Iterations of a run: those of one moment, those that end in its last `last_s`. */
static void gather(const struct bench_tables *t, int64_t run, double last_s,
                   struct bench_sample moment[WHENS], struct bench_sample *last)
{
    int64_t end_ns = 0;
    for (size_t i = 0; i < t->iterations.count; i++) {
        const struct bench_iteration *it = dv_table_row(&t->iterations, i);
        if (it->run == run && it->at_ns > end_ns)
            end_ns = it->at_ns;
    }
    for (size_t i = 0; i < t->iterations.count; i++) {
        const struct bench_iteration *it = dv_table_row(&t->iterations, i);
        if (it->run != run)
            continue;
        bench_sample_push(&moment[it->moment], it->seconds);
        if ((double)(end_ns - it->at_ns) < last_s * NS_PER_S)
            bench_sample_push(last, it->seconds);
    }
}

static double mean(const struct bench_sample *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->value[i];
    return s->count ? sum / (double)s->count : (double)NAN;
}

/* What cannot be said (a run that ended too early) is in no figure. */
static void push_ratio(struct bench_sample *to, double value, double base)
{
    if (isfinite(value / base))
        bench_sample_push(to, value / base);
}

static void take_pair(const struct bench_tables *t, const struct bench_cost_job *base,
                      const struct bench_cost_job *job, struct costs *costs)
{
    struct bench_sample i[WHENS] = {{NULL, 0}}, b[WHENS] = {{NULL, 0}}, last = {NULL, 0},
                        none = {NULL, 0};
    gather(t, base->run, 0, b, &none);
    gather(t, job->run, job->interval_s, i, &last);
    double median = bench_sample_median(&b[BEFORE]), between = bench_sample_median(&i[BETWEEN]);
    bench_sample_push(&costs->base_ms, median * 1e3);
    push_ratio(&costs->between, between, median);
    push_ratio(&costs->own, between, bench_sample_median(&i[BEFORE]));
    push_ratio(&costs->all, mean(&last), mean(&b[BEFORE]));
    costs->iterations += i[BETWEEN].count;
    for (size_t k = 0; k < WHENS; k++) {
        free(i[k].value);
        free(b[k].value);
    }
    free(last.value);
    free(none.value);
}

static bool is_like(const struct bench_cost_job *a, const struct bench_cost_job *b)
{
    return strcmp(a->program, b->program) == 0 && strcmp(a->class_name, b->class_name) == 0;
}

static bool is_checkpointed(const struct bench_cost_job *job)
{
    return strcmp(job->base, "incremental") == 0;
}

static void print_ratio(const struct bench_sample *s)
{
    struct dv_interval i;
    char interval[40] = "-";
    if (dv_stats_median_interval(s->value, s->count, CONFIDENCE, &i))
        snprintf(interval, sizeof interval, "[%.3f, %.3f]", i.low, i.high);
    printf(" %3zu %6.3f %-15s", s->count, bench_sample_median(s), interval);
}

static void print_costs(const struct bench_cost_job *base, const struct costs *costs)
{
    char label[40];
    snprintf(label, sizeof label, "%s.%s", base->program, base->class_name);
    printf("%-6s %-7s %11.3f", label, base->base, bench_sample_median(&costs->base_ms));
    print_ratio(&costs->between);
    print_ratio(&costs->own);
    print_ratio(&costs->all);
    printf(" %8zu\n", costs->iterations);
}

static void print_kind(const struct bench_tables *tables, const struct bench_cost_job *like)
{
    struct costs costs = {.iterations = 0};
    for (size_t k = 0; k < tables->cost_jobs.count; k++) {
        const struct bench_cost_job *base = dv_table_row(&tables->cost_jobs, k);
        if (!is_like(base, like) || is_checkpointed(base))
            continue;
        for (size_t m = 0; m < tables->cost_jobs.count; m++) {
            const struct bench_cost_job *job = dv_table_row(&tables->cost_jobs, m);
            if (is_like(job, base) && job->block == base->block && is_checkpointed(job))
                take_pair(tables, base, job, &costs);
        }
    }
    print_costs(like, &costs);
    struct bench_sample *all[] = {&costs.base_ms, &costs.between, &costs.own, &costs.all};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->value);
}

void bench_summarize_cost(const struct bench_tables *tables)
{
    const struct bench_cost_job *first = dv_table_row(&tables->cost_jobs, 0);
    printf(
        "Iterations with incremental checkpoints every %.0f s to a disk, divided by those of the "
        "base in the same block; n blocks, median with its 95 %% order-statistic interval.\n"
        "between: medians, of iterations that overlap no checkpoint, memory being tracked "
        "(target to idle: 1.02); own: the same, by the run's own before its first\n"
        "checkpoint; all: means, over the last %.0f s of the run, checkpoint and all (target to "
        "native at 30 s: 1.05).\n",
        first->interval_s, first->interval_s);
    printf("%-6s %-7s %11s %3s %6s %-15s %3s %6s %-15s %3s %6s %-15s %8s\n", "job", "base",
           "iteration/ms", "n", "between", "", "n", "own", "", "n", "all", "", "between");
    for (size_t i = 0; i < tables->cost_jobs.count; i++) {
        const struct bench_cost_job *job = dv_table_row(&tables->cost_jobs, i);
        size_t before = 0;
        if (is_checkpointed(job))
            continue;
        for (size_t k = 0; k < i; k++) {
            const struct bench_cost_job *other = dv_table_row(&tables->cost_jobs, k);
            before += is_like(other, job) && !is_checkpointed(other);
        }
        if (before == 0)
            print_kind(tables, job);
    }
}

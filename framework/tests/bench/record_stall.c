/* results/stall.h5: how long checkpoints stop an application, and what they write. */
#include "analysis/stats/stats.h"
#include "framework/tests/bench/record.h"
#include "framework/tests/bench/sample.h"
#include "harness/config/arena.h"
#include "harness/config/say.h"
#include "harness/record/events.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95
#define PAGE_BYTES 4096.0
/* New files, no parent, trackers not armed: stored, but in no figure. */
#define FIRST_EPOCHS 3
#define RANKS_SHOWN 64

/* ---- the tables ---------------------------------------------------------- */

#define COLUMN(type, struct_name, member, unit, description)                                       \
    {                                                                                              \
        .name = #member, DV_COLUMN_##type, offsetof(struct struct_name, member),                   \
        sizeof(((struct struct_name *)0)->member), unit, description, NULL                         \
    }

static const struct dv_column job_columns[] = {
    COLUMN(INT, bench_stall_job, run, "index", "key of a job in all tables"),
    COLUMN(INT, bench_stall_job, ranks, "processes", "MPI processes"),
    COLUMN(TEXT, bench_stall_job, place, "text", "of the images: ram (/dev/shm) or disk"),
    COLUMN(TEXT, bench_stall_job, program, "text", "dirty: bench-dirty; ft: npb-ft"),
    COLUMN(TEXT, bench_stall_job, capture, "text", "capture strategy"),
    {.name = NULL},
};

static const struct dv_column round_columns[] = {
    COLUMN(INT, bench_round, run, "index", "key of /jobs"),
    COLUMN(INT, bench_round, rank, "index", "MPI rank"),
    COLUMN(INT, bench_round, round, "index", "from 1; the job's epoch of this number follows it"),
    COLUMN(INT, bench_round, at_ns, "ns", "its end, CLOCK_MONOTONIC"),
    COLUMN(INT, bench_round, iterations, "iterations", "since the end of the round before"),
    COLUMN(INT, bench_round, pages, "pages", "that got new contents in the round, of 4 KiB"),
    COLUMN(INT, bench_round, longest_ns, "ns",
           "the longest of these iterations: contains the stall of the epoch before"),
    COLUMN(INT, bench_round, median_ns, "ns", "the median of these iterations"),
    {.name = NULL},
};

const struct dv_table_kind bench_stall_jobs = {"jobs", "jobs that were checkpointed",
                                               sizeof(struct bench_stall_job), job_columns};
const struct dv_table_kind bench_rounds = {
    "rounds", "what bench-dirty wrote between checkpoints, and how it felt them",
    sizeof(struct bench_round), round_columns};

/* "ram,dirty,incremental,2" */
static enum dv_status read_label(char *label, struct bench_stall_job *job)
{
    char *rest = label, *word[4];
    for (int i = 0; i < 4; i++)
        word[i] = strsep(&rest, ",");
    if (!word[3] || rest)
        return dv_bench_fail(DV_ERR_USAGE, "%s: expected PLACE,PROGRAM,CAPTURE,RANKS", label);
    DV_TEXT_SET(job->place, word[0]);
    DV_TEXT_SET(job->program, word[1]);
    DV_TEXT_SET(job->capture, word[2]);
    job->ranks = strtoll(word[3], NULL, 10);
    return DV_OK;
}

enum dv_status bench_read_stall(char *item, struct bench_tables *tables)
{
    char *part[4];
    size_t first = tables->rounds.count, epochs = tables->harness.table[DV_TABLE_EPOCHS].count;
    struct dv_events_summary summary;
    enum dv_status status = bench_split(item, part);
    if (status != DV_OK)
        return status;
    struct bench_stall_job *job = dv_table_add(&tables->stall_jobs);
    int64_t run = job->run = strtoll(part[0], NULL, 10);
    status = read_label(part[1], job);
    if (status == DV_OK && strcmp(part[3], "-") != 0)
        status = bench_read_output(part[3], &tables->rounds);
    for (size_t i = first; i < tables->rounds.count; i++)
        ((struct bench_round *)dv_table_row(&tables->rounds, i))->run = run;
    if (status == DV_OK)
        status = dv_events_read(part[2], run, 0, &tables->harness, &summary);
    if (status == DV_OK && tables->harness.table[DV_TABLE_EPOCHS].count == epochs)
        status = dv_bench_fail(DV_ERR_DAMAGED, "%s tells of no checkpoint", part[2]);
    return status;
}

/* ---- the figures --------------------------------------------------------- */

/* What the stall of the slowest rank is made of. */
static const struct {
    const char *head;
    size_t offset;
} stall_parts[] = {
    {"cut", offsetof(struct dv_epoch_row, cut_ns)},
    {"collectives", offsetof(struct dv_epoch_row, collectives_ns)},
    {"drain", offsetof(struct dv_epoch_row, drain_ns)},
    {"select", offsetof(struct dv_epoch_row, select_ns)},
    {"snapshot", offsetof(struct dv_epoch_row, snapshot_ns)},
};
#define STALL_PARTS (sizeof stall_parts / sizeof stall_parts[0])

/* Of all jobs with one label; one value per epoch. */
struct stalls {
    struct bench_sample part_ms[STALL_PARTS],
        rest_ms; /* rest: until RESUME, waiting for other ranks */
    struct bench_sample stall_ms, write_ms, commit_ms, data_mib, file_mib, inside_ms, changed_mib;
    size_t slowest[RANKS_SHOWN]; /* epochs in which this rank stood longest */
    size_t snapshots[DV_SNAPSHOT_KIND_FORK + 1];
};

static bool is_like(const struct bench_tables *t, int64_t run, const struct bench_stall_job *like)
{
    for (size_t i = 0; i < t->stall_jobs.count; i++) {
        const struct bench_stall_job *job = dv_table_row(&t->stall_jobs, i);
        if (job->run == run)
            return strcmp(job->place, like->place) == 0 &&
                   strcmp(job->program, like->program) == 0 &&
                   strcmp(job->capture, like->capture) == 0 && job->ranks == like->ranks;
    }
    return false;
}

static void take_parts(const struct dv_epoch_row *slowest, struct stalls *s)
{
    double rest = (double)slowest->stall_ns;
    for (size_t i = 0; i < STALL_PARTS; i++) {
        const void *member = (const char *)slowest + stall_parts[i].offset;
        double ns = (double)*(const int64_t *)member;
        bench_sample_push(&s->part_ms[i], ns / 1e6);
        rest -= ns;
    }
    bench_sample_push(&s->rest_ms, rest / 1e6);
}

/* Rows first .. end - 1 are the ranks of one epoch. */
static void take_epoch(const struct dv_table *epochs, size_t first, size_t end, struct stalls *s)
{
    double stall = 0, write = 0, data = 0, file = 0;
    const struct dv_epoch_row *slowest = dv_table_row(epochs, first);
    int64_t commit = -1;
    for (size_t i = first; i < end; i++) {
        const struct dv_epoch_row *e = dv_table_row(epochs, i);
        if (e->stall_ns > slowest->stall_ns)
            slowest = e;
        stall = fmax(stall, (double)e->stall_ns);
        write = fmax(write, (double)e->write_ns);
        commit = e->commit_ns;
        data += (double)e->data_bytes;
        file += (double)e->file_bytes;
        s->snapshots[e->snapshot]++;
    }
    bench_sample_push(&s->stall_ms, stall / 1e6);
    bench_sample_push(&s->write_ms, write / 1e6);
    bench_sample_push(&s->commit_ms, (double)commit / 1e6);
    bench_sample_push(&s->data_mib, data / 0x1p20);
    bench_sample_push(&s->file_mib, file / 0x1p20);
    if (slowest->rank >= 0 && slowest->rank < RANKS_SHOWN)
        s->slowest[slowest->rank]++;
    take_parts(slowest, s);
}

static void gather_epochs(const struct bench_tables *t, const struct bench_stall_job *like,
                          struct stalls *s)
{
    const struct dv_table *epochs = &t->harness.table[DV_TABLE_EPOCHS];
    for (size_t i = 0, end; i < epochs->count; i = end) {
        const struct dv_epoch_row *e = dv_table_row(epochs, i);
        for (end = i + 1; end < epochs->count; end++) {
            const struct dv_epoch_row *next = dv_table_row(epochs, end);
            if (next->run != e->run || next->epoch != e->epoch)
                break;
        }
        if (e->committed && e->epoch > FIRST_EPOCHS && is_like(t, e->run, like))
            take_epoch(epochs, i, end, s);
    }
}

/* A line covers the epoch of the round before it. Ranks' lines of a round may come in any order. */
static void gather_rounds(const struct bench_tables *t, const struct bench_stall_job *like,
                          struct stalls *s)
{
    for (size_t i = 0; i < t->rounds.count; i++) {
        const struct bench_round *first = dv_table_row(&t->rounds, i);
        if (first->rank != 0 || first->round <= FIRST_EPOCHS || !is_like(t, first->run, like))
            continue;
        double longest = 0, pages = 0;
        for (size_t k = 0; k < t->rounds.count; k++) {
            const struct bench_round *r = dv_table_row(&t->rounds, k);
            if (r->run != first->run || r->round != first->round)
                continue;
            longest = fmax(longest, (double)r->longest_ns);
            pages += (double)r->pages;
        }
        bench_sample_push(&s->changed_mib, pages * PAGE_BYTES / 0x1p20);
        if (first->round > FIRST_EPOCHS + 1)
            bench_sample_push(&s->inside_ms, longest / 1e6);
    }
}

static const char *target_of(const struct bench_stall_job *job)
{
    if (strcmp(job->program, "dirty") == 0 && strcmp(job->capture, "incremental") == 0)
        return "30, p95 100";
    return "60";
}

static const char *snapshots_text(const struct stalls *s, char *text, size_t text_bytes)
{
    static const char *const words[] = {"?", "stop", "copy", "fork"};
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0] && used < text_bytes; i++)
        if (s->snapshots[i])
            used +=
                (size_t)snprintf(text + used, text_bytes - used, "%s%s", used ? "+" : "", words[i]);
    return text;
}

static void print_stalls(const struct bench_stall_job *job, const struct stalls *s)
{
    char label[80], interval[48] = "", slowest[32] = "-", text[40];
    struct dv_interval i;
    size_t most = 0;
    for (size_t r = 1; r < RANKS_SHOWN; r++)
        most = s->slowest[r] > s->slowest[most] ? r : most;
    snprintf(label, sizeof label, "%s, %s, %s", job->program, job->capture, job->place);
    snprintf(slowest, sizeof slowest, "%zu (%zu of %zu)", most, s->slowest[most],
             s->stall_ms.count);
    if (dv_stats_median_interval(s->stall_ms.value, s->stall_ms.count, CONFIDENCE, &i))
        snprintf(interval, sizeof interval, "[%.1f, %.1f]", i.low, i.high);
    printf("%-26s %4zu %8.1f %-18s %8.1f %8.1f %-13s %-12s", label, s->stall_ms.count,
           bench_sample_median(&s->stall_ms), interval,
           dv_stats_quantile(s->stall_ms.value, s->stall_ms.count, 0.95),
           dv_stats_maximum(s->stall_ms.value, s->stall_ms.count), slowest, target_of(job));
    if (s->inside_ms.count)
        printf(" %8.1f", bench_sample_median(&s->inside_ms));
    else
        printf(" %8s", "-");
    printf(" %9.1f %9.1f", bench_sample_median(&s->data_mib), bench_sample_median(&s->file_mib));
    bool incremental = strcmp(job->capture, "full") != 0;
    if (s->changed_mib.count && incremental)
        printf(" %9.1f %7.3f", bench_sample_median(&s->changed_mib),
               bench_sample_median(&s->file_mib) / bench_sample_median(&s->changed_mib));
    else if (s->changed_mib.count)
        printf(" %9.1f %7s", bench_sample_median(&s->changed_mib), "-");
    else
        printf(" %9s %7s", "-", "-");
    printf(" %9.1f %9.1f  %s\n", bench_sample_median(&s->write_ms),
           bench_sample_median(&s->commit_ms), snapshots_text(s, text, sizeof text));
}

static void print_parts(const struct bench_stall_job *job, const struct stalls *s)
{
    char label[80];
    snprintf(label, sizeof label, "%s, %s, %s", job->program, job->capture, job->place);
    printf("%-26s", label);
    for (size_t i = 0; i < STALL_PARTS; i++)
        printf(" %11.1f", bench_sample_median(&s->part_ms[i]));
    printf(" %11.1f\n", bench_sample_median(&s->rest_ms));
}

static void free_stalls(struct stalls *s)
{
    for (size_t i = 0; i < STALL_PARTS; i++)
        free(s->part_ms[i].value);
    free(s->rest_ms.value);
    struct bench_sample *all[] = {&s->stall_ms, &s->write_ms,  &s->commit_ms,  &s->data_mib,
                                  &s->file_mib, &s->inside_ms, &s->changed_mib};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->value);
}

/* Jobs that are like each other are taken together. */
static void for_each_kind(const struct bench_tables *tables,
                          void (*print)(const struct bench_stall_job *, const struct stalls *))
{
    for (size_t i = 0; i < tables->stall_jobs.count; i++) {
        const struct bench_stall_job *job = dv_table_row(&tables->stall_jobs, i), *first;
        size_t like = 0;
        do
            first = dv_table_row(&tables->stall_jobs, like++);
        while (!is_like(tables, first->run, job));
        if (first != job)
            continue;
        struct stalls s = {.stall_ms = {NULL, 0}};
        gather_epochs(tables, job, &s);
        gather_rounds(tables, job, &s);
        print(job, &s);
        free_stalls(&s);
    }
}

void bench_summarize_stall(const struct bench_tables *tables)
{
    printf(
        "How long a checkpoint stops the application: per epoch the rank that stood longest, ms; "
        "median with its 95 %% order-statistic interval; target: of issue 3, for the median.\n"
        "n epochs; the first %d of each job are left out. inside: the longest iteration as the "
        "program saw it, median. MiB per epoch, all ranks: data stored, its files, pages that got\n"
        "new contents in between (as the program says), files / changed. write, commit: in the "
        "background.\n",
        FIRST_EPOCHS);
    printf("%-26s %4s %8s %-18s %8s %8s %-13s %-12s %8s %9s %9s %9s %7s %9s %9s  %s\n", "job", "n",
           "median", "interval", "p95", "max", "slowest rank", "target", "inside", "data/MiB",
           "file/MiB", "changed", "ratio", "write/ms", "commit/ms", "snapshot");
    for_each_kind(tables, print_stalls);
    printf("\nWhat the stall of the slowest rank is made of, ms, medians (which need not add up); "
           "rest: until it was told to go on, "
           "the other ranks among it.\n%-26s",
           "job");
    for (size_t i = 0; i < STALL_PARTS; i++)
        printf(" %11s", stall_parts[i].head);
    printf(" %11s\n", "rest");
    for_each_kind(tables, print_parts);
}

/* The figures that issue 2 asks for, from the tables. */
#include "analysis/stats/stats.h"
#include "framework/tests/bench/record.h"
#include "framework/tests/bench/sample.h"
#include "harness/config/arena.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95

static void print_interval(const struct bench_sample *s, const char *format, double scale)
{
    struct dv_interval i;
    char low[32] = "-", high[32] = "-", text[72];
    if (dv_stats_median_interval(s->value, s->count, CONFIDENCE, &i)) {
        snprintf(low, sizeof low, format, i.low * scale);
        snprintf(high, sizeof high, format, i.high * scale);
    }
    snprintf(text, sizeof text, "[%s, %s]", low, high);
    printf(" %-20s", text);
}

/* ---- latency ------------------------------------------------------------- */

static bool is_of(const struct bench_batch *b, const struct bench_batch *like, int64_t pair,
                  enum bench_base base)
{
    return b->pair == pair && b->base == (int32_t)base && b->bytes == like->bytes &&
           strcmp(b->operation, like->operation) == 0;
}

/* A run is one sample: the median of its batches. NaN: there is no such run. */
static double of_run(const struct dv_table *batches, const struct bench_batch *like, int64_t pair,
                     enum bench_base base)
{
    struct bench_sample s = {NULL, 0};
    for (size_t i = 0; i < batches->count; i++) {
        const struct bench_batch *b = dv_table_row(batches, i);
        if (is_of(b, like, pair, base))
            bench_sample_push(&s, b->seconds);
    }
    double result = bench_sample_median(&s);
    free(s.value);
    return result;
}

static void print_operation(const struct dv_table *batches, const struct bench_batch *like)
{
    struct bench_sample native = {NULL, 0}, idle = {NULL, 0}, ratio = {NULL, 0};
    int64_t pairs = 0;
    for (size_t i = 0; i < batches->count; i++) {
        const struct bench_batch *b = dv_table_row(batches, i);
        pairs = b->pair >= pairs ? b->pair + 1 : pairs;
    }
    for (int64_t pair = 0; pair < pairs; pair++) {
        double n = of_run(batches, like, pair, BENCH_NATIVE);
        double a = of_run(batches, like, pair, BENCH_IDLE);
        if (isnan(n) || isnan(a))
            continue;
        bench_sample_push(&native, n);
        bench_sample_push(&idle, a);
        bench_sample_push(&ratio, a / n);
    }
    printf("%-10s %8" PRId64 " %4zu %11.3f %11.3f %9.3f %9.3f", like->operation, like->bytes,
           ratio.count, bench_sample_median(&native) * 1e6, bench_sample_median(&idle) * 1e6,
           bench_sample_median(&idle) / bench_sample_median(&native), bench_sample_median(&ratio));
    print_interval(&ratio, "%.3f", 1);
    printf(" %9.3f\n",
           dv_stats_minimum(idle.value, idle.count) / dv_stats_minimum(native.value, native.count));
    free(native.value);
    free(idle.value);
    free(ratio.value);
}

void bench_summarize_latency(const struct bench_tables *tables)
{
    const struct dv_table *batches = &tables->batches;
    printf("Messages between two ranks, attached without checkpoints (idle) against native.\n"
           "A run counts with the median of its batches; n pairs of runs; ratios of the pairs with "
           "the 95 %% order-statistic interval of their median.\n");
    printf("%-10s %8s %4s %11s %11s %9s %9s %-20s %9s\n", "operation", "bytes", "n", "native/us",
           "idle/us", "medians'", "pairs'", "interval", "minima's");
    for (size_t i = 0; i < batches->count; i++) {
        const struct bench_batch *b = dv_table_row(batches, i);
        if (b->pair == 0 && b->batch == 0 && b->base == BENCH_NATIVE)
            print_operation(batches, b);
    }
}

/* ---- bandwidth ----------------------------------------------------------- */

struct job_samples {
    struct bench_sample copy, write, stall, first_write, read, restore; /* bytes per second */
};

static void gather_copies(const struct bench_tables *t, int64_t run, struct job_samples *s)
{
    for (size_t i = 0; i < t->copies.count; i++) {
        const struct bench_copy *c = dv_table_row(&t->copies, i);
        if (c->run == run)
            bench_sample_push(&s->copy, (double)c->copied_bytes / c->seconds);
    }
}

/* The first epochs' files have to be allocated, in the background if there is time; only then are old ones recycled
 * (two epochs are kept, and one is written). */
#define FIRST_EPOCHS 3

static void gather_epochs(const struct bench_tables *t, int64_t run, struct job_samples *s)
{
    const struct dv_table *epochs = &t->harness.table[DV_TABLE_EPOCHS];
    for (size_t i = 0; i < epochs->count; i++) {
        const struct dv_epoch_row *e = dv_table_row(epochs, i);
        if (e->run != run || !e->committed || e->write_ns <= 0 || e->stall_ns <= 0)
            continue;
        double bytes = (double)e->data_bytes * 1e9;
        bool first = e->epoch <= FIRST_EPOCHS;
        bench_sample_push(first ? &s->first_write : &s->write, bytes / (double)e->write_ns);
        if (!first)
            bench_sample_push(&s->stall, bytes / (double)e->stall_ns);
    }
}

/* What was written in the epoch that a rank restored. */
static int64_t restored_bytes(const struct bench_tables *t, const struct dv_restore_row *r)
{
    const struct dv_table *epochs = &t->harness.table[DV_TABLE_EPOCHS];
    for (size_t i = epochs->count; i-- > 0;) {
        const struct dv_epoch_row *e = dv_table_row(epochs, i);
        if (e->run == r->run && e->epoch == r->epoch && e->rank == r->rank && e->committed)
            return e->data_bytes;
    }
    return 0;
}

static void gather_restores(const struct bench_tables *t, int64_t run, struct job_samples *s)
{
    const struct dv_table *restores = &t->harness.table[DV_TABLE_RESTORES];
    for (size_t i = 0; i < restores->count; i++) {
        const struct dv_restore_row *r = dv_table_row(restores, i);
        double bytes = (double)restored_bytes(t, r) * 1e9;
        if (r->run != run || r->read_ns <= 0 || bytes <= 0)
            continue;
        bench_sample_push(&s->read, bytes / (double)r->read_ns);
        bench_sample_push(&s->restore, bytes / (double)r->restore_ns);
    }
}

static void print_bandwidth(const char *what, const struct bench_sample *s, double base)
{
    printf("  %-44s %4zu %8.2f", what, s->count, bench_sample_median(s) * 1e-9);
    print_interval(s, "%.2f", 1e-9);
    printf(" %6.0f %%\n", 100 * bench_sample_median(s) / base);
}

void bench_summarize_bandwidth(const struct bench_tables *tables)
{
    printf("Checkpoints to and restarts from a RAM disk, per rank, beside memcpy in the same job "
           "(one thread per rank, all ranks at once).\n");
    printf("  %-44s %4s %8s %-20s %8s\n", "", "n", "GB/s", "95 % interval", "memcpy");
    for (size_t i = 0; i < tables->jobs.count; i++) {
        const struct bench_job *job = dv_table_row(&tables->jobs, i);
        struct job_samples s = {.copy = {NULL, 0}};
        gather_copies(tables, job->run, &s);
        gather_epochs(tables, job->run, &s);
        gather_restores(tables, job->run, &s);
        double base = bench_sample_median(&s.copy);
        printf("%" PRId64 " rank%s\n", job->ranks, job->ranks == 1 ? "" : "s");
        print_bandwidth("memcpy", &s.copy, base);
        print_bandwidth("write, epochs 1 to 3 (new files)", &s.first_write, base);
        print_bandwidth("write, later epochs", &s.write, base);
        print_bandwidth("whole stall, later epochs", &s.stall, base);
        print_bandwidth("restart: reading memory back", &s.read, base);
        print_bandwidth("restart: from the process's start", &s.restore, base);
        struct bench_sample *all[] = {&s.copy,        &s.write, &s.stall,
                                      &s.first_write, &s.read,  &s.restore};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]->value);
    }
}

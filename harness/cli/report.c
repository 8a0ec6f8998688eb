/* The tables of a report. Ratios carry their base in seconds; what is left out is listed. */
#include "analysis/stats/stats.h"
#include "harness/cli/commands.h"
#include "harness/cli/report_print.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"
#include "harness/record/store.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95
#define NAME_WIDTH_MIN 24

/* "1.023 [1.010, 1.040]", or the range in braces when there are too few values. */
static void ratio_text(struct printing *p, size_t count, char *text, size_t text_bytes)
{
    struct dv_interval interval;
    double median = dv_stats_median(p->values, count);
    if (count == 0)
        snprintf(text, text_bytes, "-");
    else if (dv_stats_median_interval(p->values, count, CONFIDENCE, &interval))
        snprintf(text, text_bytes, "%.3f [%.3f, %.3f]", median, interval.low, interval.high);
    else
        snprintf(text, text_bytes, "%.3f {%.3f, %.3f}", median, dv_stats_minimum(p->values, count),
                 dv_stats_maximum(p->values, count));
    p->ranges = p->ranges || (count > 0 && count < 6);
}

static void print_overhead_row(struct printing *p, size_t group, size_t treatment)
{
    int native = dv_report_base(p->data, DV_STRATEGY_NATIVE);
    int idle = dv_report_base(p->data, DV_STRATEGY_IDLE);
    char to_native[64] = "-", to_idle[64] = "-", own[64] = "-";
    size_t n = dv_sample_times(p->data, group, treatment, DV_MEASURE_WALL, p->values);
    double median = dv_stats_median(p->values, n);
    if (n == 0 && (int)treatment != native)
        return; /* no good run; failures are listed */
    size_t pairs = 0;
    if (native >= 0 && (int)treatment != native) {
        pairs = dv_sample_ratios(p->data, group, treatment, (size_t)native, DV_MEASURE_APPLICATION,
                                 p->values);
        ratio_text(p, pairs, own, sizeof own);
        pairs =
            dv_sample_ratios(p->data, group, treatment, (size_t)native, DV_MEASURE_WALL, p->values);
        ratio_text(p, pairs, to_native, sizeof to_native);
    }
    if (idle >= 0 && (int)treatment != idle && (int)treatment != native) {
        size_t count =
            dv_sample_ratios(p->data, group, treatment, (size_t)idle, DV_MEASURE_WALL, p->values);
        ratio_text(p, count, to_idle, sizeof to_idle);
    }
    fprintf(p->out, "  %-*s %3zu %9.3f  %-23s  %-23s  %-23s\n", p->width,
            p->data->treatments[treatment].label, (int)treatment == native ? n : pairs, median,
            to_native, to_idle, own);
}

static void print_group(struct printing *p, size_t group)
{
    const struct dv_report_data *d = p->data;
    int native = dv_report_base(d, DV_STRATEGY_NATIVE);
    fprintf(p->out, "\n%s", d->groups[group].label);
    if (native >= 0) {
        size_t n = dv_sample_times(d, group, (size_t)native, DV_MEASURE_WALL, p->values);
        if (n)
            fprintf(p->out, "  base: native %.3f s", dv_stats_median(p->values, n));
        else
            fprintf(p->out, "  base: no good native run, so there are no ratios");
        n = dv_sample_times(d, group, (size_t)native, DV_MEASURE_APPLICATION, p->values);
        if (n)
            fprintf(p->out, " (its own time %.3f s)", dv_stats_median(p->values, n));
    }
    fprintf(p->out, "%s\n", d->groups[group].example->oversubscribed ? "  OVERSUBSCRIBED" : "");
    for (size_t t = 0; t < d->treatment_count; t++)
        print_overhead_row(p, group, t);
}

/* Never an average of ratios but their geometric mean, and only over applications. */
static void print_geometric_means(struct printing *p)
{
    const struct dv_report_data *d = p->data;
    int native = dv_report_base(d, DV_STRATEGY_NATIVE);
    double *medians = dv_reallocate(NULL, d->group_count + 1, sizeof *medians);
    fprintf(p->out, "\ngeometric mean of the median ratios to native, over applications\n");
    for (size_t t = 0; native >= 0 && t < d->treatment_count; t++) {
        size_t count = 0;
        for (size_t g = 0; g < d->group_count; g++) {
            size_t pairs = dv_sample_ratios(d, g, t, (size_t)native, DV_MEASURE_WALL, p->values);
            if (pairs)
                medians[count++] = dv_stats_median(p->values, pairs);
        }
        if (count && (int)t != native)
            fprintf(p->out, "  %-*s %.3f  (%zu of %zu)\n", p->width, d->treatments[t].label,
                    dv_stats_geometric_mean(medians, count), count, d->group_count);
    }
    free(medians);
}

static void print_overhead(struct printing *p)
{
    fprintf(p->out,
            "OVERHEAD: wall time of whole runs, start-up and recovery included (CLOCK_MONOTONIC)\n"
            "ratios paired by block: median [95 %% order-statistic interval]; n: pairs\n"
            "  %-*s %3s %9s  %-23s  %-23s  %-23s\n",
            p->width, "", "n", "median s", "ratio to native", "ratio to idle",
            "own time to native's");
    for (size_t g = 0; g < p->data->group_count; g++)
        print_group(p, g);
    print_geometric_means(p);
    if (p->ranges)
        fprintf(p->out, "\n{a, b}: smallest and largest; fewer than 6 pairs give no 95 %% "
                        "interval\n");
}

static void print_restarts(struct printing *p)
{
    if (p->data->tables->table[DV_TABLE_FAULTS].count == 0)
        return;
    fprintf(p->out,
            "\nRESTARTS: from the SIGKILL until all ranks run again\n  %-*s %6s %10s %10s\n",
            p->width, "", "n", "median s", "max s");
    for (size_t g = 0; g < p->data->group_count; g++) {
        for (size_t t = 0; t < p->data->treatment_count; t++) {
            size_t n = dv_sample_recoveries(p->data, g, t, p->values);
            char label[DV_LABEL_BYTES];
            snprintf(label, sizeof label, "%s %s", p->data->groups[g].label,
                     p->data->treatments[t].label);
            if (n)
                fprintf(p->out, "  %-*s %6zu %10.3f %10.3f\n", p->width, label, n,
                        dv_stats_median(p->values, n), dv_stats_maximum(p->values, n));
        }
    }
}

static void print_failures(struct printing *p)
{
    const struct dv_table *runs = &p->data->tables->table[DV_TABLE_RUNS];
    size_t failed = 0;
    for (size_t i = 0; i < runs->count; i++) {
        const struct dv_run_row *row = dv_table_row(runs, i);
        char label[DV_LABEL_BYTES];
        if (row->outcome != DV_OUTCOME_FAILED)
            continue;
        if (failed++ == 0)
            fprintf(p->out, "\nFAILURES: in no statistic above\n");
        dv_run_label(row, label, sizeof label);
        fprintf(p->out, "  run %" PRId64 "%s %s: %s\n", row->run, row->warmup ? " (warm-up)" : "",
                label, row->reason);
    }
    if (failed == 0)
        fprintf(p->out, "\nfailures: none; every run was verified\n");
}

static void print_left_out(struct printing *p)
{
    const struct dv_table *left_out = &p->data->tables->table[DV_TABLE_LEFT_OUT];
    for (size_t i = 0; i < left_out->count; i++) {
        const struct dv_left_out_row *row = dv_table_row(left_out, i);
        fprintf(p->out, "%s  %s: %s\n", i ? "" : "\nLEFT OUT\n", row->cell, row->reason);
    }
}

static void print_unavailable(struct printing *p)
{
    const struct dv_table *counters = &p->data->tables->table[DV_TABLE_COUNTERS];
    const char *separator = "\nunavailable counters: ";
    for (size_t i = 0; i < counters->count; i++) {
        const struct dv_counter_row *row = dv_table_row(counters, i);
        const struct dv_counter_row *first = dv_table_row(counters, 0);
        if (row->run != first->run)
            break; /* the first run stands for all */
        if (row->state != DV_COUNTER_UNAVAILABLE)
            continue;
        fprintf(p->out, "%s%s (%s)", separator, row->name, row->reason);
        separator = ", ";
    }
    if (*separator == ',')
        fputc('\n', p->out);
}

static const char *environment_value(const struct dv_tables *tables, const char *key)
{
    const struct dv_table *table = &tables->table[DV_TABLE_ENVIRONMENT];
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_environment_row *row = dv_table_row(table, i);
        if (strcmp(row->key, key) == 0)
            return row->value;
    }
    return "unknown";
}

static void print_header(const struct dv_tables *tables, const struct dv_store_info *info,
                         FILE *out)
{
    const struct dv_table *runs = &tables->table[DV_TABLE_RUNS];
    int64_t sessions = 0;
    for (size_t i = 0; i < runs->count; i++) {
        const struct dv_run_row *row = dv_table_row(runs, i);
        sessions = row->session + 1 > sessions ? row->session + 1 : sessions;
    }
    fprintf(out, "%s%s%s\n", info->name, *info->description ? ": " : "", info->description);
    fprintf(out, "%zu of %" PRId64 " runs in %" PRId64 " sessions", runs->count, info->runs_planned,
            sessions);
    fprintf(out, "; %s, %s processors, %s, MPICH %s\n\n", environment_value(tables, "cpu_model"),
            environment_value(tables, "cpus_allowed"), environment_value(tables, "kernel"),
            environment_value(tables, "mpi"));
}

/* Room for "<group> <treatment>". */
static int label_width(const struct dv_report_data *data)
{
    size_t group = 0, treatment = NAME_WIDTH_MIN;
    for (size_t i = 0; i < data->group_count; i++) {
        size_t length = strlen(data->groups[i].label);
        group = length > group ? length : group;
    }
    for (size_t i = 0; i < data->treatment_count; i++) {
        size_t length = strlen(data->treatments[i].label);
        treatment = length > treatment ? length : treatment;
    }
    return (int)(group + 1 + treatment);
}

void dv_report_print(const struct dv_tables *tables, const struct dv_store_info *info, FILE *out)
{
    struct dv_report_data data;
    size_t room = tables->table[DV_TABLE_RUNS].count + tables->table[DV_TABLE_EPOCHS].count +
                  tables->table[DV_TABLE_FAULTS].count + 1;
    print_header(tables, info, out);
    if (tables->table[DV_TABLE_RUNS].count == 0) {
        fprintf(out, "no run is done yet\n");
        return;
    }
    dv_report_data_make(tables, &data);
    struct printing p = {.data = &data, .out = out};
    p.width = label_width(&data);
    p.values = dv_reallocate(NULL, room, sizeof *p.values);
    print_overhead(&p);
    dv_report_print_epochs(&p);
    if (info->schema_version < 2 && tables->table[DV_TABLE_EPOCHS].count > 0)
        fprintf(out,
                "\n(a file of schema version %" PRId64 ": its images were written while the "
                "application stood still; write is part of the stall)\n",
                info->schema_version);
    print_restarts(&p);
    print_failures(&p);
    print_left_out(&p);
    print_unavailable(&p);
    free(p.values);
    dv_report_data_free(&data);
}

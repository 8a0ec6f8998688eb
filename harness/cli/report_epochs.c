/* The part of a report that is about checkpoints. */
#include "analysis/stats/stats.h"
#include "harness/cli/report_print.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NS_PER_MS 1e6
#define MODES_MAX 8

/* Calls `print` for each group and treatment. */
static void for_each_cell(struct printing *p, void (*print)(struct printing *, size_t, size_t))
{
    for (size_t g = 0; g < p->data->group_count; g++) {
        for (size_t t = 0; t < p->data->treatment_count; t++)
            print(p, g, t);
    }
}

static void print_label(struct printing *p, size_t g, size_t t)
{
    char label[DV_LABEL_BYTES];
    snprintf(label, sizeof label, "%s %s", p->data->groups[g].label, p->data->treatments[t].label);
    fprintf(p->out, "  %-*s", p->width, label);
}

/* The median over epochs of the slowest rank (`sum`: of all ranks together); '-': not reported. */
static void print_median(struct printing *p, size_t g, size_t t, size_t offset, bool sum)
{
    size_t n = dv_sample_epochs(p->data, g, t, offset, sum, p->values);
    double scale = sum ? 0x1p20 : NS_PER_MS;
    if (n)
        fprintf(p->out, " %9.2f", dv_stats_median(p->values, n) / scale);
    else
        fprintf(p->out, " %9s", "-");
}

static const struct {
    const char *head;
    size_t offset;
} times[] =
    {
        {"scan", offsetof(struct dv_epoch_row, scan_ns)},
        {"snapshot", offsetof(struct dv_epoch_row, snapshot_ns)},
        {"write", offsetof(struct dv_epoch_row, write_ns)},
        {"sync", offsetof(struct dv_epoch_row, sync_ns)},
        {"commit", offsetof(struct dv_epoch_row, commit_ns)},
},
  sizes[] = {
      {"populated", offsetof(struct dv_epoch_row, populated_bytes)},
      {"inherited", offsetof(struct dv_epoch_row, inherited_bytes)},
      {"examined", offsetof(struct dv_epoch_row, examined_bytes)},
      {"zero", offsetof(struct dv_epoch_row, zero_bytes)},
      {"same", offsetof(struct dv_epoch_row, same_bytes)},
      {"data", offsetof(struct dv_epoch_row, data_bytes)},
      {"file", offsetof(struct dv_epoch_row, file_bytes)},
};

static size_t stalls(struct printing *p, size_t g, size_t t)
{
    return dv_sample_epochs(p->data, g, t, offsetof(struct dv_epoch_row, stall_ns), false,
                            p->values);
}

static void print_time_row(struct printing *p, size_t g, size_t t)
{
    size_t n = stalls(p, g, t);
    if (n == 0)
        return;
    double median = dv_stats_median(p->values, n) / NS_PER_MS;
    double p95 = dv_stats_quantile(p->values, n, 0.95) / NS_PER_MS;
    double most = dv_stats_maximum(p->values, n) / NS_PER_MS;
    size_t runs = dv_sample_epoch_counts(p->data, g, t, p->values);
    print_label(p, g, t);
    fprintf(p->out, " %6zu %6.1f %9.2f %9.2f %9.2f", n, dv_stats_median(p->values, runs), median,
            p95, most);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        print_median(p, g, t, times[i].offset, false);
    fputc('\n', p->out);
}

static void print_size_row(struct printing *p, size_t g, size_t t)
{
    if (stalls(p, g, t) == 0)
        return;
    print_label(p, g, t);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        print_median(p, g, t, sizes[i].offset, true);
    fputc('\n', p->out);
}

struct mode_count {
    const char *mode;
    size_t regions, changed;
    double pages, dirty;
};

static struct mode_count *find_mode(struct mode_count modes[MODES_MAX], const char *mode)
{
    for (size_t i = 0; i < MODES_MAX; i++) {
        if (!modes[i].mode)
            modes[i].mode = mode;
        if (strcmp(modes[i].mode, mode) == 0)
            return &modes[i];
    }
    return NULL; /* of so many, some are not shown */
}

static void print_decision_row(struct printing *p, size_t g, size_t t)
{
    const struct dv_table *table = &p->data->tables->table[DV_TABLE_DECISIONS];
    struct mode_count modes[MODES_MAX] = {{NULL, 0, 0, 0, 0}};
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_decision_row *row = dv_table_row(table, i);
        struct mode_count *m;
        if (!dv_sample_has_run(p->data, g, t, row->run) || !(m = find_mode(modes, row->mode)))
            continue;
        m->regions++;
        m->changed += *row->was && strcmp(row->was, "new") != 0 && strcmp(row->was, row->mode) != 0;
        m->pages += row->pages > 0 ? (double)row->pages : 0;
        m->dirty += row->dirty > 0 ? (double)row->dirty : 0;
    }
    for (size_t i = 0; i < MODES_MAX && modes[i].mode; i++) {
        print_label(p, g, t);
        fprintf(p->out, " %-16s %9zu %9zu %12.0f %9.1f\n", *modes[i].mode ? modes[i].mode : "-",
                modes[i].regions, modes[i].changed, modes[i].pages,
                modes[i].pages > 0 ? 100 * modes[i].dirty / modes[i].pages : 0);
    }
}

void dv_report_print_epochs(struct printing *p)
{
    const struct dv_tables *tables = p->data->tables;
    if (tables->table[DV_TABLE_EPOCHS].count == 0)
        return;
    fprintf(
        p->out,
        "\nCHECKPOINTS: per epoch, slowest rank, ms; stall: the application stood still (median, "
        "p95, max), scan and snapshot are part of it; write, sync and\n"
        "  commit (until the whole epoch is, all ranks): medians, application running\n"
        "  %-*s %6s %6s %9s %9s %9s",
        p->width, "", "epochs", "a run", "stall", "p95", "max");
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        fprintf(p->out, " %9s", times[i].head);
    fputc('\n', p->out);
    for_each_cell(p, print_time_row);
    fprintf(p->out,
            "\nMEMORY: per epoch, all ranks, MiB, medians; populated: holds information; of it, "
            "inherited: as in the parent; examined: the rest, of which\n"
            "  zero and same are left out and data is stored; file: after packing\n  %-*s",
            p->width, "");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        fprintf(p->out, " %9s", sizes[i].head);
    fputc('\n', p->out);
    for_each_cell(p, print_size_row);
    if (tables->table[DV_TABLE_DECISIONS].count == 0)
        return;
    fprintf(
        p->out,
        "\nTRACKING: what the strategy decided, over all epochs and ranks\n  %-*s %-16s %9s %9s "
        "%12s %9s\n",
        p->width, "", "mode", "decisions", "changed", "pages", "dirty %");
    for_each_cell(p, print_decision_row);
}

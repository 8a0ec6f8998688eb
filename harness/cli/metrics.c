/* Figures of a campaign in the text format of Prometheus (exposition formats, version 0.0.4), for the
 * textfile collector of its node exporter. */
#include "analysis/stats/stats.h"
#include "harness/cli/commands.h"
#include "harness/cli/report_data.h"
#include "harness/record/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "dejavu_bench_"

/* A label's value: backslash, quote and newline are escaped. */
static void print_value(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void print_head(const char *name, const char *help, FILE *out)
{
    fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n", name, help, name);
}

/* One line; label `key` only if it is not NULL. */
static void print_figure(const char *name, const char *campaign, const char *key, const char *label,
                         double value, FILE *out)
{
    fprintf(out, PREFIX "%s{campaign=\"", name);
    print_value(campaign, out);
    if (key) {
        fprintf(out, "\",%s=\"", key);
        print_value(label, out);
    }
    if (isnan(value))
        fprintf(out, "\"} NaN\n");
    else
        fprintf(out, "\"} %.9g\n", value);
}

static void print_cells(const char *campaign, const struct dv_tables *tables, FILE *out)
{
    struct dv_report_data data;
    dv_report_data_make(tables, &data);
    double *values = dv_reallocate(NULL, tables->table[DV_TABLE_RUNS].count + 1, sizeof *values);
    print_head("wall_seconds", "Median wall time of a cell's good, measured runs.", out);
    for (size_t g = 0; g < data.group_count; g++) {
        for (size_t t = 0; t < data.treatment_count; t++) {
            char label[DV_LABEL_BYTES];
            size_t count = dv_sample_times(&data, g, t, DV_MEASURE_WALL, values);
            snprintf(label, sizeof label, "%s %s", data.groups[g].label, data.treatments[t].label);
            if (count)
                print_figure("wall_seconds", campaign, "cell", label,
                             dv_stats_median(values, count), out);
        }
    }
    free(values);
    dv_report_data_free(&data);
}

enum dv_status dv_metrics_write(const char *path, const struct dv_campaign *campaign,
                                const struct dv_tables *tables, double seconds_left)
{
    const char *name = campaign->experiment->name;
    double done = (double)campaign->journal.done_count, failed = 0, epochs = 0, restarts = 0;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return DV_ERR_NO_MEMORY;
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
        const struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
        failed += row->outcome == DV_OUTCOME_FAILED;
        epochs += (double)(row->epochs > 0 ? row->epochs : 0);
        restarts += (double)(row->restarts > 0 ? row->restarts : 0);
    }
    print_head("runs", "Runs of the campaign by state.", out);
    print_figure("runs", name, "state", "ok", done - failed, out);
    print_figure("runs", name, "state", "failed", failed, out);
    print_figure("runs", name, "state", "left", (double)campaign->plan->run_count - done, out);
    print_head("epochs", "Checkpoints committed in all runs.", out);
    print_figure("epochs", name, NULL, NULL, epochs, out);
    print_head("restarts", "Recoveries in all runs.", out);
    print_figure("restarts", name, NULL, NULL, restarts, out);
    print_head("left_seconds", "Estimated time until all runs are made.", out);
    print_figure("left_seconds", name, NULL, NULL, seconds_left, out);
    print_head("written_timestamp_seconds", "When these figures were written (Unix time).", out);
    print_figure("written_timestamp_seconds", name, NULL, NULL, (double)time(NULL), out);
    print_cells(name, tables, out);
    enum dv_status status =
        fclose(out) == 0 ? dv_file_write_durably(path, text, length) : DV_ERR_NO_MEMORY;
    free(text);
    return status;
}

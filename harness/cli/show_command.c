/* One run: what was asked for, what came of it, its checkpoints and faults, how to repeat it. */
#include "harness/cli/commands.h"
#include "harness/cli/report_data.h"
#include "harness/config/experiment.h"
#include "harness/config/say.h"
#include "harness/record/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STDERR_LINES 10

/* Events that say nothing about how a run went: they are in the tables. */
static const char *const routine[] = {"rank",    "restored", "committed", "stop",
                                      "proceed", "resume",   "connected", NULL};

static const struct dv_run_row *find_run(const struct dv_tables *tables, int64_t run)
{
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
        const struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
        if (row->run == run)
            return row;
    }
    return NULL;
}

static void print_number(const char *name, double value, const char *unit, FILE *out)
{
    if (isnan(value) || value < 0)
        fprintf(out, "%-14s unknown\n", name);
    else
        fprintf(out, "%-14s %.6g %s\n", name, value, unit);
}

/* The run's own directories are gone: it is repeated in a new one. */
static void print_repeat(const struct dv_run_row *row, FILE *out)
{
    const char *job = strstr(row->command, " --job "), *rest = NULL;
    fprintf(out, "%-14s cd $(mktemp -d) && %s", "repeat it by",
            row->pin ? "HYDRA_BINDING=core " : "");
    if (job)
        rest = strchr(job + strlen(" --job "), ' ');
    if (rest)
        fprintf(out, "%.*s --job job%s\n", (int)(job - row->command), row->command, rest);
    else
        fprintf(out, "%s\n", row->command);
}

static void print_run(const struct dv_run_row *row, FILE *out)
{
    char label[DV_LABEL_BYTES];
    dv_run_label(row, label, sizeof label);
    fprintf(out, "%-14s %" PRId64 ": %s\n", "run", row->run, label);
    fprintf(out, "%-14s %" PRId64 "%s, place %" PRId64 ", session %" PRId64 ", seed %" PRId64 "\n",
            "block", row->block, row->warmup ? " (warm-up)" : "", row->position, row->session,
            row->seed);
    fprintf(out, "%-14s %s%s%s\n", "outcome", row->outcome == DV_OUTCOME_OK ? "ok" : "failed",
            *row->reason ? ": " : "", row->reason);
    if (*row->parameters)
        fprintf(out, "%-14s %s\n", "parameters", row->parameters);
    if (*row->options)
        fprintf(out, "%-14s %s\n", "options", row->options);
    fprintf(out, "%-14s %s%s\n", "digest", *row->digest ? row->digest : "none",
            row->verified ? ", verified" : ", not verified");
    print_number("wall time", row->wall_s, "s", out);
    print_number("own time", row->application_s, "s", out);
    print_number("user time", row->user_s, "s", out);
    print_number("system time", row->system_s, "s", out);
    print_number("largest RSS", (double)row->max_rss_bytes / 0x1p20, "MiB", out);
    print_number("load before", row->load_before, "processes", out);
    fprintf(out, "%-14s %s, ranks bound: %s%s\n", "page cache", row->cache ? "dropped" : "warm",
            row->pin ? "to cores" : "no", row->oversubscribed ? "; OVERSUBSCRIBED" : "");
    fprintf(out, "%-14s %s\n", "command", row->command);
    print_repeat(row, out);
}

static void print_epochs(const struct dv_tables *tables, int64_t run, FILE *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < tables->table[DV_TABLE_EPOCHS].count; i++) {
        const struct dv_epoch_row *row = DV_ROW(tables, DV_TABLE_EPOCHS, dv_epoch_row, i);
        if (row->run != run)
            continue;
        if (shown++ == 0)
            fprintf(out, "\n%6s %5s %9s %10s %10s %12s %s\n", "epoch", "rank", "at s", "stall ms",
                    "write ms", "file bytes", "");
        fprintf(out, "%6" PRId64 " %5" PRId64 " %9.3f %10.3f %10.3f %12" PRId64 " %s\n", row->epoch,
                row->rank, row->at_s, (double)row->stall_ns * 1e-6, (double)row->write_ns * 1e-6,
                row->file_bytes, row->committed ? "" : "NOT COMMITTED");
    }
    if (shown == 0)
        fprintf(out, "\nno checkpoints\n");
}

static void print_faults(const struct dv_tables *tables, int64_t run, FILE *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < tables->table[DV_TABLE_FAULTS].count; i++) {
        const struct dv_fault_row *row = DV_ROW(tables, DV_TABLE_FAULTS, dv_fault_row, i);
        if (row->run != run)
            continue;
        if (shown++ == 0)
            fprintf(out, "\n%6s %10s %9s %6s %9s %11s  %s\n", "fault", "planned s", "at s", "rank",
                    "from epoch", "recovered s", "");
        fprintf(out, "%6" PRId64 " %10.3f %9.3f %6" PRId64 " %9" PRId64 " %11.3f  %s%s\n",
                row->number, row->planned_s, row->at_s, row->rank, row->restored_epoch,
                row->recovered_s, row->label, row->injected ? "" : " (not reached)");
    }
}

static bool is_routine(const char *event)
{
    for (const char *const *name = routine; *name; name++) {
        if (strcmp(*name, event) == 0)
            return true;
    }
    return false;
}

static void print_events(const struct dv_tables *tables, int64_t run, FILE *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < tables->table[DV_TABLE_EVENTS].count; i++) {
        const struct dv_event_row *row = DV_ROW(tables, DV_TABLE_EVENTS, dv_event_row, i);
        if (row->run == run && !is_routine(row->event))
            fprintf(out, "%s%9.3f %s %s\n", shown++ ? "" : "\nevents\n", row->at_s, row->event,
                    row->fields);
    }
}

/* The last lines of the run's standard error, if its record lies beside the HDF5 file. */
static void print_stderr(const char *results, int64_t run, FILE *out)
{
    char path[PATH_MAX], *text;
    size_t length, lines = 0;
    const char *slash = strrchr(results, '/');
    snprintf(path, sizeof path, "%.*s/runs/%06" PRId64 "/stderr",
             slash ? (int)(slash - results) : 1, slash ? results : ".", run);
    if (dv_file_read(path, &text, &length) != DV_OK)
        return;
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    const char *from = text + length;
    while (from > text && (from[-1] != '\n' || ++lines < STDERR_LINES))
        from--;
    if (*from)
        fprintf(out, "\nlast lines of %s\n%s\n", path, from);
    free(text);
}

enum dv_status dv_command_show(const struct dv_request *request, FILE *out)
{
    char path[PATH_MAX], *end;
    struct dv_tables tables;
    struct dv_store_info info;
    errno = 0;
    int64_t run = strtoll(request->paths[1], &end, 10);
    if (errno || *end || end == request->paths[1])
        return dv_bench_fail(DV_ERR_USAGE, "show: '%s' is not the number of a run",
                             request->paths[1]);
    enum dv_status status = dv_request_load(request, request->paths[0], out, path, &tables, &info);
    if (status != DV_OK)
        return status;
    const struct dv_run_row *row = find_run(&tables, run);
    if (row) {
        print_run(row, out);
        print_epochs(&tables, run, out);
        print_faults(&tables, run, out);
        print_events(&tables, run, out);
        print_stderr(path, run, out);
    } else {
        status = dv_bench_fail(DV_ERR_USAGE,
                               "run %" PRId64 " is not in %s: of %" PRId64
                               " planned runs %zu are done (dejavu-bench plan lists them)",
                               run, path, info.runs_planned, tables.table[DV_TABLE_RUNS].count);
    }
    dv_tables_clear(&tables);
    return status;
}

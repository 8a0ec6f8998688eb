/* Every column of a campaign with its unit and meaning. results/README.md explains how they go
 * together. */
#include "harness/record/schema.h"

#include "harness/config/say.h"

#include <stdlib.h>
#include <string.h>

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const outcomes[] = {"failed", "ok", NULL};
static const char *const strategy_kinds[] = {"native", "idle", "checkpoint", NULL};
static const char *const verifications[] = {"missing", "successful", "not_asked", NULL};
static const char *const snapshots[] = {"unreported", "stop", "copy", "fork", NULL};
static const char *const caches[] = {"warm", "dropped", NULL};
static const char *const pins[] = {"none", "cores", NULL};
/* In the order of enum dv_fault_timing. */
static const char *const timings[] = {"at",          "after_epoch", "schedule",
                                      "exponential", "weibull",     NULL};
static const char *const counter_states[] = {"counted", "unavailable", NULL};

#define INT(type, member, unit, description)                                                       \
    {                                                                                              \
#member, DV_COLUMN_INT, offsetof(struct type, member), 8, unit, description, NULL          \
    }
#define REAL(type, member, unit, description)                                                      \
    {                                                                                              \
#member, DV_COLUMN_REAL, offsetof(struct type, member), 8, unit, description, NULL         \
    }
#define TEXT(type, member, description)                                                            \
    {                                                                                              \
#member, DV_COLUMN_TEXT, offsetof(struct type, member),                                    \
            sizeof(((struct type *)0)->member), "text", description, NULL                          \
    }
#define ENUM(type, member, words, description)                                                     \
    {                                                                                              \
#member, DV_COLUMN_ENUM, offsetof(struct type, member), 4, "enum", description, words      \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct dv_column run_columns[] = {
    INT(dv_run_row, run, "index", "place in the campaign's order; the key of a run in all tables"),
    TEXT(dv_run_row, campaign, "id of the campaign that made it"),
    INT(dv_run_row, block, "index", "randomised complete block"),
    INT(dv_run_row, position, "index", "place within the block"),
    INT(dv_run_row, session, "index", "which call of `dejavu-bench run` made it; see /environment"),
    INT(dv_run_row, seed, "number", "seed of what is random within the run (two's complement)"),
    ENUM(dv_run_row, warmup, no_yes, "belongs to a warm-up block: in no statistic"),
    TEXT(dv_run_row, application, "name of the application, with what a sweep gave it"),
    TEXT(dv_run_row, class_name, "problem class; '-' for a program that takes none"),
    INT(dv_run_row, ranks, "processes", "MPI processes"),
    TEXT(dv_run_row, parameters, "name=value ... that a sweep gave application and strategy"),
    TEXT(dv_run_row, system, "who takes the checkpoints: dejavu or an external system; '': nobody"),
    TEXT(dv_run_row, strategy, "strategy's name in the experiment, with what a sweep gave it"),
    ENUM(dv_run_row, strategy_kind, strategy_kinds,
         "native: without DejaVu; idle: attached, no checkpoints; checkpoint"),
    TEXT(dv_run_row, capture, "capture strategy, '' for the bases"),
    TEXT(dv_run_row, protocol, "protocol strategy, '' for the bases"),
    TEXT(dv_run_row, options, "further options of `dejavu run` that belong to the strategy"),
    REAL(dv_run_row, interval_s, "s", "time between checkpoints; NaN: none are taken"),
    TEXT(dv_run_row, fault, "what was killed and when, or 'none'; see /faults"),
    ENUM(dv_run_row, outcome, outcomes, "a failed run is in no statistic"),
    TEXT(dv_run_row, reason, "why it failed, '' if it did not"),
    ENUM(dv_run_row, verified, no_yes,
         "the application's own verification passed and the digest is that of the native runs"),
    ENUM(dv_run_row, verification, verifications, "what the application said of itself"),
    TEXT(dv_run_row, digest, "digest of the final state as printed, '' if none was"),
    REAL(dv_run_row, wall_s, "s",
         "from the start of the launcher to its end, CLOCK_MONOTONIC; start-up and recovery "
         "included"),
    REAL(dv_run_row, application_s, "s", "time that the application reports of itself; NaN: none"),
    REAL(dv_run_row, user_s, "s", "user time of all processes of the run (getrusage)"),
    REAL(dv_run_row, system_s, "s", "system time of all processes of the run (getrusage)"),
    INT(dv_run_row, max_rss_bytes, "B", "largest resident set of any one process (getrusage)"),
    INT(dv_run_row, start_unix_ns, "ns", "start, CLOCK_REALTIME"),
    INT(dv_run_row, exit_status, "number", "of the launcher; -1: ended by a signal"),
    INT(dv_run_row, signal, "number", "that ended the launcher; 0: none"),
    ENUM(dv_run_row, timed_out, no_yes, "took longer than the experiment's timeout and was killed"),
    ENUM(dv_run_row, cache, caches, "page cache before the run: as it was, or dropped"),
    ENUM(dv_run_row, pin, pins, "binding of ranks: left to the kernel, or each to a core"),
    ENUM(dv_run_row, oversubscribed, no_yes, "more ranks than processors to run on"),
    INT(dv_run_row, epochs, "epochs", "committed checkpoints"),
    INT(dv_run_row, restarts, "restarts", "recoveries after which all ranks ran again"),
    REAL(dv_run_row, load_before, "processes", "load average over the last minute before the run"),
    TEXT(dv_run_row, command, "what was executed"),
    END,
};

static const struct dv_column epoch_columns[] = {
    INT(dv_epoch_row, run, "index", "the run, as in /runs"),
    INT(dv_epoch_row, epoch, "index", "number of the checkpoint within the job"),
    INT(dv_epoch_row, rank, "index", "MPI process"),
    REAL(dv_epoch_row, at_s, "s", "when it was reported, since the run's start"),
    ENUM(dv_epoch_row, committed, no_yes, "all ranks' images are durable and the manifest says so"),
    INT(dv_epoch_row, stop_ns, "ns", "from the request to the rank's first safe point"),
    INT(dv_epoch_row, cut_ns, "ns", "from there to the agreed cut"),
    INT(dv_epoch_row, collectives_ns, "ns", "completing outstanding collectives"),
    INT(dv_epoch_row, drain_ns, "ns", "draining messages in flight"),
    INT(dv_epoch_row, select_ns, "ns", "listing regions and choosing pages; contains scan_ns"),
    INT(dv_epoch_row, scan_ns, "ns", "asking the kernel which pages exist and which were written"),
    INT(dv_epoch_row, snapshot_ns, "ns",
        "process state; copying pages, forking or (snapshot stop) writing the image"),
    INT(dv_epoch_row, stall_ns, "ns", "the application stood still"),
    INT(dv_epoch_row, write_ns, "ns",
        "writing pages into the image, application running unless snapshot is stop"),
    INT(dv_epoch_row, sync_ns, "ns", "fsync and rename, application running"),
    INT(dv_epoch_row, quiesce_ns, "ns",
        "of the whole job: from the request until all ranks stood at the cut"),
    INT(dv_epoch_row, capture_ns, "ns",
        "of the whole job: from there until all ranks had captured and went on"),
    INT(dv_epoch_row, commit_ns, "ns",
        "of the whole job: from there until the epoch was committed, application running"),
    ENUM(dv_epoch_row, snapshot, snapshots,
         "how pages were kept for the writer; stop: the application stood until they were written"),
    INT(dv_epoch_row, populated_bytes, "B", "pages that hold information"),
    INT(dv_epoch_row, examined_bytes, "B",
        "of these, chosen by the strategy (with a tracker: written since the parent)"),
    INT(dv_epoch_row, zero_bytes, "B", "of these, zero pages, left out"),
    INT(dv_epoch_row, same_bytes, "B", "of these, with the content that the parent has, left out"),
    INT(dv_epoch_row, data_bytes, "B", "of these, stored; before packing"),
    INT(dv_epoch_row, inherited_bytes, "B", "as in the parent, not stored"),
    INT(dv_epoch_row, file_bytes, "B", "size of the image file"),
    INT(dv_epoch_row, parent_epoch, "index", "what the image builds upon; 0: complete by itself"),
    INT(dv_epoch_row, oracle_pages, "pages",
        "with --oracle: pages that were compared with a full image of the same instant"),
    INT(dv_epoch_row, drained_messages, "messages", "messages drained"),
    INT(dv_epoch_row, drained_bytes, "B", "their bytes"),
    END,
};

static const struct dv_column decision_columns[] = {
    INT(dv_decision_row, run, "index", "the run, as in /runs"),
    INT(dv_decision_row, epoch, "index", "checkpoint at which it was decided"),
    INT(dv_decision_row, rank, "index", "MPI process"),
    REAL(dv_decision_row, at_s, "s", "when it was reported, since the run's start"),
    INT(dv_decision_row, start, "address", "first byte of the region"),
    INT(dv_decision_row, end, "address", "first byte behind it"),
    INT(dv_decision_row, pages, "pages", "in the region"),
    INT(dv_decision_row, dirty, "pages", "of these, found written in this epoch"),
    TEXT(dv_decision_row, mode, "how the region is tracked from now on"),
    TEXT(dv_decision_row, was, "how it was tracked until now"),
    INT(dv_decision_row, cost_ns, "ns", "estimated cost per epoch of this way of tracking"),
    INT(dv_decision_row, other_ns, "ns", "that of the best other way"),
    TEXT(dv_decision_row, reason, "why, in the strategy's words"),
    END,
};

static const struct dv_column restore_columns[] = {
    INT(dv_restore_row, run, "index", "the run, as in /runs"),
    INT(dv_restore_row, incarnation, "index", "which start of the job; the first one is 0"),
    INT(dv_restore_row, epoch, "index", "restored from"),
    INT(dv_restore_row, rank, "index", "MPI process"),
    REAL(dv_restore_row, at_s, "s", "when the rank ran again, since the run's start"),
    INT(dv_restore_row, split_ns, "ns", "setting the address space up"),
    INT(dv_restore_row, mpi_init_ns, "ns", "starting the real MPI library"),
    INT(dv_restore_row, read_ns, "ns",
        "memory: mapping it, and reading what is read before the application runs"),
    INT(dv_restore_row, rebuild_ns, "ns", "re-creating MPI objects"),
    INT(dv_restore_row, restore_ns, "ns", "the whole restore of the rank"),
    INT(dv_restore_row, chain_length, "images", "images that were needed"),
    INT(dv_restore_row, loaded_bytes, "B", "read before the application ran"),
    INT(dv_restore_row, lazy_bytes, "B", "mapped, to be read when they are touched"),
    END,
};

static const struct dv_column fault_columns[] = {
    INT(dv_fault_row, run, "index", "the run, as in /runs"),
    INT(dv_fault_row, number, "index", "which of the run's faults, in the order of time"),
    TEXT(dv_fault_row, label, "as in the experiment"),
    ENUM(dv_fault_row, distribution, timings, "how its moment was found"),
    REAL(dv_fault_row, mtbf_s, "s", "mean of the distribution; NaN: none"),
    REAL(dv_fault_row, shape, "number", "of a Weibull distribution; NaN: none"),
    INT(dv_fault_row, rank, "index", "rank to be killed; -1: not one rank, but all or mpiexec"),
    ENUM(dv_fault_row, injected, no_yes, "no: the run ended before its moment"),
    REAL(dv_fault_row, planned_s, "s",
         "the moment given or drawn, since the run's start; NaN: after an epoch"),
    REAL(dv_fault_row, at_s, "s", "SIGKILL was sent, since the run's start; NaN: it was not"),
    INT(dv_fault_row, processes, "processes", "processes killed"),
    INT(dv_fault_row, epochs_before, "epochs", "checkpoints committed before"),
    INT(dv_fault_row, restored_epoch, "index",
        "the job went on from this epoch; 0: it began anew; -1: it did not go on"),
    REAL(dv_fault_row, recovered_s, "s", "from the SIGKILL until all ranks ran again; NaN: never"),
    END,
};

static const struct dv_column counter_columns[] = {
    INT(dv_counter_row, run, "index", "the run, as in /runs"),
    TEXT(dv_counter_row, name, "event: a PAPI name, or a field of struct rusage"),
    TEXT(dv_counter_row, source, "PAPI, perf_event_open or getrusage"),
    ENUM(dv_counter_row, state, counter_states, "unavailable: there is no value, not even 0"),
    REAL(dv_counter_row, value, "count or ns",
         "summed over all processes of the run, launcher included; task clocks in ns; NaN: "
         "unavailable"),
    TEXT(dv_counter_row, reason, "why it is unavailable"),
    END,
};

static const struct dv_column event_columns[] = {
    INT(dv_event_row, run, "index", "the run, as in /runs"),
    REAL(dv_event_row, at_s, "s", "since the run's start"),
    TEXT(dv_event_row, event, "first word of the job's event"),
    TEXT(dv_event_row, fields, "key=value ... of the event"),
    END,
};

static const struct dv_column environment_columns[] = {
    TEXT(dv_environment_row, campaign, "id of the campaign"),
    INT(dv_environment_row, session, "index",
        "call of `dejavu-bench run`; one set of rows for each"),
    TEXT(dv_environment_row, key, "what it says"),
    TEXT(dv_environment_row, value, "as found then; 'unavailable' if it could not be"),
    END,
};

static const struct dv_column setting_columns[] = {
    TEXT(dv_setting_row, campaign, "id of the campaign"),
    TEXT(dv_setting_row, key, "key of the experiment"),
    TEXT(dv_setting_row, source, "command line, environment variable, file:line or default"),
    TEXT(dv_setting_row, value, "YAML text"),
    END,
};

static const struct dv_column left_out_columns[] = {
    TEXT(dv_left_out_row, campaign, "id of the campaign"),
    TEXT(dv_left_out_row, cell, "a combination that is not run"),
    TEXT(dv_left_out_row, reason, "why it is not"),
    END,
};

const struct dv_table_kind dv_table_kinds[DV_TABLES] = {
    [DV_TABLE_RUNS] = {"runs", "every run of the campaign, one row each: factors and raw samples",
                       sizeof(struct dv_run_row), run_columns},
    [DV_TABLE_EPOCHS] = {"epochs", "every checkpoint, one row per run, epoch and rank",
                         sizeof(struct dv_epoch_row), epoch_columns},
    [DV_TABLE_DECISIONS] = {"decisions",
                            "what capture strategies decided, one row per run, epoch, rank and "
                            "region",
                            sizeof(struct dv_decision_row), decision_columns},
    [DV_TABLE_RESTORES] = {"restores", "every restore, one row per run, incarnation and rank",
                           sizeof(struct dv_restore_row), restore_columns},
    [DV_TABLE_FAULTS] = {"faults",
                         "every planned fault; of a distribution or schedule those that struck, "
                         "and the first one that "
                         "did not",
                         sizeof(struct dv_fault_row), fault_columns},
    [DV_TABLE_COUNTERS] = {"counters", "performance counters, one row per run and counter",
                           sizeof(struct dv_counter_row), counter_columns},
    [DV_TABLE_EVENTS] = {"events", "what the jobs' supervisors recorded",
                         sizeof(struct dv_event_row), event_columns},
    [DV_TABLE_ENVIRONMENT] = {"environment", "where the runs were made",
                              sizeof(struct dv_environment_row), environment_columns},
    [DV_TABLE_SETTINGS] = {"settings", "every key of the experiment with its value and source",
                           sizeof(struct dv_setting_row), setting_columns},
    [DV_TABLE_LEFT_OUT] = {"left_out", "cells left out, and why", sizeof(struct dv_left_out_row),
                           left_out_columns},
};

void dv_tables_init(struct dv_tables *tables)
{
    for (size_t i = 0; i < DV_TABLES; i++)
        tables->table[i] = (struct dv_table){.kind = &dv_table_kinds[i]};
}

void dv_tables_clear(struct dv_tables *tables)
{
    for (size_t i = 0; i < DV_TABLES; i++)
        dv_table_clear(&tables->table[i]);
}

void dv_tables_set_campaign(struct dv_tables *tables, const char *id)
{
    for (size_t i = 0; i < DV_TABLES; i++) {
        const struct dv_table *table = &tables->table[i];
        const struct dv_column *column = dv_table_column(table->kind, "campaign");
        for (size_t row = 0; column && row < table->count; row++) {
            char *member = (char *)dv_table_row(table, row) + column->offset;
            if (!*member)
                dv_text_set(member, column->bytes, id);
        }
    }
}

void dv_tables_print(const struct dv_tables *tables, FILE *out)
{
    for (size_t i = 0; i < DV_TABLES; i++) {
        for (size_t row = 0; row < tables->table[i].count; row++)
            dv_table_print_row(&tables->table[i], row, out);
    }
}

static enum dv_status parse_line(struct dv_tables *tables, const char *line)
{
    for (size_t i = 0; i < DV_TABLES; i++) {
        size_t length = strlen(dv_table_kinds[i].name);
        if (strncmp(line, dv_table_kinds[i].name, length) == 0 && line[length] == ' ')
            return dv_table_parse_row(&tables->table[i], line + length + 1);
    }
    return DV_ERR_NOT_FOUND;
}

enum dv_status dv_tables_parse(struct dv_tables *tables, const char *text, const char *origin)
{
    char *copy = strdup(text), *rest = copy, *line;
    enum dv_status status = copy ? DV_OK : DV_ERR_NO_MEMORY;
    for (size_t number = 1; status == DV_OK && (line = strsep(&rest, "\n")); number++) {
        if (!*line)
            continue;
        status = parse_line(tables, line);
        if (status != DV_OK)
            status = dv_bench_fail(DV_ERR_DAMAGED, "%s:%zu: not a line of this version's records",
                                   origin, number);
    }
    free(copy);
    return status;
}

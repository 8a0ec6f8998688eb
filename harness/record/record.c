#include "harness/record/record.h"

#include "harness/config/say.h"
#include "harness/launch/cache.h"
#include "harness/launch/command.h"
#include "harness/launch/launch.h"
#include "harness/launch/launcher.h"
#include "harness/launch/tree.h"
#include "harness/record/environment.h"
#include "harness/record/events.h"
#include "harness/record/file.h"
#include "harness/record/output.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define OUTPUT_HEAD (64u << 10)
#define OUTPUT_TAIL (64u << 10)

/* Everything about the run that is being made. */
struct making {
    struct dv_campaign *campaign;
    const struct dv_planned_run *run;
    const struct dv_cell *cell;
    struct dv_arena memory;
    struct dv_tables tables;
    struct dv_launched launched;
    char *record, *stdout_path, *stderr_path, *events; /* in the output directory */
    char *scratch, *job, *work;                        /* the run's private directory */
    char **argv;
    struct dv_moments moments;
    struct dv_injection *injections;
};

static char *scratch_prefix(const struct dv_campaign *c, struct dv_arena *memory)
{
    return dv_arena_printf(memory, "dejavu-bench-%016" PRIx64 "-", c->journal.id);
}

static enum dv_status prepare(struct making *m)
{
    struct dv_campaign *c = m->campaign;
    char directory[PATH_MAX];
    dv_journal_run_directory(&c->journal, m->run->index, directory, sizeof directory);
    m->record = dv_arena_printf(&m->memory, "%s/record", directory);
    m->events = dv_arena_printf(&m->memory, "%s/events", directory);
    enum dv_status status = dv_file_remove_tree(directory);
    if (status == DV_OK)
        status = dv_file_make_directories(directory);
    if (status == DV_OK)
        status = dv_file_make_directories(c->experiment->scratch);
    if (status != DV_OK)
        return status;
    /* The launcher runs elsewhere: whole paths. */
    char whole[PATH_MAX], base[PATH_MAX];
    if (!realpath(directory, whole) || !realpath(c->experiment->scratch, base))
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot resolve %s or %s: %s", directory,
                             c->experiment->scratch, strerror(errno));
    m->stdout_path = dv_arena_printf(&m->memory, "%s/stdout", whole);
    m->stderr_path = dv_arena_printf(&m->memory, "%s/stderr", whole);
    m->scratch = dv_arena_printf(&m->memory, "%s/%s%06zu", base, scratch_prefix(c, &m->memory),
                                 m->run->index);
    m->job = dv_arena_printf(&m->memory, "%s/job", m->scratch);
    m->work = dv_arena_printf(&m->memory, "%s/work", m->scratch);
    status = dv_file_remove_tree(m->scratch);
    if (status != DV_OK)
        return status;
    if (mkdir(m->scratch, 0700) != 0 || mkdir(m->work, 0700) != 0 || mkdir(m->job, 0700) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot make a private directory in %s: %s",
                             c->experiment->scratch, strerror(errno));
    m->moments = dv_moments_draw(m->cell->fault, m->run->seed, m->cell->ranks,
                                 c->experiment->timeout_s, &m->memory);
    m->injections = dv_arena_alloc(&m->memory, m->moments.count + 1, sizeof *m->injections);
    m->argv = dv_command_make(c->experiment, m->cell, m->job, m->moments.count, &m->memory);
    return c->experiment->cache == DV_CACHE_DROP ? dv_cache_drop() : DV_OK;
}

static enum dv_status launch(struct making *m)
{
    const struct dv_experiment *e = m->campaign->experiment;
    bool native = m->cell->strategy->kind == DV_STRATEGY_NATIVE;
    struct dv_launch request = {
        .argv = m->argv,
        .work_directory = m->work,
        .stdout_path = m->stdout_path,
        .stderr_path = m->stderr_path,
        .job_directory = native ? NULL : m->job,
        .run_variable = dv_arena_printf(&m->memory, "%016" PRIx64 ".%zu", m->campaign->journal.id,
                                        m->run->index),
        .timeout_s = e->timeout_s,
        .environment = dv_launcher_find(e->launcher)->environment(e, &m->memory),
        .fault = m->cell->fault,
        .moments = &m->moments,
        .injections = m->injections,
        .counters = &e->counters,
        .run = (int64_t)m->run->index,
    };
    return dv_launch_run(&request, &m->tables, &m->launched);
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

static const char *options_text(struct making *m)
{
    const struct dv_names *options = &m->cell->strategy->options;
    char **argv = dv_arena_alloc(&m->memory, options->count + 1, sizeof *argv);
    for (size_t i = 0; i < options->count; i++)
        argv[i] = options->item[i];
    argv[options->count] = NULL;
    return dv_command_text(argv, &m->memory);
}

/* The factors: what was asked for. */
static struct dv_run_row *add_run_row(struct making *m, size_t session, double load)
{
    const struct dv_experiment *e = m->campaign->experiment;
    const struct dv_cell *cell = m->cell;
    const char *of_app = cell->app->parameters, *of_strategy = cell->strategy->parameters;
    struct dv_run_row *row = DV_ADD(&m->tables, DV_TABLE_RUNS, dv_run_row);
    row->run = (int64_t)m->run->index;
    row->block = (int64_t)m->run->block;
    row->position = (int64_t)m->run->position;
    row->session = (int64_t)session;
    row->seed = (int64_t)m->run->seed;
    row->warmup = m->run->warmup;
    row->ranks = cell->ranks;
    row->strategy_kind = (int32_t)cell->strategy->kind;
    row->interval_s = cell->interval_s;
    row->cache = e->cache == DV_CACHE_DROP;
    row->pin = e->pin == DV_PIN_CORES;
    row->load_before = load;
    row->oversubscribed = cell->ranks > dv_environment_processors();
    DV_TEXT_SET(row->application, cell->app->name);
    DV_TEXT_SET(row->class_name, cell->class_name);
    DV_TEXT_SET(row->parameters, dv_arena_printf(&m->memory, "%s%s%s", of_app,
                                                 *of_app && *of_strategy ? " " : "", of_strategy));
    DV_TEXT_SET(row->system, cell->strategy->system);
    DV_TEXT_SET(row->strategy, cell->strategy->label);
    DV_TEXT_SET(row->capture, cell->strategy->capture);
    DV_TEXT_SET(row->protocol, cell->strategy->protocol);
    DV_TEXT_SET(row->options, options_text(m));
    DV_TEXT_SET(row->fault, cell->fault->label);
    DV_TEXT_SET(row->command, dv_command_text(m->argv, &m->memory));
    return row;
}

static void add_samples(const struct making *m, struct dv_run_row *row,
                        const struct dv_output *output, const struct dv_events_summary *events)
{
    const struct dv_launched *l = &m->launched;
    row->wall_s = l->wall_s;
    row->application_s = output->seconds;
    row->user_s = seconds_of(&l->usage.ru_utime);
    row->system_s = seconds_of(&l->usage.ru_stime);
    row->max_rss_bytes = (int64_t)l->usage.ru_maxrss * 1024;
    row->start_unix_ns = l->start_unix_ns;
    row->exit_status = l->exit_status;
    row->signal = l->signal;
    row->timed_out = l->timed_out;
    row->verification = (int32_t)output->verification;
    row->epochs = events->epochs;
    row->restarts = events->restarts;
    DV_TEXT_SET(row->digest, output->digest);
}

/* Those that struck, and the first one that did not. */
static void add_fault_rows(struct making *m)
{
    const struct dv_fault *fault = m->cell->fault;
    for (size_t i = 0; i < m->moments.count && i <= m->launched.injected; i++) {
        const struct dv_moment *moment = &m->moments.item[i];
        struct dv_fault_row *row = DV_ADD(&m->tables, DV_TABLE_FAULTS, dv_fault_row);
        row->run = (int64_t)m->run->index;
        row->number = (int64_t)i;
        row->rank = moment->rank;
        row->distribution = (int32_t)fault->timing;
        row->mtbf_s = fault->mtbf_s > 0 ? fault->mtbf_s : NAN;
        row->shape = fault->shape > 0 ? fault->shape : NAN;
        row->planned_s = moment->at_s;
        DV_TEXT_SET(row->label, fault->label);
        row->injected = m->injections[i].injected;
        if (!row->injected)
            continue;
        row->at_s = m->injections[i].at_s;
        row->processes = (int64_t)m->injections[i].processes;
    }
}

/* What is wrong with a run by itself, "" if nothing. Digests are compared later, by
 * dv_record_judge. */
static void find_fault(const struct making *m, const struct dv_run_row *row,
                       const struct dv_events_summary *events, char *reason, size_t reason_bytes)
{
    char last[160];
    dv_output_last_line(m->stderr_path, last, sizeof last);
    const char *join = *last ? ": " : "";
    reason[0] = '\0';
    if (row->timed_out)
        snprintf(reason, reason_bytes, "not done after %g s%s%s",
                 m->campaign->experiment->timeout_s, join, last);
    else if (row->signal)
        snprintf(reason, reason_bytes, "ended by signal %" PRId64 " (%s)%s%s", row->signal,
                 strsignal((int)row->signal), join, last);
    else if (row->exit_status != 0)
        snprintf(reason, reason_bytes, "exit status %" PRId64 "%s%s", row->exit_status, join, last);
    else if (row->verification == DV_VERIFICATION_MISSING)
        snprintf(reason, reason_bytes, "the application did not print a successful verification");
    else if (*m->cell->app->digest && !*row->digest)
        snprintf(reason, reason_bytes, "the application did not print its digest");
    else if (dv_fault_is_certain(m->cell->fault) && m->launched.injected == 0)
        snprintf(reason, reason_bytes, "ended before the fault (%s)", m->cell->fault->label);
    else if (m->launched.injected == 0)
        return;
    else if (events->restarts == 0 && !(m->injections[0].at_s >= events->exiting_s))
        snprintf(reason, reason_bytes, "ended well after the kill, but no recovery is recorded");
    else if (events->began_anew)
        snprintf(reason, reason_bytes, "began anew although an epoch was committed");
}

static void copy_events(const struct making *m)
{
    char *text, path[PATH_MAX];
    size_t length;
    snprintf(path, sizeof path, "%s/events", m->job);
    if (dv_file_read(path, &text, &length) != DV_OK)
        return; /* no job, or it did not come that far */
    if (dv_file_write_durably(m->events, text, length) != DV_OK)
        dv_bench_say("warning: the events of run %zu are not kept", m->run->index);
    free(text);
}

static enum dv_status collect(struct making *m, size_t session, double load)
{
    struct dv_output output;
    struct dv_events_summary events;
    enum dv_status status = dv_output_read(m->cell->app, m->stdout_path, &output);
    if (status == DV_ERR_NOT_FOUND)
        return dv_bench_fail(status, "the output of run %zu is gone: %s", m->run->index,
                             m->stdout_path);
    if (status != DV_OK)
        return status;
    copy_events(m);
    add_fault_rows(m);
    status = dv_events_read(m->events, (int64_t)m->run->index, m->launched.events_offset_s,
                            &m->tables, &events);
    if (status != DV_OK)
        return status;
    struct dv_run_row *row = add_run_row(m, session, load);
    add_samples(m, row, &output, &events);
    char reason[256];
    find_fault(m, row, &events, reason, sizeof reason);
    row->outcome = *reason ? DV_OUTCOME_FAILED : DV_OUTCOME_OK;
    DV_TEXT_SET(row->reason, reason);
    return DV_OK;
}

/* The tables' text, written; its digest goes into the journal. */
static enum dv_status write_tables(const struct dv_tables *tables, const char *path,
                                   uint64_t *digest)
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory)
        dv_tables_print(tables, memory);
    if (!memory || fclose(memory) != 0) {
        free(text);
        return dv_bench_fail(DV_ERR_NO_MEMORY, "out of memory for %s", path);
    }
    enum dv_status status = dv_file_write_durably(path, text, length);
    *digest = XXH64(text, length, 0);
    free(text);
    return status;
}

static enum dv_status commit(struct making *m)
{
    const struct dv_run_row *row = DV_ROW(&m->tables, DV_TABLE_RUNS, dv_run_row, 0);
    struct dv_journal_run result = {.ok = row->outcome == DV_OUTCOME_OK, .wall_s = row->wall_s};
    enum dv_status status = dv_file_shorten(m->stdout_path, OUTPUT_HEAD, OUTPUT_TAIL);
    if (status == DV_OK)
        status = dv_file_shorten(m->stderr_path, OUTPUT_HEAD, OUTPUT_TAIL);
    if (status == DV_OK)
        status = write_tables(&m->tables, m->record, &result.record_digest);
    if (status == DV_OK)
        status = dv_journal_done(&m->campaign->journal, m->run->index, &result);
    return status;
}

static void remove_scratch(const struct making *m, bool failed)
{
    enum dv_keep keep = m->campaign->experiment->keep;
    if (!m->scratch)
        return;
    if (keep == DV_KEEP_ALWAYS || (keep == DV_KEEP_FAILED && failed)) {
        dv_bench_say("run %zu: kept %s", m->run->index, m->scratch);
        return;
    }
    if (dv_file_remove_tree(m->scratch) != DV_OK)
        dv_bench_say("warning: %s could not be removed", m->scratch);
}

enum dv_status dv_record_run(struct dv_campaign *campaign, const struct dv_planned_run *run,
                             size_t session, struct dv_run_row *row)
{
    struct making m = {.campaign = campaign, .run = run, .cell = &campaign->plan->cells[run->cell]};
    bool failed = false;
    dv_tables_init(&m.tables);
    double load = dv_environment_load();
    enum dv_status status = dv_journal_start(&campaign->journal, run->index);
    if (status == DV_OK)
        status = prepare(&m);
    if (status == DV_OK)
        status = launch(&m);
    if (status == DV_OK && m.launched.interrupted)
        status = DV_ERR_ABORTED;
    if (status == DV_OK)
        status = collect(&m, session, load);
    if (status == DV_OK)
        status = commit(&m);
    if (status == DV_OK) {
        *row = *DV_ROW(&m.tables, DV_TABLE_RUNS, dv_run_row, 0);
        failed = row->outcome == DV_OUTCOME_FAILED;
    }
    remove_scratch(&m, failed);
    dv_tables_clear(&m.tables);
    dv_arena_free(&m.memory);
    return status;
}

/* A done run's directory may be there on purpose, or because the harness was killed before it
 * removed it. */
static bool is_kept(const struct dv_campaign *campaign, size_t index)
{
    enum dv_keep keep = campaign->experiment->keep;
    if (index >= campaign->journal.run_count || !campaign->journal.runs[index].done)
        return false;
    return keep == DV_KEEP_ALWAYS || (keep == DV_KEEP_FAILED && !campaign->journal.runs[index].ok);
}

static void remove_left_scratch(struct dv_campaign *campaign)
{
    struct dv_arena memory = {NULL};
    const char *prefix = scratch_prefix(campaign, &memory);
    DIR *directory = opendir(campaign->experiment->scratch);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (is_kept(campaign, strtoul(entry->d_name + strlen(prefix), NULL, 10)))
            continue;
        const char *path =
            dv_arena_printf(&memory, "%s/%s", campaign->experiment->scratch, entry->d_name);
        if (dv_file_remove_tree(path) != DV_OK)
            dv_bench_say("warning: %s, left by an interrupted run, could not be removed", path);
    }
    if (directory)
        closedir(directory);
    dv_arena_free(&memory);
}

void dv_record_clear_up(struct dv_campaign *campaign)
{
    char id[24];
    snprintf(id, sizeof id, "%016" PRIx64 ".", campaign->journal.id);
    size_t killed = dv_tree_kill_strays(id);
    if (killed > 0)
        dv_bench_say("killed %zu processes that an interrupted session had left", killed);
    /* What was killed may still write for a moment. */
    for (int i = 0; killed > 0 && i < 100; i++) {
        usleep(20000);
        killed = dv_tree_kill_strays(id);
    }
    remove_left_scratch(campaign);
}

enum dv_status dv_record_begin_session(struct dv_campaign *campaign, size_t *session)
{
    struct dv_tables tables;
    char path[PATH_MAX];
    uint64_t digest;
    dv_tables_init(&tables);
    dv_environment_collect(campaign->experiment, (int64_t)campaign->journal.sessions, &tables);
    if (campaign->filter) {
        struct dv_environment_row *row = DV_ADD(&tables, DV_TABLE_ENVIRONMENT, dv_environment_row);
        row->session = (int64_t)campaign->journal.sessions;
        DV_TEXT_SET(row->key, DV_ENVIRONMENT_FILTER);
        DV_TEXT_SET(row->value, campaign->filter);
    }
    dv_journal_session_path(&campaign->journal, campaign->journal.sessions, path, sizeof path);
    enum dv_status status = write_tables(&tables, path, &digest);
    if (status == DV_OK)
        status = dv_journal_begin_session(&campaign->journal, session);
    dv_tables_clear(&tables);
    return status;
}

#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/launch/launch.h"
#include "harness/plan/estimate.h"
#include "harness/record/environment.h"
#include "harness/record/store.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* dejavu and mpiexec must be there before anything is begun. */
static enum dv_status check_programs(const struct dv_experiment *e)
{
    char path[PATH_MAX], first[256] = "";
    snprintf(path, sizeof path, "%s/dejavu", e->bindir);
    if (access(path, X_OK) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM,
                             "no program %s; build it (make all) or set DEJAVU_BENCH_BINDIR", path);
    if (strchr(e->mpiexec, '\''))
        return dv_bench_fail(DV_ERR_USAGE, "mpiexec: quotes in %s", e->mpiexec);
    snprintf(path, sizeof path, "'%s' --version 2>&1 </dev/null", e->mpiexec);
    FILE *pipe = popen(path, "re");
    if (pipe && !fgets(first, sizeof first, pipe))
        first[0] = '\0';
    while (pipe && fgetc(pipe) != EOF)
        ; /* to its end, so that it does not die of a closed pipe */
    int ended = pipe ? pclose(pipe) : -1;
    first[strcspn(first, "\n")] = '\0';
    if (ended != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot run %s --version: %s; install mpich",
                             e->mpiexec, *first ? first : "no output");
    if (!strstr(first, "HYDRA"))
        return dv_bench_fail(DV_ERR_SYSTEM,
                             "%s is not MPICH's launcher (it says '%.60s'); set 'mpiexec'",
                             e->mpiexec, first);
    return DV_OK;
}

static double *measured_times(const struct dv_journal *journal)
{
    double *measured = dv_reallocate(NULL, journal->run_count, sizeof *measured);
    for (size_t i = 0; i < journal->run_count; i++)
        measured[i] = journal->runs[i].done ? journal->runs[i].wall_s : NAN;
    return measured;
}

static void time_left(const struct dv_campaign *c, char *text, size_t text_bytes)
{
    double *measured = measured_times(&c->journal);
    struct dv_estimate estimate =
        dv_estimate_rest(c->plan, measured, c->experiment->pause_s, dv_environment_processors());
    dv_estimate_text(estimate.seconds, text, text_bytes);
    free(measured);
}

static void show_running(const struct dv_campaign *c, const struct dv_planned_run *run)
{
    char line[512], left[48];
    time_left(c, left, sizeof left);
    snprintf(line, sizeof line, "[%zu/%zu] block %zu%s %s ... about %s left",
             c->journal.done_count + 1, c->plan->run_count, run->block,
             run->warmup ? " (warm-up)" : "", c->plan->cells[run->cell].label, left);
    dv_bench_progress(line);
}

/* Failures stay on the screen; good runs do only where there is no progress line. */
static void show_done(const struct dv_campaign *c, const struct dv_planned_run *run,
                      const struct dv_run_row *row)
{
    char left[48];
    const char *label = c->plan->cells[run->cell].label;
    time_left(c, left, sizeof left);
    if (row->outcome == DV_OUTCOME_FAILED)
        dv_bench_say("[%zu/%zu] run %zu failed: %s: %s", c->journal.done_count, c->plan->run_count,
                     run->index, label, row->reason);
    else if (!isatty(STDERR_FILENO))
        dv_bench_say("[%zu/%zu] block %zu%s %s: %.3f s, %ld epochs; about %s left",
                     c->journal.done_count, c->plan->run_count, run->block,
                     run->warmup ? " (warm-up)" : "", label, row->wall_s, row->epochs, left);
}

static enum dv_status make_runs(struct dv_campaign *c, size_t session)
{
    for (size_t i = 0; i < c->plan->run_count; i++) {
        const struct dv_planned_run *run = &c->plan->runs[i];
        struct dv_run_row row;
        if (c->journal.runs[i].done)
            continue;
        if (dv_launch_interrupted())
            return DV_ERR_ABORTED;
        show_running(c, run);
        dv_launch_pause(c->experiment->pause_s);
        enum dv_status status = dv_record_run(c, run, session, &row);
        if (status != DV_OK)
            return status;
        show_done(c, run, &row);
    }
    dv_bench_progress(NULL);
    return DV_OK;
}

/* The HDF5 file from all that is committed; `*failed`: runs that are failures, digests compared. */
static enum dv_status store(const struct dv_campaign *c, size_t *failed)
{
    struct dv_tables tables;
    char path[PATH_MAX];
    enum dv_status status = dv_record_load(c, &tables);
    if (status != DV_OK)
        return status;
    dv_store_path(c->experiment, path, sizeof path);
    status = dv_store_write(c, &tables, path);
    *failed = 0;
    for (size_t i = 0; i < tables.table[DV_TABLE_RUNS].count; i++)
        *failed += DV_ROW(&tables, DV_TABLE_RUNS, dv_run_row, i)->outcome == DV_OUTCOME_FAILED;
    dv_tables_clear(&tables);
    return status;
}

static enum dv_status finish(const struct dv_request *request, const struct dv_campaign *c,
                             enum dv_status status)
{
    size_t failed = 0;
    char path[PATH_MAX];
    enum dv_status stored = c->journal.done_count ? store(c, &failed) : DV_OK;
    dv_store_path(c->experiment, path, sizeof path);
    if (status != DV_OK) {
        dv_bench_say("%s; %zu of %zu runs are done; go on with: dejavu-bench %s",
                     status == DV_ERR_ABORTED ? "interrupted" : "stopped", c->journal.done_count,
                     c->plan->run_count, request->arguments);
        return status;
    }
    if (stored != DV_OK)
        return stored;
    dv_bench_say("%zu runs, %zu failed; %s; table: dejavu-bench report %s", c->plan->run_count,
                 failed, path, path);
    return failed ? DV_ERR_ABORTED : DV_OK;
}

static enum dv_status run_campaign(const struct dv_request *request, struct dv_campaign *c)
{
    size_t session, failed;
    dv_record_clear_up(c);
    if (c->journal.done_count == c->plan->run_count) {
        enum dv_status status = store(c, &failed);
        if (status != DV_OK)
            return status;
        dv_bench_say("all %zu runs are done already (%zu failed); nothing to do",
                     c->plan->run_count, failed);
        return DV_ERR_NOTHING;
    }
    if (c->journal.done_count > 0)
        dv_bench_say("going on: %zu of %zu runs are done", c->journal.done_count,
                     c->plan->run_count);
    enum dv_status status = dv_record_begin_session(c, &session);
    if (status == DV_OK)
        status = make_runs(c, session);
    return finish(request, c, status);
}

enum dv_status dv_command_run(const struct dv_request *request, FILE *out)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    struct dv_campaign campaign = {&experiment, &plan, {.fd = -1}};
    status = check_programs(&experiment);
    if (status == DV_OK)
        status = dv_launch_setup();
    if (status == DV_OK)
        status = dv_journal_open(&experiment, &plan, true, request->arguments, &campaign.journal);
    if (status == DV_OK) {
        status = run_campaign(request, &campaign);
        dv_journal_close(&campaign.journal);
    }
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return status;
}

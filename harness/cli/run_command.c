#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/launch/cache.h"
#include "harness/launch/launch.h"
#include "harness/launch/launcher.h"
#include "harness/plan/estimate.h"
#include "harness/plan/filter.h"
#include "harness/record/environment.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the runs need must be there before anything is begun. */
static enum dv_status check_host(const struct dv_experiment *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/dejavu", e->bindir);
    if (access(path, X_OK) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM,
                             "no program %s; build it (make all) or set DEJAVU_BENCH_BINDIR", path);
    enum dv_status status = dv_launcher_check(e);
    return status == DV_OK && e->cache == DV_CACHE_DROP ? dv_cache_check() : status;
}

/* What this session is about. */
struct session {
    const struct dv_request *request;
    struct dv_campaign *campaign;
    bool *chosen;        /* cells */
    size_t number, left; /* left: chosen runs that are not done */
};

static double *measured_times(const struct dv_journal *journal)
{
    double *measured = dv_reallocate(NULL, journal->run_count, sizeof *measured);
    for (size_t i = 0; i < journal->run_count; i++)
        measured[i] = journal->runs[i].done ? journal->runs[i].wall_s : NAN;
    return measured;
}

static struct dv_plan_estimate estimate_rest(const struct dv_campaign *c)
{
    double *measured = measured_times(&c->journal);
    struct dv_plan_estimate estimate = dv_estimate_rest(
        c->plan, measured, NULL, c->experiment->pause_s, dv_environment_processors());
    free(measured);
    return estimate;
}

static void time_left(const struct dv_campaign *c, char *text, size_t text_bytes)
{
    struct dv_plan_estimate estimate = estimate_rest(c);
    dv_estimate_text(&estimate, text, text_bytes);
}

static void show_running(const struct dv_campaign *c, const struct dv_planned_run *run)
{
    char line[512], left[64];
    time_left(c, left, sizeof left);
    snprintf(line, sizeof line, "[%zu/%zu] block %zu%s %s ... %s left", c->journal.done_count + 1,
             c->plan->run_count, run->block, run->warmup ? " (warm-up)" : "",
             c->plan->cells[run->cell].label, left);
    dv_bench_progress(line);
}

/* Failures stay on the screen; good runs do only where there is no progress line. */
static void show_done(const struct dv_campaign *c, const struct dv_planned_run *run,
                      const struct dv_run_row *row)
{
    char left[64];
    const char *label = c->plan->cells[run->cell].label;
    time_left(c, left, sizeof left);
    if (row->outcome == DV_OUTCOME_FAILED)
        dv_bench_say("[%zu/%zu] run %zu failed: %s: %s", c->journal.done_count, c->plan->run_count,
                     run->index, label, row->reason);
    else if (!isatty(STDERR_FILENO))
        dv_bench_say("[%zu/%zu] block %zu%s %s: %.3f s, %ld epochs; %s left", c->journal.done_count,
                     c->plan->run_count, run->block, run->warmup ? " (warm-up)" : "", label,
                     row->wall_s, row->epochs, left);
}

/* All that is committed; `*failed`: runs that are failures, digests compared. */
static enum dv_status publish(const struct session *s, bool with_file, size_t *failed)
{
    const struct dv_campaign *c = s->campaign;
    struct dv_tables tables;
    char path[PATH_MAX];
    enum dv_status status = dv_record_load(c, &tables);
    if (status != DV_OK)
        return status;
    dv_store_path(c->experiment, path, sizeof path);
    if (with_file)
        status = dv_store_write(c, &tables, path);
    if (status == DV_OK && s->request->metrics)
        status = dv_metrics_write(s->request->metrics, c, &tables, estimate_rest(c).seconds);
    *failed = 0;
    for (size_t i = 0; i < tables.table[DV_TABLE_RUNS].count; i++)
        *failed += DV_ROW(&tables, DV_TABLE_RUNS, dv_run_row, i)->outcome == DV_OUTCOME_FAILED;
    dv_tables_clear(&tables);
    return status;
}

static enum dv_status make_runs(struct session *s)
{
    struct dv_campaign *c = s->campaign;
    for (size_t i = 0; i < c->plan->run_count; i++) {
        const struct dv_planned_run *run = &c->plan->runs[i];
        struct dv_run_row row;
        size_t failed;
        if (c->journal.runs[i].done || !s->chosen[run->cell])
            continue;
        if (dv_launch_interrupted())
            return DV_ERR_ABORTED;
        show_running(c, run);
        dv_launch_pause(c->experiment->pause_s);
        enum dv_status status = dv_record_run(c, run, s->number, &row);
        if (status == DV_OK && s->request->metrics)
            status = publish(s, false, &failed);
        if (status != DV_OK)
            return status;
        s->left--;
        show_done(c, run, &row);
    }
    dv_bench_progress(NULL);
    return DV_OK;
}

static enum dv_status finish(const struct session *s, enum dv_status status)
{
    const struct dv_campaign *c = s->campaign;
    size_t failed = 0;
    char path[PATH_MAX];
    enum dv_status stored = c->journal.done_count ? publish(s, true, &failed) : DV_OK;
    dv_store_path(c->experiment, path, sizeof path);
    if (status != DV_OK) {
        dv_bench_say("%s; %zu of %zu runs are done; go on with: dejavu-bench %s",
                     status == DV_ERR_ABORTED ? "interrupted" : "stopped", c->journal.done_count,
                     c->plan->run_count, s->request->arguments);
        return status;
    }
    if (stored != DV_OK)
        return stored;
    size_t left_out = c->plan->run_count - c->journal.done_count;
    if (left_out)
        dv_bench_say("%zu of %zu runs are left out by --filter %s; see: dejavu-bench report %s",
                     left_out, c->plan->run_count, s->request->filter, path);
    dv_bench_say("%zu runs, %zu failed; %s; table: dejavu-bench report %s", c->journal.done_count,
                 failed, path, path);
    return failed ? DV_ERR_ABORTED : DV_OK;
}

static enum dv_status run_session(struct session *s)
{
    struct dv_campaign *c = s->campaign;
    size_t failed;
    dv_record_clear_up(c);
    for (size_t i = 0; i < c->plan->run_count; i++)
        s->left += !c->journal.runs[i].done && s->chosen[c->plan->runs[i].cell];
    if (s->left == 0) {
        enum dv_status status = publish(s, true, &failed);
        if (status != DV_OK)
            return status;
        dv_bench_say("all %zu runs are done already (%zu failed); nothing to do",
                     c->journal.done_count, failed);
        return DV_ERR_NOTHING;
    }
    if (c->journal.done_count > 0)
        dv_bench_say("going on: %zu of %zu runs are done", c->journal.done_count,
                     c->plan->run_count);
    enum dv_status status = dv_record_begin_session(c, &s->number);
    if (status == DV_OK)
        status = make_runs(s);
    return finish(s, status);
}

/* `--resume`: a misspelt output directory must not become a new campaign. */
static enum dv_status check_begun(const struct dv_experiment *e, const struct dv_plan *plan)
{
    struct dv_journal journal;
    enum dv_status status = dv_journal_open(e, plan, false, "", &journal);
    if (status == DV_OK)
        dv_journal_close(&journal);
    return status;
}

static enum dv_status run_plan(const struct dv_request *request,
                               const struct dv_experiment *experiment, const struct dv_plan *plan)
{
    struct dv_campaign campaign = {experiment, plan, {.fd = -1}, request->filter};
    struct session session = {.request = request, .campaign = &campaign};
    session.chosen = dv_reallocate(NULL, plan->cell_count, sizeof *session.chosen);
    enum dv_status status = dv_filter_choose(request->filter, experiment, plan, session.chosen);
    if (status == DV_OK && request->resume)
        status = check_begun(experiment, plan);
    if (status == DV_OK)
        status = check_host(experiment);
    if (status == DV_OK)
        status = dv_launch_setup();
    if (status == DV_OK)
        status = dv_journal_open(experiment, plan, true, request->arguments, &campaign.journal);
    if (status == DV_OK) {
        status = run_session(&session);
        dv_journal_close(&campaign.journal);
    }
    free(session.chosen);
    return status;
}

enum dv_status dv_command_run(const struct dv_request *request, FILE *out)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    status = run_plan(request, &experiment, &plan);
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return status;
}

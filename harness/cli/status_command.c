#include "harness/cli/commands.h"
#include "harness/plan/estimate.h"
#include "harness/record/environment.h"

#include <math.h>
#include <stdlib.h>

/* Cells that are not done in all blocks, or have failures. */
static void print_cells(const struct dv_plan *plan, const struct dv_tables *tables, FILE *out)
{
    size_t blocks = plan->run_count / plan->cell_count;
    fprintf(out, "\n%6s %6s %6s  %s\n", "ok", "failed", "left", "cell");
    for (size_t c = 0; c < plan->cell_count; c++) {
        size_t ok = 0, failed = 0;
        for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
            const struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
            if (plan->runs[row->run].cell != c)
                continue;
            ok += row->outcome == DV_OUTCOME_OK;
            failed += row->outcome == DV_OUTCOME_FAILED;
        }
        fprintf(out, "%6zu %6zu %6zu  %s\n", ok, failed, blocks - ok - failed,
                plan->cells[c].label);
    }
}

static void print_failures(const struct dv_campaign *c, const struct dv_tables *tables, FILE *out)
{
    const char *before = "\n";
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
        const struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
        if (row->outcome != DV_OUTCOME_FAILED)
            continue;
        fprintf(out, "%srun %ld failed: %s: %s\n", before, row->run,
                c->plan->cells[c->plan->runs[row->run].cell].label, row->reason);
        before = "";
    }
}

static struct dv_plan_estimate estimate_rest(const struct dv_campaign *c)
{
    double *measured = dv_reallocate(NULL, c->plan->run_count, sizeof *measured);
    for (size_t i = 0; i < c->plan->run_count; i++)
        measured[i] = c->journal.runs[i].done ? c->journal.runs[i].wall_s : NAN;
    struct dv_plan_estimate estimate = dv_estimate_rest(
        c->plan, measured, NULL, c->experiment->pause_s, dv_environment_processors());
    free(measured);
    return estimate;
}

/* The counts go to both forms. */
static enum dv_status print_status(const struct dv_request *request, const struct dv_campaign *c,
                                   const struct dv_tables *tables, FILE *out)
{
    size_t failed = 0;
    char left[64], counts[256];
    struct dv_plan_estimate estimate = estimate_rest(c);
    dv_estimate_text(&estimate, left, sizeof left);
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++)
        failed += DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i)->outcome == DV_OUTCOME_FAILED;
    snprintf(counts, sizeof counts, "%zu planned, %zu ok, %zu failed, %zu left (%s)",
             c->plan->run_count, c->journal.done_count - failed, failed,
             c->plan->run_count - c->journal.done_count, left);
    if (request->summary) {
        fprintf(out, "%s: %s\n", c->experiment->name, counts);
    } else {
        fprintf(out, "campaign  %s in %s\n", c->experiment->name, c->experiment->output);
        fprintf(out, "runs      %s\nsessions  %zu\n", counts, c->journal.sessions);
        print_cells(c->plan, tables, out);
        print_failures(c, tables, out);
    }
    return request->metrics ? dv_metrics_write(request->metrics, c, tables, estimate.seconds)
                            : DV_OK;
}

enum dv_status dv_command_status(const struct dv_request *request, FILE *out)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    struct dv_tables tables;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    struct dv_campaign campaign = {&experiment, &plan, {.fd = -1}, NULL};
    status = dv_journal_open(&experiment, &plan, false, "", &campaign.journal);
    if (status == DV_OK) {
        status = dv_record_load(&campaign, &tables);
        if (status == DV_OK) {
            status = print_status(request, &campaign, &tables, out);
            dv_tables_clear(&tables);
        }
        dv_journal_close(&campaign.journal);
    }
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return status;
}

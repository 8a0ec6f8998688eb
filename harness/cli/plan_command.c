#include "analysis/stats/stats.h"
#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/plan/estimate.h"
#include "harness/plan/filter.h"
#include "harness/record/environment.h"
#include "harness/record/file.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void dv_command_keys(FILE *out)
{
    struct dv_key_text key;
    for (size_t i = 0; dv_experiment_key(i, &key); i++)
        fprintf(out, "%s (%s)\n    %s\n    default: %s\n", key.name, key.unit, key.help,
                key.default_value);
}

/* ---- earlier results ----------------------------------------------------- */

static bool is_of_cell(const struct dv_run_row *row, const struct dv_cell *cell)
{
    bool same_interval =
        row->interval_s == cell->interval_s || (isnan(row->interval_s) && isnan(cell->interval_s));
    return row->outcome == DV_OUTCOME_OK && same_interval && row->ranks == cell->ranks &&
           strcmp(row->application, cell->app->name) == 0 &&
           strcmp(row->class_name, cell->class_name) == 0 &&
           strcmp(row->strategy, cell->strategy->label) == 0 &&
           strcmp(row->fault, cell->fault->label) == 0;
}

/* The largest epoch of a run, all ranks; NaN: no checkpoints. */
static double image_bytes(const struct dv_tables *tables, int64_t run)
{
    double largest = NAN, sum = 0;
    const struct dv_epoch_row *last = NULL;
    for (size_t i = 0; i < tables->table[DV_TABLE_EPOCHS].count; i++) {
        const struct dv_epoch_row *row = DV_ROW(tables, DV_TABLE_EPOCHS, dv_epoch_row, i);
        if (row->run != run || row->file_bytes < 0)
            continue;
        sum = last && last->epoch == row->epoch ? sum + (double)row->file_bytes
                                                : (double)row->file_bytes;
        largest = fmax(largest, sum); /* fmax leaves a NaN out */
        last = row;
    }
    return largest;
}

static void take_prior(const struct dv_plan *plan, const struct dv_tables *tables,
                       struct dv_prior *prior)
{
    size_t runs = tables->table[DV_TABLE_RUNS].count;
    double *sample = dv_reallocate(NULL, runs + 1, sizeof *sample);
    for (size_t c = 0; c < plan->cell_count; c++) {
        size_t count = 0;
        for (size_t i = 0; i < runs; i++) {
            const struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
            if (!is_of_cell(row, &plan->cells[c]))
                continue;
            sample[count++] = row->wall_s;
            prior[c].image_bytes = fmax(prior[c].image_bytes, image_bytes(tables, row->run));
        }
        if (count)
            prior[c].wall_s = dv_stats_median(sample, count);
    }
    free(sample);
}

/* What is known of the cells, the campaign's own HDF5 file last, because it counts most. */
static enum dv_status load_prior(const struct dv_request *request, const struct dv_experiment *e,
                                 const struct dv_plan *plan, struct dv_prior *prior)
{
    char own[PATH_MAX];
    struct dv_tables tables;
    struct dv_store_info info;
    enum dv_status status = DV_OK;
    for (size_t c = 0; c < plan->cell_count; c++)
        prior[c] = (struct dv_prior){NAN, NAN};
    dv_store_path(e, own, sizeof own);
    for (size_t i = 0; status == DV_OK && request->results[i]; i++) {
        status = dv_store_read(request->results[i], &tables, &info);
        if (status != DV_OK)
            break;
        take_prior(plan, &tables, prior);
        dv_tables_clear(&tables);
    }
    if (status == DV_OK && dv_file_exists(own) && dv_store_read(own, &tables, &info) == DV_OK) {
        take_prior(plan, &tables, prior);
        dv_tables_clear(&tables);
    }
    return status;
}

/* ---- printing ------------------------------------------------------------ */

static void print_estimate(const struct dv_experiment *e, const struct dv_plan *plan,
                           const struct dv_prior *prior, FILE *out)
{
    struct dv_plan_estimate estimate =
        dv_estimate_rest(plan, NULL, prior, e->pause_s, dv_environment_processors());
    char time[64];
    size_t known = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        known += isnan(prior[i].wall_s) ? 0 : 1;
    dv_estimate_text(&estimate, time, sizeof time);
    fprintf(out, "time      %s (%zu of %zu cells from earlier results", time, known,
            plan->cell_count);
    if (estimate.unknown_runs)
        fprintf(out, "; nothing is known of %zu runs: --results FILE.h5 may tell",
                estimate.unknown_runs);
    fprintf(out, "%s)\n",
            known + estimate.unknown_runs < plan->cell_count ? "; rough figures" : "");
    fprintf(out, "disk      about %.1f MiB in %s, and %.0f MiB at a time in %s\n",
            estimate.output_bytes / 0x1p20, e->output, estimate.scratch_bytes / 0x1p20, e->scratch);
}

static void print_notes(const struct dv_experiment *e, const struct dv_plan *plan, FILE *out)
{
    int64_t processors = dv_environment_processors();
    size_t crowded = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        crowded += plan->cells[i].ranks > processors;
    if (crowded)
        fprintf(out, "note      %zu cells have more ranks than the %" PRId64 " processors here\n",
                crowded, processors);
    if (e->repetitions < 6)
        fprintf(out,
                "note      %" PRId64
                " repetitions are too few for a 95 %% interval; 6 are the least\n",
                e->repetitions);
    for (size_t i = 0; i < plan->left_out_count; i++)
        fprintf(out, "left out  %s: %s\n", plan->left_out[i].cell, plan->left_out[i].reason);
}

static void print_plan(const struct dv_request *request, const struct dv_experiment *e,
                       const struct dv_plan *plan, const struct dv_prior *prior, const bool *chosen,
                       FILE *out)
{
    fprintf(out, "campaign  %s%s%s\n", e->name, *e->description ? ": " : "", e->description);
    fprintf(out, "output    %s\n", e->output);
    fprintf(out, "seed      %" PRId64 "\n", e->seed);
    fprintf(out,
            "runs      %zu: %" PRId64 " warm-up and %" PRId64 " measured blocks of %zu cells\n",
            plan->run_count, e->warmup, e->repetitions, plan->cell_count);
    print_estimate(e, plan, prior, out);
    print_notes(e, plan, out);
    for (size_t c = 0; c < plan->cell_count; c++) {
        if (!chosen[c])
            fprintf(out, "left out  %s: by --filter %s\n", plan->cells[c].label, request->filter);
    }
    fprintf(out, "\n%6s %6s  %s\n", "run", "block", "cell");
    for (size_t i = 0; i < plan->run_count; i++) {
        if (chosen[plan->runs[i].cell])
            fprintf(out, "%6zu %5zu%s  %s\n", i, plan->runs[i].block,
                    plan->runs[i].warmup ? "w" : " ", plan->cells[plan->runs[i].cell].label);
    }
}

enum dv_status dv_command_plan(const struct dv_request *request, FILE *out)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    bool *chosen = dv_reallocate(NULL, plan.cell_count, sizeof *chosen);
    struct dv_prior *prior = dv_reallocate(NULL, plan.cell_count, sizeof *prior);
    status = dv_filter_choose(request->filter, &experiment, &plan, chosen);
    if (status == DV_OK)
        status = load_prior(request, &experiment, &plan, prior);
    if (status == DV_OK)
        print_plan(request, &experiment, &plan, prior, chosen, out);
    free(prior);
    free(chosen);
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return status;
}

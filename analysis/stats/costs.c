/* Measured costs, and the table of optimum intervals made from them. */
#include "analysis/stats/costs.h"

#include "analysis/stats/analyse.h"
#include "analysis/stats/model.h"
#include "analysis/stats/optimum.h"
#include "analysis/stats/stats.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void dv_sample_add(struct dv_sample *sample, double value)
{
    sample->value = dv_reallocate(sample->value, sample->count + 1, sizeof *sample->value);
    sample->value[sample->count++] = value;
}

static double median_stall(const struct dv_study *study, size_t cell)
{
    struct dv_sample stalls = {0};
    for (size_t i = 0; i < study->epoch_count; i++) {
        if (study->epochs[i].cell == cell && !isnan(study->epochs[i].stall_s))
            dv_sample_add(&stalls, study->epochs[i].stall_s);
    }
    double median = dv_stats_median(stalls.value, stalls.count);
    free(stalls.value);
    return median;
}

static double median_extra(const struct dv_study_cell *cell, const struct dv_study_cell *base)
{
    struct dv_sample extra = {0};
    for (size_t i = 0; base && i < cell->run_count; i++) {
        const struct dv_run_row *run = cell->runs[i],
                                *other = dv_study_cell_run_in_block(base, run->block);
        if (other && run->epochs > 0)
            dv_sample_add(&extra, (run->wall_s - other->wall_s) / (double)run->epochs);
    }
    double median = dv_stats_median(extra.value, extra.count);
    free(extra.value);
    return median;
}

double dv_study_cell_checkpoint_cost(const struct dv_study *study, size_t cell,
                                     enum dv_cost_source *source)
{
    const struct dv_study_cell *base = dv_study_cost_base(study, &study->cells[cell]);
    double stall_s = median_stall(study, cell), extra_s = median_extra(&study->cells[cell], base);
    *source = extra_s > stall_s ? DV_COST_RUNTIME : DV_COST_STALL;
    return *source == DV_COST_RUNTIME ? extra_s : stall_s;
}

static bool same_work(const struct dv_study_cell *a, const struct dv_study_cell *b)
{
    return a->key.ranks == b->key.ranks && strcmp(a->key.application, b->key.application) == 0 &&
           strcmp(a->key.class_name, b->key.class_name) == 0;
}

static void add_recoveries(const struct dv_study *study, const struct dv_study_cell *cell,
                           struct dv_sample *sample)
{
    const struct dv_table *faults = &study->campaigns[cell->campaign].table[DV_TABLE_FAULTS];
    for (size_t i = 0; i < faults->count; i++) {
        const struct dv_fault_row *fault = dv_table_row(faults, i);
        if (!isnan(fault->recovered_s) && dv_study_cell_has_run(cell, fault->run))
            dv_sample_add(sample, fault->recovered_s);
    }
}

void dv_study_cell_recoveries(const struct dv_study *study, const struct dv_study_cell *cell,
                              struct dv_sample *sample)
{
    *sample = (struct dv_sample){0};
    for (int any = 0; any <= 1 && sample->count == 0; any++) {
        for (size_t i = 0; i < study->cell_count; i++) {
            const struct dv_study_cell *other = &study->cells[i];
            if (strcmp(other->key.strategy, cell->key.strategy) == 0 &&
                (any || same_work(other, cell)))
                add_recoveries(study, other, sample);
        }
    }
}

static bool passes(const struct dv_cost_filter *filter, const struct dv_study_cell *cell)
{
    const struct dv_cell_key *key = &cell->key;
    return (!filter->strategy || strcmp(filter->strategy, key->strategy) == 0) &&
           (!filter->application || strcmp(filter->application, key->application) == 0) &&
           (!filter->class_name || strcmp(filter->class_name, key->class_name) == 0) &&
           (!filter->ranks || filter->ranks == key->ranks) &&
           (isnan(filter->interval_s) || filter->interval_s == key->interval_s) &&
           (filter->campaign == SIZE_MAX || filter->campaign == cell->campaign);
}

/* How far the median stall falls short of what a checkpoint costs in the same cell without faults. */
static double drag_of(const struct dv_study *study, const struct dv_study_cell *cell)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *twin = &study->cells[i];
        enum dv_cost_source source;
        if (twin->campaign != cell->campaign || dv_study_cell_has_faults(twin) ||
            twin->key.interval_s != cell->key.interval_s || !same_work(twin, cell) ||
            strcmp(twin->key.strategy, cell->key.strategy) != 0)
            continue;
        double cost_s = dv_study_cell_checkpoint_cost(study, i, &source);
        return source == DV_COST_RUNTIME ? cost_s - median_stall(study, i) : 0;
    }
    return 0;
}

static double slope_of(const struct dv_study *study, const char *strategy,
                       enum dv_component component)
{
    struct dv_line line;
    bool fitted = dv_model_line(study, strategy, component, NULL, &line);
    return fitted && line.b.value > 0 ? line.b.value : 0;
}

static void add_epochs(const struct dv_study *study, size_t cell, struct dv_strategy_costs *costs)
{
    double drag_s = drag_of(study, &study->cells[cell]);
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *e = &study->epochs[i];
        if (e->cell != cell || !(e->stall_s >= 0) || !(e->commit_s >= 0) ||
            !(e->populated_bytes > 0) || !(e->file_bytes >= 0))
            continue;
        costs->epochs = dv_reallocate(costs->epochs, costs->epoch_count + 1, sizeof *costs->epochs);
        costs->epochs[costs->epoch_count++] = (struct dv_cost_epoch){
            .stall_s = e->stall_s,
            .commit_s = e->commit_s,
            .drag_s = drag_s,
            .populated_bytes = e->populated_bytes,
            .data_bytes = e->data_bytes,
            .file_bytes = e->file_bytes,
        };
    }
}

void dv_strategy_costs_collect(const struct dv_study *study, const struct dv_cost_filter *filter,
                               struct dv_strategy_costs *costs)
{
    *costs = (struct dv_strategy_costs){0};
    DV_TEXT_SET(costs->strategy, filter->strategy);
    costs->stall_slope = slope_of(study, filter->strategy, DV_COMPONENT_STALL);
    costs->commit_slope = slope_of(study, filter->strategy, DV_COMPONENT_COMMIT);
    costs->drag_slope =
        fmax(slope_of(study, filter->strategy, DV_COMPONENT_RUNTIME) - costs->stall_slope, 0);
    for (size_t i = 0; i < study->cell_count; i++) {
        if (!passes(filter, &study->cells[i]))
            continue;
        add_epochs(study, i, costs);
        add_recoveries(study, &study->cells[i], &costs->recoveries);
    }
}

void dv_strategy_costs_free(struct dv_strategy_costs *costs)
{
    free(costs->epochs);
    free(costs->recoveries.value);
    *costs = (struct dv_strategy_costs){0};
}

static void add_optimum(const struct dv_study_cell *cell, double mtbf_s, double cost_s,
                        enum dv_cost_source source, double restart_s, struct dv_results *results)
{
    struct dv_optimum_row *row = DV_RESULT_ADD(results, DV_RESULT_OPTIMUM, dv_optimum_row);
    double restart = isnan(restart_s) ? 0 : restart_s;
    row->cell = cell->key;
    row->mtbf_s = mtbf_s;
    row->cost_s = cost_s;
    row->cost_source = (int32_t)source;
    row->restart_s = restart_s;
    row->young_s = dv_interval_young(cost_s, mtbf_s);
    row->daly_s = dv_interval_daly(cost_s, mtbf_s);
    row->exact_s = dv_interval_exact(cost_s, mtbf_s);
    row->efficiency = dv_interval_efficiency(row->exact_s, cost_s, restart, mtbf_s);
    row->young_efficiency = dv_interval_efficiency(row->young_s, cost_s, restart, mtbf_s);
}

void dv_analyse_optimum(const struct dv_study *study, const struct dv_analysis_options *options,
                        struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *cell = &study->cells[i];
        enum dv_cost_source source;
        double cost_s = dv_study_cell_checkpoint_cost(study, i, &source);
        if (cell->kind != DV_STRATEGY_CHECKPOINT || dv_study_cell_has_faults(cell) || isnan(cost_s))
            continue;
        struct dv_sample recoveries;
        dv_study_cell_recoveries(study, cell, &recoveries);
        double restart_s = dv_stats_median(recoveries.value, recoveries.count);
        free(recoveries.value);
        for (size_t m = 0; m < options->mtbfs_s.count; m++)
            add_optimum(cell, options->mtbfs_s.value[m], cost_s, source, restart_s, results);
    }
}

/* The campaigns' own runs with faults, simulated from what was measured without them. */
#include "analysis/stats/commands.h"
#include "analysis/stats/costs.h"
#include "analysis/stats/paired.h"
#include "analysis/stats/stats.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLICATIONS 2000

/* When the processes of one run were to be killed; ascending. */
struct moments {
    double *at_s;
    size_t count;
};

/* What one cell's runs are predicted from. */
struct basis {
    struct dv_sample work; /* s, of runs without faults and without what checkpoints cost */
    double setup_s;        /* from a run's start until all ranks run */
    struct moments *plans; /* of the cell's runs */
    size_t plan_count;
    struct dv_strategy_costs costs;
    struct dv_sim_epoch *epochs;
};

static void basis_free(struct basis *basis)
{
    for (size_t i = 0; i < basis->plan_count; i++)
        free(basis->plans[i].at_s);
    free(basis->plans);
    free(basis->epochs);
    free(basis->work.value);
    dv_strategy_costs_free(&basis->costs);
}

/* "running incarnation=0": the median of a cell's runs; NaN: not recorded. */
static double median_setup(const struct dv_study *study, const struct dv_study_cell *cell)
{
    const struct dv_table *events = &study->campaigns[cell->campaign].table[DV_TABLE_EVENTS];
    struct dv_sample sample = {0};
    for (size_t i = 0; i < events->count; i++) {
        const struct dv_event_row *event = dv_table_row(events, i);
        int64_t incarnation = -1;
        const char *field = strstr(event->fields, "incarnation=");
        if (strcmp(event->event, "running") != 0 || !field ||
            sscanf(field, "incarnation=%" SCNd64, &incarnation) != 1 || incarnation != 0 ||
            isnan(event->at_s) || !dv_study_cell_has_run(cell, event->run))
            continue;
        dv_sample_add(&sample, event->at_s);
    }
    double median = dv_stats_median(sample.value, sample.count);
    free(sample.value);
    return median;
}

/* The same strategy and interval, without faults. */
static const struct dv_study_cell *calm_twin(const struct dv_study *study,
                                             const struct dv_study_cell *cell, size_t *index)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *twin = &study->cells[i];
        *index = i;
        if (twin->campaign == cell->campaign && twin->run_count > 0 &&
            !dv_study_cell_has_faults(twin) && twin->key.ranks == cell->key.ranks &&
            twin->key.interval_s == cell->key.interval_s &&
            strcmp(twin->key.strategy, cell->key.strategy) == 0 &&
            strcmp(twin->key.application, cell->key.application) == 0 &&
            strcmp(twin->key.class_name, cell->key.class_name) == 0)
            return twin;
    }
    return NULL;
}

static double stalls_of(const struct dv_study *study, size_t cell, int64_t run)
{
    double sum = 0;
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *epoch = &study->epochs[i];
        if (epoch->cell == cell && epoch->run == run && epoch->stall_s > 0)
            sum += epoch->stall_s;
    }
    return sum;
}

/* Work of a run from its setup to its end: of idle runs; else of runs with checkpoints, less their
 * stalls; else of native ones, whose setup is another. */
static const char *find_work(const struct dv_study *study, const struct dv_study_cell *cell,
                             struct basis *basis)
{
    size_t index = 0;
    const struct dv_study_cell *idle = dv_study_base(study, cell, DV_STRATEGY_IDLE);
    const struct dv_study_cell *twin = calm_twin(study, cell, &index);
    const struct dv_study_cell *native = dv_study_base(study, cell, DV_STRATEGY_NATIVE);
    const struct dv_study_cell *from = idle ? idle : twin ? twin : native;
    basis->setup_s = median_setup(study, cell);
    if (isnan(basis->setup_s))
        return "when its runs began to compute was not recorded";
    for (size_t i = 0; from && i < from->run_count; i++) {
        double work_s = from->runs[i]->wall_s;
        if (from != native)
            work_s -= basis->setup_s;
        if (from == twin)
            work_s -= stalls_of(study, index, from->runs[i]->run);
        dv_sample_add(&basis->work, work_s);
    }
    return basis->work.count ? NULL : "no good runs without faults to predict from";
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void add_moment(struct moments *moments, double at_s)
{
    moments->at_s = dv_reallocate(moments->at_s, moments->count + 1, sizeof *moments->at_s);
    moments->at_s[moments->count++] = at_s;
}

static const char *find_plans(const struct dv_study *study, const struct dv_study_cell *cell,
                              struct basis *basis)
{
    const struct dv_table *faults = &study->campaigns[cell->campaign].table[DV_TABLE_FAULTS];
    basis->plan_count = cell->run_count;
    basis->plans = dv_reallocate(NULL, cell->run_count + 1, sizeof *basis->plans);
    memset(basis->plans, 0, (cell->run_count + 1) * sizeof *basis->plans);
    for (size_t i = 0; i < cell->run_count; i++) {
        struct moments *plan = &basis->plans[i];
        for (size_t j = 0; j < faults->count; j++) {
            const struct dv_fault_row *fault = dv_table_row(faults, j);
            if (fault->run != cell->runs[i]->run)
                continue;
            if (isnan(fault->planned_s))
                return "its faults follow epochs, not moments";
            add_moment(plan, fault->planned_s);
        }
        if (plan->count)
            qsort(plan->at_s, plan->count, sizeof *plan->at_s, ascending);
    }
    return NULL;
}

static const char *find_costs(const struct dv_study *study, const struct dv_study_cell *cell,
                              struct basis *basis)
{
    const struct dv_cost_filter filter = {
        .strategy = cell->key.strategy,
        .application = cell->key.application,
        .class_name = cell->key.class_name,
        .ranks = cell->key.ranks,
        .interval_s = cell->key.interval_s,
        .campaign = cell->campaign,
    };
    dv_strategy_costs_collect(study, &filter, &basis->costs);
    size_t count = basis->costs.epoch_count;
    basis->epochs = dv_reallocate(NULL, count + 1, sizeof *basis->epochs);
    for (size_t i = 0; i < count; i++) {
        const struct dv_cost_epoch *epoch = &basis->costs.epochs[i];
        basis->epochs[i] = (struct dv_sim_epoch){
            .stall_s = epoch->stall_s,
            .drag_s = epoch->drag_s,
            .commit_s = {epoch->commit_s},
        };
    }
    if (count == 0)
        return "no committed epoch was measured";
    return basis->costs.recoveries.count ? NULL : "no recovery was measured";
}

/* Simulated running times; returns the mean number of failures. */
static double simulate(const struct dv_study_cell *cell, const struct basis *basis, uint64_t seed,
                       double *times, size_t count)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    double failures_sum = 0;
    struct dv_sim_job job = {
        .setup_s = basis->setup_s,
        .interval_s = cell->key.interval_s,
        .rollback = DV_ROLLBACK_COORDINATED,
        .levels = {{.every = 1}},
        .level_count = 1,
        .epochs = basis->epochs,
        .epoch_count = basis->costs.epoch_count,
        .recoveries = basis->costs.recoveries.value,
        .recovery_count = basis->costs.recoveries.count,
    };
    for (size_t i = 0; i < count; i++) {
        struct dv_failures failures;
        struct dv_sim_outcome outcome;
        gsl_rng_set(rng, dv_sim_seed(seed, i, 0));
        const struct moments *plan = &basis->plans[gsl_rng_uniform_int(rng, basis->plan_count)];
        job.work_s = basis->work.value[gsl_rng_uniform_int(rng, basis->work.count)];
        job.limit_s = DV_SIM_PATIENCE * job.work_s;
        dv_failures_replay(&failures, plan->at_s, plan->count);
        dv_sim_run(&job, &failures, rng, &outcome);
        dv_failures_end(&failures);
        times[i] = outcome.time_s;
        failures_sum += (double)outcome.failures;
    }
    gsl_rng_free(rng);
    return failures_sum / (double)count;
}

static double mean_injected(const struct dv_study *study, const struct dv_study_cell *cell)
{
    const struct dv_table *faults = &study->campaigns[cell->campaign].table[DV_TABLE_FAULTS];
    double injected = 0;
    for (size_t i = 0; i < faults->count; i++) {
        const struct dv_fault_row *fault = dv_table_row(faults, i);
        if (fault->injected && dv_study_cell_has_run(cell, fault->run))
            injected++;
    }
    return injected / (double)cell->run_count;
}

static void add_row(const struct dv_stats_request *request, const struct dv_study *study,
                    const struct dv_study_cell *cell, const struct basis *basis,
                    struct dv_results *results)
{
    size_t count = request->simulation.replications;
    count = count ? count : REPLICATIONS;
    double confidence = request->analysis.confidence;
    double *times = dv_reallocate(NULL, count + cell->run_count, sizeof *times);
    struct dv_validation_row *row = DV_RESULT_ADD(results, DV_RESULT_VALIDATION, dv_validation_row);
    row->cell = cell->key;
    DV_TEXT_SET(row->fault, cell->fault);
    for (size_t i = 0; i < cell->run_count; i++)
        times[i] = cell->runs[i]->wall_s;
    struct dv_estimate measured = dv_stats_median_estimate(times, cell->run_count, confidence);
    row->predicted_faults = simulate(cell, basis, request->analysis.seed, times, count);
    struct dv_estimate predicted = dv_stats_median_estimate(times, count, confidence);
    row->measured_s = measured.value;
    row->measured_low_s = measured.low;
    row->measured_high_s = measured.high;
    row->predicted_s = predicted.value;
    row->predicted_low_s = predicted.low;
    row->predicted_high_s = predicted.high;
    row->within =
        row->measured_low_s <= row->predicted_s && row->predicted_s <= row->measured_high_s;
    row->measured_faults = mean_injected(study, cell);
    row->n = (int64_t)cell->run_count;
    row->replications = (int64_t)count;
    row->seed = (int64_t)request->analysis.seed;
    free(times);
}

static void validate_cell(const struct dv_stats_request *request, const struct dv_study *study,
                          const struct dv_study_cell *cell, struct dv_results *results)
{
    static const char *(*const finders[])(const struct dv_study *, const struct dv_study_cell *,
                                          struct basis *) = {find_work, find_plans, find_costs};
    char label[sizeof(struct dv_cell_key) + 64], what[sizeof label + 16];
    struct basis basis = {0};
    const char *missing = NULL;
    for (size_t i = 0; !missing && i < sizeof finders / sizeof finders[0]; i++)
        missing = finders[i](study, cell, &basis);
    if (missing) {
        dv_study_cell_label(cell, label, sizeof label);
        snprintf(what, sizeof what, "validation: %s", label);
        dv_results_leave_out(results, what, missing, (int64_t)cell->run_count);
    } else {
        add_row(request, study, cell, &basis, results);
    }
    basis_free(&basis);
}

void dv_validate(const struct dv_stats_request *request, const struct dv_study *study,
                 struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *cell = &study->cells[i];
        if (dv_study_cell_has_faults(cell) && cell->run_count > 0)
            validate_cell(request, study, cell, results);
    }
}

enum dv_status dv_command_validate(const struct dv_stats_request *request)
{
    struct dv_study study;
    struct dv_results results;
    enum dv_status status = dv_request_open(request, &study, &results);
    if (status == DV_OK) {
        dv_table_clear(&results.table[DV_RESULT_VALIDATION]);
        dv_results_forget(&results, "validation: ");
        dv_validate(request, &study, &results);
        status = dv_results_write(&results, request->directory);
    }
    dv_results_clear(&results);
    dv_study_close(&study);
    return status;
}

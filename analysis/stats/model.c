/* What costs depend on: lines through the epochs, restarts and runs of each strategy. */
#include "analysis/stats/model.h"

#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct points {
    struct dv_point *point;
    size_t count;
};

/* Runs of different campaigns are different clusters. */
static int64_t cluster_of(const struct dv_study_cell *cell, int64_t run)
{
    return (int64_t)cell->campaign << 40 | run;
}

static void add_point(struct points *points, double x, double y, int64_t cluster)
{
    if (isnan(x) || isnan(y))
        return;
    points->point = dv_reallocate(points->point, points->count + 1, sizeof *points->point);
    points->point[points->count++] = (struct dv_point){x, y, cluster};
}

static bool is_of(const struct dv_study *study, size_t cell, const char *strategy)
{
    return strcmp(study->cells[cell].key.strategy, strategy) == 0;
}

static void take_epochs(const struct dv_study *study, const char *strategy,
                        enum dv_component component, struct points *points)
{
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *e = &study->epochs[i];
        if (!is_of(study, e->cell, strategy))
            continue;
        int64_t cluster = cluster_of(&study->cells[e->cell], e->run);
        if (component == DV_COMPONENT_STALL)
            add_point(points, e->data_bytes, e->stall_s, cluster);
        else if (component == DV_COMPONENT_WRITE)
            add_point(points, e->file_bytes, e->write_s, cluster);
        else
            add_point(points, e->file_bytes, e->commit_s, cluster);
    }
}

static void take_restarts(const struct dv_study *study, const char *strategy, struct points *points)
{
    for (size_t i = 0; i < study->restart_count; i++) {
        const struct dv_restart_sum *r = &study->restarts[i];
        if (is_of(study, r->cell, strategy))
            add_point(points, r->loaded_bytes, r->restore_s,
                      cluster_of(&study->cells[r->cell], r->run));
    }
}

static double bytes_of_run(const struct dv_study *study, size_t cell, int64_t run)
{
    double bytes = 0;
    for (size_t i = 0; i < study->epoch_count; i++) {
        if (study->epochs[i].cell == cell && study->epochs[i].run == run)
            bytes += study->epochs[i].file_bytes;
    }
    return bytes;
}

static void take_runs(const struct dv_study *study, const char *strategy, struct points *points)
{
    for (size_t c = 0; c < study->cell_count; c++) {
        const struct dv_study_cell *cell = &study->cells[c],
                                   *base = dv_study_cost_base(study, cell);
        if (!base || !is_of(study, c, strategy) || dv_study_cell_has_faults(cell))
            continue;
        for (size_t i = 0; i < cell->run_count; i++) {
            const struct dv_run_row *run = cell->runs[i],
                                    *other = dv_study_cell_run_in_block(base, run->block);
            if (other)
                add_point(points, bytes_of_run(study, c, run->run), run->wall_s - other->wall_s,
                          cluster_of(cell, run->run));
        }
    }
}

static void add_term(const char *strategy, enum dv_component component, bool slope,
                     const struct dv_line *line, uint64_t seed, struct dv_results *results)
{
    const struct dv_estimate *estimate = slope ? &line->b : &line->a;
    struct dv_model_row *row = DV_RESULT_ADD(results, DV_RESULT_MODEL, dv_model_row);
    DV_TEXT_SET(row->strategy, strategy);
    row->component = (int32_t)component;
    DV_TEXT_SET(row->term, slope ? "b" : "a");
    DV_TEXT_SET(row->unit, slope ? "s/B" : "s");
    row->estimate = estimate->value;
    row->low = estimate->low;
    row->high = estimate->high;
    row->n = (int64_t)line->points;
    row->runs = (int64_t)line->clusters;
    row->residual_median = line->residual_median;
    row->seed = (int64_t)seed;
}

static struct points take_points(const struct dv_study *study, const char *strategy,
                                 enum dv_component component)
{
    struct points points = {0};
    if (component == DV_COMPONENT_RESTART)
        take_restarts(study, strategy, &points);
    else if (component == DV_COMPONENT_RUNTIME)
        take_runs(study, strategy, &points);
    else
        take_epochs(study, strategy, component, &points);
    return points;
}

bool dv_model_line(const struct dv_study *study, const char *strategy, enum dv_component component,
                   const struct dv_analysis_options *options, struct dv_line *line)
{
    struct points points = take_points(study, strategy, component);
    bool fitted = options ? dv_fit_line(points.point, points.count, options->confidence,
                                        options->resamples, options->seed, line)
                          : dv_fit_line(points.point, points.count, 0, 0, 0, line);
    free(points.point);
    return fitted;
}

static void add_model(const struct dv_study *study, const char *strategy,
                      enum dv_component component, const struct dv_analysis_options *options,
                      struct dv_results *results)
{
    struct dv_line line;
    char what[160];
    snprintf(what, sizeof what, "model: %s of %s", dv_component_words[component], strategy);
    if (!dv_model_line(study, strategy, component, options, &line)) {
        dv_results_leave_out(results, what, "fewer than 3 points to fit", 1);
        return;
    }
    add_term(strategy, component, false, &line, options->seed, results);
    add_term(strategy, component, true, &line, options->seed, results);
    if (isnan(line.b.value))
        dv_results_leave_out(results, what, "the bytes hardly vary: no slope can be seen", 1);
}

void dv_analyse_models(const struct dv_study *study, const struct dv_analysis_options *options,
                       struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *cell = &study->cells[i];
        bool first = cell->kind == DV_STRATEGY_CHECKPOINT;
        for (size_t j = 0; j < i; j++)
            first = first && !is_of(study, j, cell->key.strategy);
        for (int component = 0; first && component < DV_COMPONENTS; component++)
            add_model(study, cell->key.strategy, (enum dv_component)component, options, results);
    }
}

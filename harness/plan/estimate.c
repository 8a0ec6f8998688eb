#include "harness/plan/estimate.h"

#include "analysis/stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define START_S 0.3          /* launching, whatever the application */
#define RECORD_BYTES 24e3    /* a run's record, output and share of the HDF5 file */
#define EPOCH_BYTES 4e3      /* an epoch's events and rows */
#define IMAGES_AT_A_TIME 3.0 /* two that are kept and one being written */

static const struct dv_app_estimate *known_estimate(const struct dv_cell *cell)
{
    const struct dv_known_app *known = cell->app->known;
    for (size_t i = 0; known && i < sizeof known->estimates / sizeof known->estimates[0]; i++) {
        if (known->estimates[i].class_name == cell->class_name[0])
            return &known->estimates[i];
    }
    return NULL;
}

/* The median of the measured runs for which `same` holds, NaN if there are none. */
static double measured_median(const struct dv_plan *plan, const double *measured_s, size_t cell,
                              bool whole_group)
{
    double *sample = dv_reallocate(NULL, plan->run_count, sizeof *sample);
    size_t count = 0;
    for (size_t i = 0; measured_s && i < plan->run_count; i++) {
        size_t other = plan->runs[i].cell;
        bool same =
            whole_group ? plan->cells[other].group == plan->cells[cell].group : other == cell;
        if (same && !isnan(measured_s[i]))
            sample[count++] = measured_s[i];
    }
    double median = dv_stats_median(sample, count);
    free(sample);
    return median;
}

/* NaN: nothing is known. */
static double cell_seconds(const struct dv_plan *plan, const double *measured_s,
                           const struct dv_prior *prior, size_t cell, int64_t processors,
                           struct dv_plan_estimate *estimate)
{
    double seconds = measured_median(plan, measured_s, cell, false);
    if (isnan(seconds) && prior)
        seconds = prior[cell].wall_s;
    if (isnan(seconds))
        seconds = measured_median(plan, measured_s, cell, true);
    if (!isnan(seconds))
        return seconds;
    estimate->measured = false;
    const struct dv_cell *c = &plan->cells[cell];
    const struct dv_app_estimate *known = known_estimate(c);
    if (!known)
        return NAN;
    int64_t workers = c->ranks < processors ? c->ranks : processors;
    return START_S + known->cpu_seconds / (double)(workers > 0 ? workers : 1);
}

static double cell_image_bytes(const struct dv_cell *cell, const struct dv_prior *prior)
{
    const struct dv_app_estimate *known = known_estimate(cell);
    if (cell->strategy->kind != DV_STRATEGY_CHECKPOINT)
        return 0;
    if (prior && !isnan(prior->image_bytes))
        return prior->image_bytes;
    return known ? known->memory_mib * 0x1p20 : 0;
}

struct dv_plan_estimate dv_estimate_rest(const struct dv_plan *plan, const double *measured_s,
                                         const struct dv_prior *prior, double pause_s,
                                         int64_t processors)
{
    struct dv_plan_estimate estimate = {.measured = true};
    double *cells = dv_reallocate(NULL, plan->cell_count, sizeof *cells);
    for (size_t i = 0; i < plan->cell_count; i++) {
        cells[i] = cell_seconds(plan, measured_s, prior, i, processors, &estimate);
        double bytes = cell_image_bytes(&plan->cells[i], prior ? &prior[i] : NULL);
        estimate.scratch_bytes = fmax(estimate.scratch_bytes, bytes * IMAGES_AT_A_TIME);
    }
    for (size_t i = 0; i < plan->run_count; i++) {
        const struct dv_cell *cell = &plan->cells[plan->runs[i].cell];
        double seconds = cells[plan->runs[i].cell];
        estimate.output_bytes += RECORD_BYTES;
        if (!isnan(cell->interval_s) && !isnan(seconds))
            estimate.output_bytes += EPOCH_BYTES * (double)cell->ranks * seconds / cell->interval_s;
        if (measured_s && !isnan(measured_s[i]))
            continue;
        if (isnan(seconds))
            estimate.unknown_runs++;
        else
            estimate.seconds += seconds + pause_s;
    }
    free(cells);
    return estimate;
}

void dv_estimate_text(const struct dv_plan_estimate *estimate, char *text, size_t text_bytes)
{
    long whole = lround(estimate->seconds);
    const char *how = estimate->unknown_runs ? "more than" : "about";
    if (estimate->unknown_runs && whole == 0)
        snprintf(text, text_bytes, "unknown");
    else if (whole < 60)
        snprintf(text, text_bytes, "%s %ld s", how, whole);
    else if (whole < 3600)
        snprintf(text, text_bytes, "%s %ld min %ld s", how, whole / 60, whole % 60);
    else
        snprintf(text, text_bytes, "%s %ld h %ld min", how, whole / 3600, whole % 3600 / 60);
}

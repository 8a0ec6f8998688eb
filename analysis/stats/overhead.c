/* Running times against their base, paired by block: tables overhead and geomean. */
#include "analysis/stats/analyse.h"
#include "analysis/stats/paired.h"
#include "analysis/stats/stats.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int32_t kind_of_base[] = {
    [DV_BASE_NATIVE] = DV_STRATEGY_NATIVE,
    [DV_BASE_IDLE] = DV_STRATEGY_IDLE,
};
#define BASES (sizeof kind_of_base / sizeof kind_of_base[0])

/* The base to compare a cell with, or NULL: faults are another question, and a base is not compared
 * with itself or with one that does more. */
static const struct dv_study_cell *base_of(const struct dv_study *study,
                                           const struct dv_study_cell *cell, size_t base)
{
    if (dv_study_cell_has_faults(cell) || cell->kind <= kind_of_base[base])
        return NULL;
    return dv_study_base(study, cell, kind_of_base[base]);
}

static bool oversubscribed(const struct dv_study_cell *cell)
{
    for (size_t i = 0; i < cell->run_count; i++) {
        if (cell->runs[i]->oversubscribed)
            return true;
    }
    return false;
}

/* Of all good runs of the cell, in the order in which they were made. */
static double drift_of(const struct dv_study_cell *cell, enum dv_time time)
{
    double *times = dv_reallocate(NULL, cell->run_count + 1, sizeof *times);
    for (size_t i = 0; i < cell->run_count; i++)
        times[i] = dv_run_time(cell->runs[i], time);
    double p = dv_stats_drift(times, cell->run_count);
    free(times);
    return p;
}

/* Two arrays of pairs and their differences, in one block. */
static void compare(const double *times, const double *base_times, double *differences,
                    size_t count, double confidence, struct dv_overhead_row *row)
{
    struct dv_estimate ratio = {NAN, NAN, NAN, NAN}, shift = ratio;
    struct dv_wilcoxon test = {.p = NAN};
    for (size_t i = 0; i < count; i++)
        differences[i] = times[i] - base_times[i];
    if (!dv_stats_paired_ratio(times, base_times, count, confidence, &ratio) ||
        !dv_stats_hodges_lehmann(differences, count, confidence, &shift) ||
        !dv_stats_wilcoxon(differences, count, &test))
        return;
    row->n = (int64_t)count;
    row->base_median_s = dv_stats_median(base_times, count);
    row->median_s = dv_stats_median(times, count);
    row->ratio = ratio.value;
    row->ratio_low = ratio.low;
    row->ratio_high = ratio.high;
    row->coverage = ratio.coverage;
    row->shift_s = shift.value;
    row->shift_low_s = shift.low;
    row->shift_high_s = shift.high;
    row->p_wilcoxon = test.p;
}

static void leave_out_unpaired(struct dv_results *results, const struct dv_study_cell *cell,
                               const char *base, size_t count)
{
    char label[sizeof(struct dv_cell_key) + 64], reason[64];
    dv_study_cell_label(cell, label, sizeof label);
    snprintf(reason, sizeof reason, "no good %s run in the block to compare with", base);
    if (count)
        dv_results_leave_out(results, label, reason, (int64_t)count);
}

static void add_comparison(const struct dv_study_cell *cell, const struct dv_study_cell *base,
                           int32_t word, const struct dv_analysis_options *options,
                           struct dv_results *results)
{
    size_t room = cell->run_count + 1;
    double *times = dv_reallocate(NULL, 3 * room, sizeof *times);
    size_t pairs = dv_study_cell_pairs(cell, base, options->time, times, times + room, NULL);
    leave_out_unpaired(results, cell, base->key.strategy, cell->run_count - pairs);
    if (pairs) {
        struct dv_overhead_row *row = DV_RESULT_ADD(results, DV_RESULT_OVERHEAD, dv_overhead_row);
        row->cell = cell->key;
        row->base = word;
        row->margin = options->margin;
        row->time = (int32_t)options->time;
        row->oversubscribed = oversubscribed(cell) || oversubscribed(base);
        row->drift_p = drift_of(cell, options->time);
        compare(times, times + room, times + 2 * room, pairs, options->confidence, row);
    }
    free(times);
}

/* Strategies are one family; what attaching costs (idle) is another question. */
static bool same_family(const struct dv_overhead_row *a, const struct dv_overhead_row *b)
{
    return a->base == b->base && isnan(a->cell.interval_s) == isnan(b->cell.interval_s) &&
           a->cell.ranks == b->cell.ranks && strcmp(a->cell.campaign, b->cell.campaign) == 0 &&
           strcmp(a->cell.application, b->cell.application) == 0 &&
           strcmp(a->cell.class_name, b->cell.class_name) == 0;
}

static int32_t verdict_of(const struct dv_overhead_row *row, double confidence)
{
    const struct dv_estimate ratio = {row->ratio, row->ratio_low, row->ratio_high, row->coverage};
    if (dv_stats_equivalent(&ratio, row->margin))
        return DV_VERDICT_EQUIVALENT;
    if (!(row->p_holm < 1 - confidence))
        return DV_VERDICT_UNDECIDED;
    return row->shift_s > 0 ? DV_VERDICT_SLOWER : DV_VERDICT_FASTER;
}

void dv_overhead_judge(struct dv_results *results, double confidence)
{
    const struct dv_table *table = &results->table[DV_RESULT_OVERHEAD];
    double *p = dv_reallocate(NULL, 2 * table->count + 1, sizeof *p), *adjusted = p + table->count;
    for (size_t i = 0; i < table->count; i++) {
        struct dv_overhead_row *row = dv_table_row(table, i);
        for (size_t j = 0; j < table->count; j++) {
            const struct dv_overhead_row *other = dv_table_row(table, j);
            p[j] = same_family(row, other) ? other->p_wilcoxon : NAN;
        }
        if (!dv_stats_holm(p, table->count, adjusted))
            continue; /* no memory: no adjusted p, so no verdict */
        row->p_holm = adjusted[i];
        row->verdict = verdict_of(row, confidence);
    }
    free(p);
}

void dv_analyse_overhead(const struct dv_study *study, const struct dv_analysis_options *options,
                         struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        for (size_t b = 0; b < BASES; b++) {
            const struct dv_study_cell *cell = &study->cells[i], *base = base_of(study, cell, b);
            if (base)
                add_comparison(cell, base, (int32_t)b, options, results);
        }
    }
    dv_overhead_judge(results, options->confidence);
}

/* Ratios of the cells of one strategy and interval, by block. */
struct block_mean {
    int64_t block;
    double log_sum;
    size_t cells;
};

struct block_means {
    struct block_mean *block;
    size_t count, cells;
};

static void take_ratio(struct block_means *means, int64_t block, double ratio)
{
    size_t i = 0;
    while (i < means->count && means->block[i].block != block)
        i++;
    if (i == means->count) {
        means->block = dv_reallocate(means->block, ++means->count, sizeof *means->block);
        means->block[i] = (struct block_mean){.block = block};
    }
    means->block[i].log_sum += log(ratio);
    means->block[i].cells++;
}

static void take_cell(struct block_means *means, const struct dv_study_cell *cell,
                      const struct dv_study_cell *base, enum dv_time time)
{
    size_t room = cell->run_count + 1;
    double *times = dv_reallocate(NULL, 2 * room, sizeof *times);
    int64_t *blocks = dv_reallocate(NULL, room, sizeof *blocks);
    size_t pairs = dv_study_cell_pairs(cell, base, time, times, times + room, blocks);
    for (size_t i = 0; i < pairs; i++)
        take_ratio(means, blocks[i], times[i] / times[room + i]);
    means->cells += pairs > 0;
    free(blocks);
    free(times);
}

static bool same_treatment(const struct dv_study_cell *a, const struct dv_study_cell *b)
{
    return a->campaign == b->campaign && !dv_study_cell_has_faults(b) &&
           strcmp(a->key.strategy, b->key.strategy) == 0 &&
           (a->key.interval_s == b->key.interval_s ||
            (isnan(a->key.interval_s) && isnan(b->key.interval_s)));
}

/* Only blocks that have all cells: a mean over others would be of other applications. */
static void add_geomean(const struct block_means *means, const struct dv_study_cell *cell,
                        int32_t base, const struct dv_analysis_options *options,
                        struct dv_results *results)
{
    double *ratios = dv_reallocate(NULL, 2 * means->count + 1, sizeof *ratios);
    double *ones = ratios + means->count;
    struct dv_estimate estimate;
    size_t whole = 0;
    for (size_t i = 0; i < means->count; i++) {
        if (means->block[i].cells != means->cells)
            continue;
        ones[whole] = 1;
        ratios[whole++] = exp(means->block[i].log_sum / (double)means->cells);
    }
    if (whole && dv_stats_paired_ratio(ratios, ones, whole, options->confidence, &estimate)) {
        struct dv_geomean_row *row = DV_RESULT_ADD(results, DV_RESULT_GEOMEAN, dv_geomean_row);
        DV_TEXT_SET(row->campaign, cell->key.campaign);
        DV_TEXT_SET(row->strategy, cell->key.strategy);
        row->interval_s = cell->key.interval_s;
        row->base = base;
        row->time = (int32_t)options->time;
        row->cells = (int64_t)means->cells;
        row->n = (int64_t)whole;
        row->ratio = estimate.value;
        row->ratio_low = estimate.low;
        row->ratio_high = estimate.high;
        row->coverage = estimate.coverage;
    }
    if (whole < means->count) {
        char what[256];
        snprintf(what, sizeof what, "%s: geometric mean of %s: blocks", cell->key.campaign,
                 cell->key.strategy);
        dv_results_leave_out(results, what, "not all applications have a good pair in them",
                             (int64_t)(means->count - whole));
    }
    free(ratios);
}

void dv_analyse_geomean(const struct dv_study *study, const struct dv_analysis_options *options,
                        struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        /* Of its strategy and interval. Cells with faults are no part of any mean. */
        bool first = !dv_study_cell_has_faults(&study->cells[i]);
        for (size_t j = 0; j < i; j++)
            first = first && !same_treatment(&study->cells[i], &study->cells[j]);
        for (size_t b = 0; first && b < BASES; b++) {
            struct block_means means = {0};
            for (size_t j = i; j < study->cell_count; j++) {
                const struct dv_study_cell *cell = &study->cells[j],
                                           *base = base_of(study, cell, b);
                if (base && same_treatment(&study->cells[i], cell))
                    take_cell(&means, cell, base, options->time);
            }
            if (means.cells)
                add_geomean(&means, &study->cells[i], (int32_t)b, options, results);
            free(means.block);
        }
    }
}

/* Tables of epochs and recoveries: stall, bytes, recovery. */
#include "analysis/stats/analyse.h"
#include "analysis/stats/paired.h"
#include "analysis/stats/stats.h"
#include "harness/config/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9

/* One value of each epoch of a cell that has it; room for all epochs. */
static size_t gather(const struct dv_study *study, size_t cell, size_t offset, double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *epoch = &study->epochs[i];
        double value = *(const double *)(const void *)((const char *)epoch + offset);
        if (epoch->cell == cell && !isnan(value))
            values[count++] = value;
    }
    return count;
}

static void find_slowest_rank(const struct dv_study *study, size_t cell, struct dv_stall_row *row)
{
    size_t ranks = (size_t)study->cells[cell].key.ranks, epochs = 0;
    size_t *times = dv_reallocate(NULL, ranks + 1, sizeof *times);
    memset(times, 0, (ranks + 1) * sizeof *times);
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *epoch = &study->epochs[i];
        if (epoch->cell != cell || isnan(epoch->stall_s))
            continue;
        epochs++;
        if (epoch->slowest_rank >= 0 && (size_t)epoch->slowest_rank < ranks)
            times[epoch->slowest_rank]++;
    }
    row->slowest_rank = 0;
    for (size_t rank = 0; rank < ranks; rank++) {
        if (times[rank] > times[row->slowest_rank])
            row->slowest_rank = (int64_t)rank;
    }
    row->slowest_share = (double)times[row->slowest_rank] / (double)epochs;
    free(times);
}

static int64_t runs_with_epochs(const struct dv_study *study, size_t cell)
{
    int64_t runs = 0, last = -1;
    for (size_t i = 0; i < study->epoch_count; i++) {
        if (study->epochs[i].cell == cell && study->epochs[i].run != last) {
            last = study->epochs[i].run;
            runs++;
        }
    }
    return runs;
}

void dv_analyse_stall(const struct dv_study *study, const struct dv_analysis_options *options,
                      struct dv_results *results)
{
    double *values = dv_reallocate(NULL, study->epoch_count + 1, sizeof *values);
    for (size_t cell = 0; cell < study->cell_count; cell++) {
        size_t count = gather(study, cell, offsetof(struct dv_epoch_sum, stall_s), values);
        if (count == 0 || dv_study_cell_has_faults(&study->cells[cell]))
            continue;
        for (size_t i = 0; i < count; i++)
            values[i] *= NS_PER_S;
        struct dv_stall_row *row = DV_RESULT_ADD(results, DV_RESULT_STALL, dv_stall_row);
        row->cell = study->cells[cell].key;
        row->epochs = (int64_t)count;
        row->runs = runs_with_epochs(study, cell);
        struct dv_estimate median = dv_stats_median_estimate(values, count, options->confidence);
        row->median_ns = median.value;
        row->low_ns = median.low;
        row->high_ns = median.high;
        row->p95_ns = dv_stats_quantile(values, count, 0.95);
        row->max_ns = dv_stats_maximum(values, count);
        find_slowest_rank(study, cell, row);
        count = gather(study, cell, offsetof(struct dv_epoch_sum, data_bytes), values);
        row->bound_ns = dv_stats_median(values, count) / options->memory_bandwidth * NS_PER_S;
    }
    free(values);
}

static size_t gather_bandwidths(const struct dv_study *study, size_t cell, double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < study->epoch_count; i++) {
        const struct dv_epoch_sum *epoch = &study->epochs[i];
        if (epoch->cell == cell && epoch->write_s > 0 && !isnan(epoch->file_bytes))
            values[count++] = epoch->file_bytes / epoch->write_s;
    }
    return count;
}

void dv_analyse_bytes(const struct dv_study *study, const struct dv_analysis_options *options,
                      struct dv_results *results)
{
    static const struct {
        size_t from, into;
    } columns[] = {
#define BYTES(member) {offsetof(struct dv_epoch_sum, member), offsetof(struct dv_bytes_row, member)}
        BYTES(populated_bytes),
        BYTES(examined_bytes),
        BYTES(data_bytes),
        BYTES(file_bytes),
    };
    double *values = dv_reallocate(NULL, study->epoch_count + 1, sizeof *values);
    for (size_t cell = 0; cell < study->cell_count; cell++) {
        size_t epochs = gather(study, cell, offsetof(struct dv_epoch_sum, file_bytes), values);
        if (epochs == 0 || dv_study_cell_has_faults(&study->cells[cell]))
            continue;
        struct dv_bytes_row *row = DV_RESULT_ADD(results, DV_RESULT_BYTES, dv_bytes_row);
        row->cell = study->cells[cell].key;
        row->epochs = (int64_t)epochs;
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
            size_t count = gather(study, cell, columns[i].from, values);
            *(double *)(void *)((char *)row + columns[i].into) = dv_stats_median(values, count);
        }
        row->write_bandwidth = dv_stats_median(values, gather_bandwidths(study, cell, values));
        row->bound_bandwidth = options->raw_bandwidth;
    }
    free(values);
}

void dv_analyse_recovery(const struct dv_study *study, const struct dv_analysis_options *options,
                         struct dv_results *results)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *cell = &study->cells[i];
        const struct dv_table *faults = &study->campaigns[cell->campaign].table[DV_TABLE_FAULTS];
        double *values = dv_reallocate(NULL, faults->count + 1, sizeof *values);
        size_t count = 0;
        int64_t lost = 0;
        for (size_t j = 0; j < faults->count; j++) {
            const struct dv_fault_row *fault = dv_table_row(faults, j);
            if (!fault->injected || !dv_study_cell_has_run(cell, fault->run))
                continue;
            if (isnan(fault->recovered_s))
                lost++;
            else
                values[count++] = fault->recovered_s;
        }
        if (count > 0 || lost > 0) {
            struct dv_recovery_row *row =
                DV_RESULT_ADD(results, DV_RESULT_RECOVERY, dv_recovery_row);
            row->cell = cell->key;
            DV_TEXT_SET(row->fault, cell->fault);
            row->n = (int64_t)count;
            row->lost = lost;
            struct dv_estimate median =
                dv_stats_median_estimate(values, count, options->confidence);
            row->median_s = median.value;
            row->low_s = median.low;
            row->high_s = median.high;
            row->max_s = dv_stats_maximum(values, count);
        }
        free(values);
    }
}

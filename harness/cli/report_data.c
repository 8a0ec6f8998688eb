#include "harness/cli/report_data.h"

#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct dv_run_row *run_row(const struct dv_report_data *data, size_t index)
{
    return DV_ROW(data->tables, DV_TABLE_RUNS, dv_run_row, index);
}

static size_t run_count(const struct dv_report_data *data)
{
    return data->tables->table[DV_TABLE_RUNS].count;
}

static void treatment_label(const struct dv_run_row *row, char *text, size_t text_bytes)
{
    char interval[48] = "", seconds[32];
    if (!isnan(row->interval_s)) {
        dv_seconds_text(row->interval_s, seconds, sizeof seconds);
        snprintf(interval, sizeof interval, " @ %s", seconds);
    }
    bool fault = strcmp(row->fault, "none") != 0;
    snprintf(text, text_bytes, "%s%s%s%s", row->strategy, interval, fault ? ", " : "",
             fault ? row->fault : "");
}

static void group_label(const struct dv_run_row *row, char *text, size_t text_bytes)
{
    snprintf(text, text_bytes, "%s.%s.%" PRId64, row->application, row->class_name, row->ranks);
}

void dv_run_label(const struct dv_run_row *row, char *text, size_t text_bytes)
{
    char group[DV_LABEL_BYTES / 2], treatment[DV_LABEL_BYTES / 2];
    group_label(row, group, sizeof group);
    treatment_label(row, treatment, sizeof treatment);
    snprintf(text, text_bytes, "%s %s", group, treatment);
}

static int compare_treatments(const void *a, const void *b)
{
    const struct dv_treatment *x = a, *y = b;
    if (x->example->strategy_kind != y->example->strategy_kind)
        return x->example->strategy_kind < y->example->strategy_kind ? -1 : 1;
    int order = strcmp(x->example->strategy, y->example->strategy);
    if (order)
        return order;
    if (x->example->interval_s != y->example->interval_s && !isnan(x->example->interval_s))
        return x->example->interval_s < y->example->interval_s ? -1 : 1;
    return strcmp(x->label, y->label);
}

static int compare_groups(const void *a, const void *b)
{
    const struct dv_run_row *x = ((const struct dv_group *)a)->example,
                            *y = ((const struct dv_group *)b)->example;
    int order = strcmp(x->application, y->application);
    if (!order)
        order = strcmp(x->class_name, y->class_name);
    if (!order)
        order = (x->ranks > y->ranks) - (x->ranks < y->ranks);
    return order;
}

static void add_treatment(struct dv_report_data *data, const struct dv_run_row *row)
{
    struct dv_treatment new = {.example = row};
    treatment_label(row, new.label, sizeof new.label);
    for (size_t i = 0; i < data->treatment_count; i++) {
        if (strcmp(data->treatments[i].label, new.label) == 0)
            return;
    }
    data->treatments =
        dv_reallocate(data->treatments, data->treatment_count + 1, sizeof *data->treatments);
    data->treatments[data->treatment_count++] = new;
}

static void add_group(struct dv_report_data *data, const struct dv_run_row *row)
{
    struct dv_group new = {.example = row};
    group_label(row, new.label, sizeof new.label);
    for (size_t i = 0; i < data->group_count; i++) {
        if (strcmp(data->groups[i].label, new.label) == 0)
            return;
    }
    data->groups = dv_reallocate(data->groups, data->group_count + 1, sizeof *data->groups);
    data->groups[data->group_count++] = new;
}

void dv_report_data_make(const struct dv_tables *tables, struct dv_report_data *data)
{
    *data = (struct dv_report_data){.tables = tables};
    for (size_t i = 0; i < run_count(data); i++) {
        add_treatment(data, run_row(data, i));
        add_group(data, run_row(data, i));
    }
    if (data->treatment_count)
        qsort(data->treatments, data->treatment_count, sizeof *data->treatments,
              compare_treatments);
    if (data->group_count)
        qsort(data->groups, data->group_count, sizeof *data->groups, compare_groups);
}

void dv_report_data_free(struct dv_report_data *data)
{
    free(data->treatments);
    free(data->groups);
    *data = (struct dv_report_data){0};
}

int dv_report_base(const struct dv_report_data *data, int strategy_kind)
{
    for (size_t i = 0; i < data->treatment_count; i++) {
        if (data->treatments[i].example->strategy_kind == strategy_kind)
            return (int)i;
    }
    return -1;
}

/* Is this run a sample of the cell? Not if it failed or was for warming up. */
static bool is_sample(const struct dv_report_data *data, const struct dv_run_row *row, size_t group,
                      size_t treatment)
{
    char label[DV_LABEL_BYTES / 2];
    if (row->warmup || row->outcome != DV_OUTCOME_OK)
        return false;
    group_label(row, label, sizeof label);
    if (strcmp(label, data->groups[group].label) != 0)
        return false;
    treatment_label(row, label, sizeof label);
    return strcmp(label, data->treatments[treatment].label) == 0;
}

static double measure_of(const struct dv_run_row *row, enum dv_measure measure)
{
    return measure == DV_MEASURE_WALL ? row->wall_s : row->application_s;
}

size_t dv_sample_times(const struct dv_report_data *data, size_t group, size_t treatment,
                       enum dv_measure measure, double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < run_count(data); i++) {
        const struct dv_run_row *row = run_row(data, i);
        if (is_sample(data, row, group, treatment) && !isnan(measure_of(row, measure)))
            values[count++] = measure_of(row, measure);
    }
    return count;
}

size_t dv_sample_pairs(const struct dv_report_data *data, size_t group, size_t treatment_a,
                       size_t treatment_b, enum dv_measure measure, double *a, double *b)
{
    size_t count = 0;
    for (size_t i = 0; i < run_count(data); i++) {
        const struct dv_run_row *row = run_row(data, i);
        if (!is_sample(data, row, group, treatment_a) || isnan(measure_of(row, measure)))
            continue;
        for (size_t j = 0; j < run_count(data); j++) {
            const struct dv_run_row *other = run_row(data, j);
            if (other->block != row->block || !is_sample(data, other, group, treatment_b) ||
                isnan(measure_of(other, measure)))
                continue;
            a[count] = measure_of(row, measure);
            b[count++] = measure_of(other, measure);
        }
    }
    return count;
}

size_t dv_sample_ratios(const struct dv_report_data *data, size_t group, size_t treatment,
                        size_t base, enum dv_measure measure, double *values)
{
    double *bases = dv_reallocate(NULL, run_count(data) + 1, sizeof *bases);
    size_t count = dv_sample_pairs(data, group, treatment, base, measure, values, bases);
    for (size_t i = 0; i < count; i++)
        values[i] /= bases[i];
    free(bases);
    return count;
}

static const struct dv_run_row *find_run(const struct dv_report_data *data, int64_t run)
{
    /* Rows are in the order of runs, with gaps where runs are not done. */
    size_t low = 0, high = run_count(data);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run_row(data, middle)->run < run)
            low = middle + 1;
        else
            high = middle;
    }
    return low < run_count(data) && run_row(data, low)->run == run ? run_row(data, low) : NULL;
}

size_t dv_sample_epochs(const struct dv_report_data *data, size_t group, size_t treatment,
                        size_t offset, bool sum, double *values)
{
    const struct dv_table *epochs = &data->tables->table[DV_TABLE_EPOCHS];
    const struct dv_epoch_row *last = NULL;
    size_t count = 0;
    for (size_t i = 0; i < epochs->count; i++) {
        const struct dv_epoch_row *row = dv_table_row(epochs, i);
        const struct dv_run_row *run = find_run(data, row->run);
        int64_t value = *(const int64_t *)(const void *)((const char *)row + offset);
        if (!row->committed || value < 0 || !run || !is_sample(data, run, group, treatment))
            continue;
        /* An epoch's ranks come one behind the other. */
        bool same =
            last && last->run == row->run && last->epoch == row->epoch && last->rank < row->rank;
        if (!same)
            values[count++] = (double)value;
        else if (sum)
            values[count - 1] += (double)value;
        else
            values[count - 1] = fmax(values[count - 1], (double)value);
        last = row;
    }
    return count;
}

bool dv_sample_has_run(const struct dv_report_data *data, size_t group, size_t treatment,
                       int64_t run)
{
    const struct dv_run_row *row = find_run(data, run);
    return row && is_sample(data, row, group, treatment);
}

size_t dv_sample_epoch_counts(const struct dv_report_data *data, size_t group, size_t treatment,
                              double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < run_count(data); i++) {
        if (is_sample(data, run_row(data, i), group, treatment))
            values[count++] = (double)run_row(data, i)->epochs;
    }
    return count;
}

size_t dv_sample_recoveries(const struct dv_report_data *data, size_t group, size_t treatment,
                            double *values)
{
    const struct dv_table *faults = &data->tables->table[DV_TABLE_FAULTS];
    size_t count = 0;
    for (size_t i = 0; i < faults->count; i++) {
        const struct dv_fault_row *row = dv_table_row(faults, i);
        const struct dv_run_row *run = find_run(data, row->run);
        if (!isnan(row->recovered_s) && run && is_sample(data, run, group, treatment))
            values[count++] = row->recovered_s;
    }
    return count;
}

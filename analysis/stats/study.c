#include "analysis/stats/study.h"

#include "harness/config/arena.h"
#include "harness/config/experiment.h"
#include "harness/record/store.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool dv_study_cell_has_faults(const struct dv_study_cell *cell)
{
    return strcmp(cell->fault, "none") != 0;
}

void dv_study_cell_label(const struct dv_study_cell *cell, char *text, size_t text_bytes)
{
    const struct dv_cell_key *key = &cell->key;
    char interval[32] = "";
    if (!isnan(key->interval_s))
        snprintf(interval, sizeof interval, " @ %g s", key->interval_s);
    snprintf(text, text_bytes, "%s: %s.%s.%" PRId64 " %s%s%s%s", key->campaign, key->application,
             key->class_name, key->ranks, key->strategy, interval,
             dv_study_cell_has_faults(cell) ? ", " : "",
             dv_study_cell_has_faults(cell) ? cell->fault : "");
}

double dv_run_time(const struct dv_run_row *run, enum dv_time time)
{
    return time == DV_TIME_WALL ? run->wall_s : run->application_s;
}

static bool same_interval(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool holds(const struct dv_study_cell *cell, size_t campaign, const struct dv_run_row *run)
{
    const struct dv_cell_key *key = &cell->key;
    return cell->campaign == campaign && key->ranks == run->ranks &&
           same_interval(key->interval_s, run->interval_s) &&
           strcmp(key->strategy, run->strategy) == 0 && strcmp(cell->fault, run->fault) == 0 &&
           strcmp(key->application, run->application) == 0 &&
           strcmp(key->class_name, run->class_name) == 0;
}

static struct dv_study_cell *cell_of(struct dv_study *study, size_t campaign, const char *name,
                                     const struct dv_run_row *run)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        if (holds(&study->cells[i], campaign, run))
            return &study->cells[i];
    }
    study->cells = dv_reallocate(study->cells, study->cell_count + 1, sizeof *study->cells);
    struct dv_study_cell *cell = &study->cells[study->cell_count++];
    *cell = (struct dv_study_cell){
        .key = {.ranks = run->ranks, .interval_s = run->interval_s},
        .fault = run->fault,
        .kind = run->strategy_kind,
        .campaign = campaign,
    };
    DV_TEXT_SET(cell->key.campaign, name);
    DV_TEXT_SET(cell->key.application, run->application);
    DV_TEXT_SET(cell->key.class_name, run->class_name);
    DV_TEXT_SET(cell->key.strategy, run->strategy);
    return cell;
}

static void take_run(struct dv_study *study, size_t campaign, const char *name,
                     const struct dv_run_row *run, struct dv_results *results)
{
    char label[sizeof(struct dv_cell_key) + 64];
    struct dv_study_cell *cell = cell_of(study, campaign, name, run);
    if (run->warmup) {
        snprintf(label, sizeof label, "%s: warm-up runs", name);
        dv_results_leave_out(results, label, "they only warm caches up", 1);
    } else if (run->outcome != DV_OUTCOME_OK) {
        dv_study_cell_label(cell, label, sizeof label);
        dv_results_leave_out(results, label, *run->reason ? run->reason : "the run failed", 1);
    } else {
        cell->runs = dv_reallocate(cell->runs, cell->run_count + 1, sizeof(void *));
        cell->runs[cell->run_count++] = run;
    }
}

/* The cell that has this run among its good ones, or -1. `hint`: where the last one was found. */
static ptrdiff_t find_cell(const struct dv_study *study, size_t campaign, int64_t run,
                           ptrdiff_t hint)
{
    for (size_t tried = 0; tried < study->cell_count; tried++) {
        size_t index = ((size_t)(hint < 0 ? 0 : hint) + tried) % study->cell_count;
        const struct dv_study_cell *cell = &study->cells[index];
        size_t low = 0, high = cell->campaign == campaign ? cell->run_count : 0;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (cell->runs[middle]->run < run)
                low = middle + 1;
            else
                high = middle;
        }
        if (cell->campaign == campaign && low < cell->run_count && cell->runs[low]->run == run)
            return (ptrdiff_t)index;
    }
    return -1;
}

static double seconds(int64_t ns)
{
    return ns < 0 ? NAN : (double)ns * 1e-9;
}

static double number(int64_t value)
{
    return value < 0 ? NAN : (double)value;
}

static void add_rank(struct dv_epoch_sum *sum, const struct dv_epoch_row *row)
{
    double stall_s = seconds(row->stall_ns);
    if (isnan(sum->stall_s) || stall_s > sum->stall_s) {
        sum->stall_s = stall_s;
        sum->slowest_rank = row->rank;
    }
    double write_s = seconds(row->write_ns) + (row->sync_ns < 0 ? 0 : seconds(row->sync_ns));
    sum->write_s = fmax(sum->write_s, write_s); /* fmax takes the number if one is NaN */
    sum->commit_s = fmax(sum->commit_s, seconds(row->commit_ns));
    sum->populated_bytes += number(row->populated_bytes);
    sum->examined_bytes += number(row->examined_bytes);
    sum->data_bytes += number(row->data_bytes);
    sum->file_bytes += number(row->file_bytes);
    sum->last_rank = row->rank;
}

/* An epoch's ranks come one behind the other. */
static void take_epochs(struct dv_study *study, size_t campaign)
{
    const struct dv_table *table = &study->campaigns[campaign].table[DV_TABLE_EPOCHS];
    struct dv_epoch_sum *sum = NULL;
    ptrdiff_t cell = -1;
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_epoch_row *row = dv_table_row(table, i);
        cell = find_cell(study, campaign, row->run, cell);
        if (!row->committed || cell < 0)
            continue;
        if (!sum || sum->run != row->run || sum->epoch != row->epoch ||
            sum->last_rank >= row->rank) {
            study->epochs =
                dv_reallocate(study->epochs, study->epoch_count + 1, sizeof *study->epochs);
            sum = &study->epochs[study->epoch_count++];
            *sum = (struct dv_epoch_sum){
                .cell = (size_t)cell,
                .run = row->run,
                .epoch = row->epoch,
                .stall_s = NAN,
                .write_s = NAN,
                .commit_s = NAN,
            };
        }
        add_rank(sum, row);
    }
}

static void take_restarts(struct dv_study *study, size_t campaign)
{
    const struct dv_table *table = &study->campaigns[campaign].table[DV_TABLE_RESTORES];
    struct dv_restart_sum *sum = NULL;
    ptrdiff_t cell = -1;
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_restore_row *row = dv_table_row(table, i);
        cell = find_cell(study, campaign, row->run, cell);
        if (cell < 0)
            continue;
        if (!sum || sum->run != row->run || sum->incarnation != row->incarnation) {
            study->restarts =
                dv_reallocate(study->restarts, study->restart_count + 1, sizeof *study->restarts);
            sum = &study->restarts[study->restart_count++];
            *sum = (struct dv_restart_sum){.cell = (size_t)cell,
                                           .run = row->run,
                                           .incarnation = row->incarnation,
                                           .restore_s = NAN};
        }
        sum->restore_s = fmax(sum->restore_s, seconds(row->restore_ns));
        sum->loaded_bytes += number(row->loaded_bytes);
    }
}

/* The campaign's random id: an attribute of the file that dv_store_read has just read. */
static void read_id(const char *path, char *id, size_t id_bytes)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    hid_t attribute = file >= 0 ? H5Aopen(file, "campaign", H5P_DEFAULT) : H5I_INVALID_HID;
    memset(id, 0, id_bytes);
    H5Tset_size(type, id_bytes);
    H5Tset_cset(type, H5T_CSET_UTF8);
    if (attribute < 0 || H5Aread(attribute, type, id) < 0)
        snprintf(id, id_bytes, "unknown");
    id[id_bytes - 1] = '\0';
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Tclose(type);
    if (file >= 0)
        H5Fclose(file);
}

static void take_runs(struct dv_study *study, size_t campaign, const char *name,
                      struct dv_results *results)
{
    const struct dv_tables *tables = &study->campaigns[campaign];
    const struct dv_table *runs = &tables->table[DV_TABLE_RUNS];
    const struct dv_table *left_out = &tables->table[DV_TABLE_LEFT_OUT];
    for (size_t i = 0; i < runs->count; i++)
        take_run(study, campaign, name, dv_table_row(runs, i), results);
    for (size_t i = 0; i < left_out->count; i++) {
        const struct dv_left_out_row *row = dv_table_row(left_out, i);
        char what[sizeof row->cell + sizeof(struct dv_source_row)];
        snprintf(what, sizeof what, "%s: %s", name, row->cell);
        dv_results_leave_out(results, what, row->reason, 1);
    }
}

static int compare_numbers(double a, double b)
{
    return (a > b) - (a < b);
}

/* Campaigns as given; in each, what belongs together side by side, bases first. */
static int compare_cells(const void *a, const void *b)
{
    const struct dv_study_cell *x = a, *y = b;
    int order = compare_numbers((double)x->campaign, (double)y->campaign);
    order = order ? order : strcmp(x->key.application, y->key.application);
    order = order ? order : strcmp(x->key.class_name, y->key.class_name);
    order = order ? order : compare_numbers((double)x->key.ranks, (double)y->key.ranks);
    order = order ? order : x->kind - y->kind;
    order = order ? order : strcmp(x->key.strategy, y->key.strategy);
    order = order ? order : compare_numbers(x->key.interval_s, y->key.interval_s);
    return order ? order : strcmp(x->fault, y->fault);
}

void dv_study_arrange(struct dv_study *study, const struct dv_results *sources,
                      struct dv_results *results)
{
    for (size_t i = 0; i < study->campaign_count; i++) {
        const struct dv_source_row *source = dv_table_row(&sources->table[DV_RESULT_SOURCES], i);
        take_runs(study, i, source->name, results);
    }
    if (study->cell_count)
        qsort(study->cells, study->cell_count, sizeof *study->cells, compare_cells);
    for (size_t i = 0; i < study->campaign_count; i++) {
        take_epochs(study, i);
        take_restarts(study, i);
    }
}

/* Names tell campaigns apart in tables: a second one of that name gets a number. */
static void set_name(const struct dv_results *results, struct dv_source_row *source,
                     const char *name)
{
    const struct dv_table *table = &results->table[DV_RESULT_SOURCES];
    char numbered[sizeof source->name];
    snprintf(numbered, sizeof numbered, "%.*s", (int)sizeof numbered - 1, name);
    for (size_t i = 0, number = 2; i < table->count; i++) {
        const struct dv_source_row *other = dv_table_row(table, i);
        if (other == source || strcmp(other->name, numbered) != 0)
            continue;
        snprintf(numbered, sizeof numbered, "%.100s (%zu)", name, number++);
        i = SIZE_MAX; /* from the beginning */
    }
    DV_TEXT_SET(source->name, numbered);
}

enum dv_status dv_study_open(struct dv_study *study, char *const *files, size_t count,
                             struct dv_results *results)
{
    *study = (struct dv_study){0};
    study->campaigns = dv_reallocate(NULL, count + 1, sizeof *study->campaigns);
    for (size_t i = 0; i < count; i++) {
        struct dv_store_info info;
        enum dv_status status = dv_store_read(files[i], &study->campaigns[i], &info);
        if (status != DV_OK)
            return status;
        study->campaign_count++;
        struct dv_source_row *source = DV_RESULT_ADD(results, DV_RESULT_SOURCES, dv_source_row);
        DV_TEXT_SET(source->file, files[i]);
        set_name(results, source, info.name);
        read_id(files[i], source->campaign, sizeof source->campaign);
    }
    dv_study_arrange(study, results, results);
    return DV_OK;
}

void dv_study_close(struct dv_study *study)
{
    for (size_t i = 0; i < study->cell_count; i++)
        free(study->cells[i].runs);
    for (size_t i = 0; i < study->campaign_count; i++)
        dv_tables_clear(&study->campaigns[i]);
    free(study->restarts);
    free(study->epochs);
    free(study->cells);
    free(study->campaigns);
    *study = (struct dv_study){0};
}

const struct dv_study_cell *dv_study_base(const struct dv_study *study,
                                          const struct dv_study_cell *cell, int32_t kind)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct dv_study_cell *base = &study->cells[i];
        if (base->kind == kind && base->campaign == cell->campaign &&
            !dv_study_cell_has_faults(base) && base->key.ranks == cell->key.ranks &&
            base->run_count > 0 && strcmp(base->key.application, cell->key.application) == 0 &&
            strcmp(base->key.class_name, cell->key.class_name) == 0)
            return base;
    }
    return NULL;
}

const struct dv_study_cell *dv_study_cost_base(const struct dv_study *study,
                                               const struct dv_study_cell *cell)
{
    const struct dv_study_cell *idle = dv_study_base(study, cell, DV_STRATEGY_IDLE);
    return idle ? idle : dv_study_base(study, cell, DV_STRATEGY_NATIVE);
}

bool dv_study_cell_has_run(const struct dv_study_cell *cell, int64_t run)
{
    for (size_t i = 0; i < cell->run_count; i++) {
        if (cell->runs[i]->run == run)
            return true;
    }
    return false;
}

const struct dv_run_row *dv_study_cell_run_in_block(const struct dv_study_cell *cell, int64_t block)
{
    for (size_t i = 0; i < cell->run_count; i++) {
        if (cell->runs[i]->block == block)
            return cell->runs[i];
    }
    return NULL;
}

size_t dv_study_cell_pairs(const struct dv_study_cell *cell, const struct dv_study_cell *base,
                           enum dv_time time, double *times, double *base_times, int64_t *blocks)
{
    size_t count = 0;
    for (size_t i = 0; i < cell->run_count; i++) {
        const struct dv_run_row *run = cell->runs[i],
                                *other = dv_study_cell_run_in_block(base, run->block);
        if (!other || !(dv_run_time(run, time) > 0) || !(dv_run_time(other, time) > 0))
            continue;
        times[count] = dv_run_time(run, time);
        base_times[count] = dv_run_time(other, time);
        if (blocks)
            blocks[count] = run->block;
        count++;
    }
    return count;
}

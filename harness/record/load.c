/* Reading back what is committed. */
#include "harness/config/say.h"
#include "harness/plan/filter.h"
#include "harness/record/environment.h"
#include "harness/record/file.h"
#include "harness/record/record.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static enum dv_status load_file(const char *path, const uint64_t *digest, struct dv_tables *tables)
{
    char *text;
    size_t length;
    enum dv_status status = dv_file_read(path, &text, &length);
    if (status == DV_ERR_NOT_FOUND)
        return dv_bench_fail(DV_ERR_DAMAGED, "%s is missing; restore it from a copy", path);
    if (status != DV_OK)
        return status;
    if (digest && XXH64(text, length, 0) != *digest)
        status = dv_bench_fail(DV_ERR_DAMAGED,
                               "%s is not what the journal recorded; restore it from a copy", path);
    else
        status = dv_tables_parse(tables, text, path);
    free(text);
    return status;
}

static void add_configuration(const struct dv_campaign *campaign, struct dv_tables *tables)
{
    const struct dv_experiment *e = campaign->experiment;
    for (size_t i = 0; i < e->setting_count; i++) {
        struct dv_setting_row *row = DV_ADD(tables, DV_TABLE_SETTINGS, dv_setting_row);
        DV_TEXT_SET(row->key, e->settings[i].key);
        DV_TEXT_SET(row->source, e->settings[i].source);
        DV_TEXT_SET(row->value, e->settings[i].value);
    }
    for (size_t i = 0; i < campaign->plan->left_out_count; i++) {
        struct dv_left_out_row *row = DV_ADD(tables, DV_TABLE_LEFT_OUT, dv_left_out_row);
        DV_TEXT_SET(row->cell, campaign->plan->left_out[i].cell);
        DV_TEXT_SET(row->reason, campaign->plan->left_out[i].reason);
    }
}

/* The filter of the last session, or NULL. */
static const char *last_filter(const struct dv_campaign *campaign, const struct dv_tables *tables)
{
    const char *filter = NULL;
    for (size_t i = 0; i < tables->table[DV_TABLE_ENVIRONMENT].count; i++) {
        const struct dv_environment_row *row =
            DV_ROW(tables, DV_TABLE_ENVIRONMENT, dv_environment_row, i);
        if (row->session + 1 == (int64_t)campaign->journal.sessions &&
            strcmp(row->key, DV_ENVIRONMENT_FILTER) == 0)
            filter = row->value;
    }
    return filter;
}

/* Cells that have runs which were not made because the last session's filter left them out. */
static void add_filtered(const struct dv_campaign *campaign, struct dv_tables *tables)
{
    const struct dv_plan *plan = campaign->plan;
    const char *filter = last_filter(campaign, tables);
    bool *chosen = dv_reallocate(NULL, plan->cell_count, sizeof *chosen);
    if (dv_filter_choose(filter, campaign->experiment, plan, chosen) != DV_OK)
        filter = NULL;
    for (size_t c = 0; filter && c < plan->cell_count; c++) {
        size_t left = 0, all = 0;
        for (size_t i = 0; i < plan->run_count; i++) {
            all += plan->runs[i].cell == c;
            left += plan->runs[i].cell == c && !campaign->journal.runs[i].done;
        }
        if (chosen[c] || left == 0)
            continue;
        struct dv_left_out_row *row = DV_ADD(tables, DV_TABLE_LEFT_OUT, dv_left_out_row);
        char reason[256];
        snprintf(reason, sizeof reason, "%zu of %zu runs left out by --filter %.150s", left, all,
                 filter);
        DV_TEXT_SET(row->cell, plan->cells[c].label);
        DV_TEXT_SET(row->reason, reason);
    }
    free(chosen);
}

enum dv_status dv_record_load(const struct dv_campaign *campaign, struct dv_tables *tables)
{
    char path[PATH_MAX];
    enum dv_status status = DV_OK;
    dv_tables_init(tables);
    for (size_t i = 0; status == DV_OK && i < campaign->journal.sessions; i++) {
        dv_journal_session_path(&campaign->journal, i, path, sizeof path);
        status = load_file(path, NULL, tables);
    }
    for (size_t i = 0; status == DV_OK && i < campaign->journal.run_count; i++) {
        const struct dv_journal_run *run = &campaign->journal.runs[i];
        if (!run->done)
            continue;
        char directory[PATH_MAX - 16];
        dv_journal_run_directory(&campaign->journal, i, directory, sizeof directory);
        snprintf(path, sizeof path, "%s/record", directory);
        status = load_file(path, &run->record_digest, tables);
    }
    if (status != DV_OK) {
        dv_tables_clear(tables);
        return status;
    }
    add_configuration(campaign, tables);
    add_filtered(campaign, tables);
    char id[24];
    snprintf(id, sizeof id, "%016" PRIx64, campaign->journal.id);
    dv_tables_set_campaign(tables, id);
    dv_record_judge(tables);
    return DV_OK;
}

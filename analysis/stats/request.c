#include "analysis/stats/commands.h"

#include <string.h>

static bool has_source(const struct dv_results *results, const struct dv_source_row *source)
{
    const struct dv_table *table = &results->table[DV_RESULT_SOURCES];
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_source_row *row = dv_table_row(table, i);
        if (strcmp(row->campaign, source->campaign) == 0 && strcmp(row->file, source->file) == 0)
            return true;
    }
    return false;
}

/* What reading the campaigns said, unless an analysis of the same ones has said it already. */
static void add_new(struct dv_results *results, const struct dv_results *read)
{
    const struct dv_table *sources = &read->table[DV_RESULT_SOURCES];
    const struct dv_table *left_out = &read->table[DV_RESULT_LEFT_OUT];
    bool any = false;
    for (size_t i = 0; i < sources->count; i++) {
        const struct dv_source_row *source = dv_table_row(sources, i);
        if (has_source(results, source))
            continue;
        *DV_RESULT_ADD(results, DV_RESULT_SOURCES, dv_source_row) = *source;
        any = true;
    }
    for (size_t i = 0; any && i < left_out->count; i++) {
        const struct dv_leftover_row *row = dv_table_row(left_out, i);
        dv_results_leave_out(results, row->what, row->reason, row->count);
    }
}

enum dv_status dv_request_open(const struct dv_stats_request *request, struct dv_study *study,
                               struct dv_results *results)
{
    struct dv_results read;
    *study = (struct dv_study){0};
    enum dv_status status = dv_results_read(results, request->directory);
    if (status != DV_OK && status != DV_ERR_NOT_FOUND)
        return status;
    dv_results_init(&read);
    status = dv_study_open(study, request->files, request->file_count, &read);
    if (status == DV_OK)
        add_new(results, &read);
    dv_results_clear(&read);
    return status;
}

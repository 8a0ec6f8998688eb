#include "harness/cli/commands.h"
#include "harness/record/store.h"

#include <limits.h>
#include <string.h>

/* Make the file from what is committed by now; `path`: where it is. */
static enum dv_status refresh(const struct dv_request *request, FILE *out, char *path,
                              size_t path_bytes)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    struct dv_tables tables;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    struct dv_campaign campaign = {&experiment, &plan, {.fd = -1}};
    dv_store_path(&experiment, path, path_bytes);
    status = dv_journal_open(&experiment, &plan, false, "", &campaign.journal);
    if (status == DV_OK) {
        status = dv_record_load(&campaign, &tables);
        if (status == DV_OK) {
            status = dv_store_write(&campaign, &tables, path);
            dv_tables_clear(&tables);
        }
        dv_journal_close(&campaign.journal);
    }
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

enum dv_status dv_command_report(const struct dv_request *request, FILE *out)
{
    char path[PATH_MAX];
    struct dv_tables tables;
    struct dv_store_info info;
    enum dv_status status = DV_OK;
    snprintf(path, sizeof path, "%s", request->path);
    if (!ends_with(path, ".h5"))
        status = refresh(request, out, path, sizeof path);
    if (status == DV_OK)
        status = dv_store_read(path, &tables, &info);
    if (status != DV_OK)
        return status;
    dv_report_print(&tables, &info, out);
    dv_tables_clear(&tables);
    return DV_OK;
}

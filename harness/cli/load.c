/* Experiments and results that a command is given by name. */
#include "harness/cli/commands.h"
#include "harness/launch/external.h"

#include <limits.h>
#include <string.h>

bool dv_path_ends(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);
    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

enum dv_status dv_request_open(const struct dv_request *request, FILE *out,
                               struct dv_experiment *experiment, struct dv_plan *plan)
{
    enum dv_status status = dv_experiment_open(experiment, request->paths[0], request->overrides);
    if (status != DV_OK)
        return status;
    if (request->show_config) {
        for (size_t i = 0; i < experiment->setting_count; i++)
            fprintf(out, "%s: %s    # %s\n", experiment->settings[i].key,
                    experiment->settings[i].value, experiment->settings[i].source);
    }
    experiment->unable = dv_external_unable;
    status = dv_plan_make(experiment, plan);
    if (status != DV_OK)
        dv_experiment_close(experiment);
    return status;
}

/* Make the file from what is committed by now. */
static enum dv_status refresh(const struct dv_request *request, const char *source, FILE *out,
                              char *path)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    struct dv_tables tables;
    struct dv_request own = *request;
    own.paths = &source;
    enum dv_status status = dv_request_open(&own, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    struct dv_campaign campaign = {&experiment, &plan, {.fd = -1}, NULL};
    dv_store_path(&experiment, path, PATH_MAX);
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

enum dv_status dv_request_load(const struct dv_request *request, const char *source, FILE *out,
                               char *path, struct dv_tables *tables, struct dv_store_info *info)
{
    enum dv_status status = DV_OK;
    snprintf(path, PATH_MAX, "%s", source);
    if (!dv_path_ends(source, ".h5"))
        status = refresh(request, source, out, path);
    return status == DV_OK ? dv_store_read(path, tables, info) : status;
}

#include "analysis/stats/commands.h"

static void (*const analyses[])(const struct dv_study *study,
                                const struct dv_analysis_options *options,
                                struct dv_results *results) = {
    dv_analyse_overhead, dv_analyse_geomean, dv_analyse_stall,   dv_analyse_bytes,
    dv_analyse_recovery, dv_analyse_models,  dv_analyse_optimum,
};

enum dv_status dv_command_analyse(const struct dv_stats_request *request)
{
    struct dv_study study;
    struct dv_results results;
    dv_results_init(&results);
    enum dv_status status = dv_study_open(&study, request->files, request->file_count, &results);
    for (size_t i = 0; status == DV_OK && i < sizeof analyses / sizeof analyses[0]; i++)
        analyses[i](&study, &request->analysis, &results);
    if (status == DV_OK)
        status = dv_results_write(&results, request->directory);
    dv_results_clear(&results);
    dv_study_close(&study);
    return status;
}

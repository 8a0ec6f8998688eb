/* The verbs of dejavu-stats and their options. */
#ifndef DV_ANALYSIS_COMMANDS_H
#define DV_ANALYSIS_COMMANDS_H

#include "analysis/stats/analyse.h"

struct dv_stats_request {
    char **files;
    size_t file_count;
    const char *directory; /* -o */
    struct dv_analysis_options analysis;
};

/* All tables from campaign files, into the directory. */
enum dv_status dv_command_analyse(const struct dv_stats_request *request) DV_CHECKED;

#endif

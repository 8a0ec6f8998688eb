/* The verbs of dejavu-stats and their options. */
#ifndef DV_ANALYSIS_COMMANDS_H
#define DV_ANALYSIS_COMMANDS_H

#include "analysis/stats/analyse.h"
#include "analysis/stats/simulator.h"

enum dv_place { DV_PLACE_NODE, DV_PLACE_PARTNER, DV_PLACE_SHARED };
extern const char *const dv_place_words[];

/* "node+partner+shared/4": where checkpoints go, least durable first, and every which one may. */
struct dv_hierarchy {
    char text[64];
    enum dv_place place[DV_LEVELS_MAX];
    int64_t every[DV_LEVELS_MAX];
    size_t count;
};

struct dv_law_choice {
    enum dv_failure_law law;
    double shape;
};

/* All combinations of the axes are simulated. */
struct dv_simulation_options {
    struct dv_axis nodes, node_mtbfs_s, bandwidths, intervals_s; /* an interval of 0: the optimum */
    struct dv_law_choice laws[DV_AXIS_MAX];
    size_t law_count;
    struct dv_hierarchy hierarchies[DV_AXIS_MAX];
    size_t hierarchy_count;
    bool partial;            /* beside coordinated rollback */
    const char *application; /* whose measured epochs; NULL: all */
    double memory_bytes;     /* of a node; NaN: as measured, all ranks together */
    double link_bandwidth;   /* B/s between partners */
    double node_lost_share,
        partner_lost_share; /* of failures: the node's storage, its partner's too */
    double logging;         /* partial: share of running time that message logging takes */
    double replay;          /* partial: time to compute again what took 1 */
    double work_s, age_s;
    size_t replications; /* 0: as many as the verb makes by itself */
};

struct dv_stats_request {
    char **files;
    size_t file_count;
    const char *directory; /* -o */
    struct dv_analysis_options analysis;
    struct dv_simulation_options simulation;
};

/* All tables from campaign files, into the directory. */
enum dv_status dv_command_analyse(const struct dv_stats_request *request) DV_CHECKED;
/* Replay measured costs at scale: tables simulation and crossover, put beside those in the
 * directory. */
enum dv_status dv_command_simulate(const struct dv_stats_request *request) DV_CHECKED;
/* Simulate the campaigns' own runs with faults: table validation, put beside the others. */
enum dv_status dv_command_validate(const struct dv_stats_request *request) DV_CHECKED;

/* The rows of that table. */
void dv_validate(const struct dv_stats_request *request, const struct dv_study *study,
                 struct dv_results *results);
/* The study, and the tables that are in the directory already, if any. The caller frees both,
 * whatever this returns. */
enum dv_status dv_request_open(const struct dv_stats_request *request, struct dv_study *study,
                               struct dv_results *results) DV_CHECKED;

#endif

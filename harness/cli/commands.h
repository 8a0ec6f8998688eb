/* The verbs of dejavu-bench. Each says what goes wrong and returns a status. */
#ifndef DV_HARNESS_COMMANDS_H
#define DV_HARNESS_COMMANDS_H

#include "harness/record/store.h"

#include <stdio.h>

struct dv_request {
    const char *const *paths; /* what stands behind the verb, NULL at the end */
    size_t path_count;
    const char *const *overrides; /* "key=value", NULL at the end */
    const char *arguments;        /* the whole command line but the program, to resume with */
    const char *filter, *html, *metrics, *output; /* NULL: not given */
    const char *const *results;                   /* of `plan`: HDF5 files, NULL at the end */
    bool show_config, resume, summary;
};

typedef enum dv_status dv_command(const struct dv_request *request, FILE *out);
dv_command dv_command_plan, dv_command_run, dv_command_status, dv_command_show, dv_command_compare,
    dv_command_report, dv_command_merge;
/* The keys of an experiment with unit, default and meaning. */
void dv_command_keys(FILE *out);

/* Experiment (paths[0]) and plan of a request; the settings are printed first when asked for. */
enum dv_status dv_request_open(const struct dv_request *request, FILE *out,
                               struct dv_experiment *experiment, struct dv_plan *plan) DV_CHECKED;

/* The results in an HDF5 file, or in the campaign of an experiment file: then the HDF5 file is made
 * anew from what is committed by now. `path`: the HDF5 file; of PATH_MAX bytes. */
enum dv_status dv_request_load(const struct dv_request *request, const char *source, FILE *out,
                               char *path, struct dv_tables *tables,
                               struct dv_store_info *info) DV_CHECKED;
/* Does it end so? For ".h5" and ".yaml". */
bool dv_path_ends(const char *path, const char *end);

/* The campaign in figures for Prometheus' node exporter (textfile collector), renamed into place.
 * `seconds_left`: NaN if it is not known. */
enum dv_status dv_metrics_write(const char *path, const struct dv_campaign *campaign,
                                const struct dv_tables *tables, double seconds_left) DV_CHECKED;

/* The tables of results for a person, from what an HDF5 file holds. */
void dv_report_print(const struct dv_tables *tables, const struct dv_store_info *info, FILE *out);

#endif

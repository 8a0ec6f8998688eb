/* The verbs of dejavu-bench. Each says what goes wrong and returns a status. */
#ifndef DV_HARNESS_COMMANDS_H
#define DV_HARNESS_COMMANDS_H

#include "harness/record/record.h"

#include <stdio.h>

struct dv_request {
    const char *path;             /* the experiment, or for `report` an HDF5 file */
    const char *const *overrides; /* "key=value", NULL at the end */
    const char *arguments;        /* the whole command line but the program, to resume with */
    bool show_config;
};

enum dv_status dv_command_plan(const struct dv_request *request, FILE *out) DV_CHECKED;
enum dv_status dv_command_run(const struct dv_request *request, FILE *out) DV_CHECKED;
enum dv_status dv_command_status(const struct dv_request *request, FILE *out) DV_CHECKED;
enum dv_status dv_command_report(const struct dv_request *request, FILE *out) DV_CHECKED;
/* The keys of an experiment with unit, default and meaning. */
void dv_command_keys(FILE *out);

/* Experiment and plan of a request; the settings are printed first when asked for. */
enum dv_status dv_request_open(const struct dv_request *request, FILE *out,
                               struct dv_experiment *experiment, struct dv_plan *plan) DV_CHECKED;

/* The tables of results for a person, from what an HDF5 file holds. */
struct dv_store_info;
void dv_report_print(const struct dv_tables *tables, const struct dv_store_info *info, FILE *out);

#endif

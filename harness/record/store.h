/* The HDF5 file of a campaign: made anew from the records each time, written to a temporary name
 * and renamed, so that it is always whole. Its layout is described in results/README.md. */
#ifndef DV_HARNESS_STORE_H
#define DV_HARNESS_STORE_H

#include "harness/record/record.h"

/* "<output>/<name>.h5" */
void dv_store_path(const struct dv_experiment *experiment, char *path, size_t path_bytes);
enum dv_status dv_store_write(const struct dv_campaign *campaign, const struct dv_tables *tables,
                              const char *path) DV_CHECKED;

/* What a reader of a file needs beside the tables. */
struct dv_store_info {
    char name[128], description[512];
    int64_t schema_version, runs_planned;
};
enum dv_status dv_store_read(const char *path, struct dv_tables *tables,
                             struct dv_store_info *info) DV_CHECKED;

#endif

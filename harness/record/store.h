/* The HDF5 file of a campaign: made anew from the records each time, written to a temporary name
 * and renamed, so that it is always whole. Its layout is described in results/README.md. */
#ifndef DV_HARNESS_STORE_H
#define DV_HARNESS_STORE_H

#include "harness/record/record.h"

#define DV_STORE_GENERATOR "dejavu-bench"

/* "<output>/<name>.h5" */
void dv_store_path(const struct dv_experiment *experiment, char *path, size_t path_bytes);
enum dv_status dv_store_write(const struct dv_campaign *campaign, const struct dv_tables *tables,
                              const char *path) DV_CHECKED;

/* What a reader of a file needs beside the tables. */
struct dv_store_info {
    char name[128], description[512];
    int64_t schema_version, runs_planned;
};
/* Write a file under a temporary name by `write` and rename it. `remedy`: what to do when that fails.
 */
typedef bool dv_store_writer(hid_t file, const void *context);
enum dv_status dv_store_replace(const char *path, dv_store_writer *write, const void *context,
                                const char *remedy) DV_CHECKED;
bool dv_store_write_tables(const struct dv_tables *tables, hid_t file);

/* The file of merged campaigns: the tables, and from each of `sources` (NULL at the end) the
 * configuration, byte for byte. */
enum dv_status dv_store_merge(const struct dv_tables *tables, const struct dv_store_info *info,
                              const char *const *sources, const char *path) DV_CHECKED;

enum dv_status dv_store_read(const char *path, struct dv_tables *tables,
                             struct dv_store_info *info) DV_CHECKED;

#endif

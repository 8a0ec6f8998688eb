#include "harness/record/store.h"

#include "harness/config/say.h"
#include "harness/record/attributes.h"
#include "harness/record/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void dv_store_path(const struct dv_experiment *experiment, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/%s.h5", experiment->output, experiment->name);
}

static bool write_configuration(const struct dv_experiment *e, hid_t file)
{
    hid_t group = H5Gcreate2(file, "configuration", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return false;
    bool done = dv_attribute_write_text(group, "description", "what was asked for") &&
                dv_text_write(group, "yaml", e->text, "the experiment file, byte for byte") &&
                dv_attribute_write_number(group, "seed", e->seed) &&
                dv_attribute_write_text(group, "file", e->path);
    return H5Gclose(group) >= 0 && done;
}

enum dv_status dv_store_replace(const char *path, dv_store_writer *write, const void *context,
                                const char *remedy)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    errno = 0;
    hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    bool done = file >= 0 && write(file, context);
    int error = errno;
    if (file >= 0 && H5Fclose(file) < 0)
        done = false;
    if (!done) {
        unlink(temporary);
        return dv_bench_fail(error == ENOSPC ? DV_ERR_NO_SPACE : DV_ERR_IO,
                             "cannot write %s (%s); %s", path,
                             error ? strerror(error) : "HDF5 error", remedy);
    }
    enum dv_status status = dv_file_sync(temporary);
    if (status != DV_OK)
        return status;
    if (rename(temporary, path) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot rename %s: %s", temporary, strerror(errno));
    return DV_OK;
}

struct contents {
    const struct dv_campaign *campaign;
    const struct dv_tables *tables;
};

static bool write_all(hid_t file, const void *context)
{
    const struct contents *contents = context;
    const struct dv_campaign *c = contents->campaign;
    const struct dv_experiment *e = c->experiment;
    char id[24], digest[24];
    snprintf(id, sizeof id, "%016" PRIx64, c->journal.id);
    snprintf(digest, sizeof digest, "%016" PRIx64, c->plan->digest);
    return dv_attribute_write_number(file, "schema_version", DV_SCHEMA_VERSION) &&
           dv_attribute_write_text(file, "generator", DV_STORE_GENERATOR) &&
           dv_attribute_write_text(file, "name", e->name) &&
           dv_attribute_write_text(file, "description", e->description) &&
           dv_attribute_write_text(file, "campaign", id) &&
           dv_attribute_write_text(file, "plan", digest) &&
           dv_attribute_write_number(file, "runs_planned", (int64_t)c->plan->run_count) &&
           write_configuration(e, file) && dv_store_write_tables(contents->tables, file);
}

bool dv_store_write_tables(const struct dv_tables *tables, hid_t file)
{
    for (size_t i = 0; i < DV_TABLES; i++) {
        if (dv_table_write(&tables->table[i], file) != DV_OK)
            return false;
    }
    return true;
}

enum dv_status dv_store_write(const struct dv_campaign *campaign, const struct dv_tables *tables,
                              const char *path)
{
    const struct contents contents = {campaign, tables};
    return dv_store_replace(path, write_all, &contents,
                            "the records are whole: make room, then dejavu-bench report makes it "
                            "anew");
}

static enum dv_status read_all(hid_t file, const char *path, struct dv_tables *tables,
                               struct dv_store_info *info)
{
    info->schema_version = dv_attribute_read_number(file, "schema_version");
    info->runs_planned = dv_attribute_read_number(file, "runs_planned");
    dv_attribute_read_text(file, "name", info->name, sizeof info->name);
    dv_attribute_read_text(file, "description", info->description, sizeof info->description);
    if (info->schema_version < DV_SCHEMA_OLDEST || info->schema_version > DV_SCHEMA_VERSION)
        return dv_bench_fail(DV_ERR_MISMATCH,
                             "%s: schema version %" PRId64 "; this program reads %d to %d", path,
                             info->schema_version, DV_SCHEMA_OLDEST, DV_SCHEMA_VERSION);
    for (size_t i = 0; i < DV_TABLES; i++) {
        enum dv_status status = dv_table_read(&tables->table[i], file);
        bool older = i == DV_TABLE_DECISIONS && info->schema_version < 2;
        if (status != DV_OK && !(older && status == DV_ERR_NOT_FOUND))
            return dv_bench_fail(DV_ERR_DAMAGED, "%s: table /%s is missing or damaged", path,
                                 dv_table_kinds[i].name);
    }
    char id[24];
    dv_attribute_read_text(file, "campaign", id, sizeof id);
    dv_tables_set_campaign(tables, id); /* older files say it only once */
    return DV_OK;
}

enum dv_status dv_store_read(const char *path, struct dv_tables *tables, struct dv_store_info *info)
{
    dv_tables_init(tables);
    memset(info, 0, sizeof *info);
    if (!dv_file_exists(path))
        return dv_bench_fail(DV_ERR_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        return dv_bench_fail(DV_ERR_DAMAGED,
                             "%s is not an HDF5 file, or is damaged; a campaign's file is made "
                             "anew from its records by: dejavu-bench report EXPERIMENT.yaml",
                             path);
    enum dv_status status = read_all(file, path, tables, info);
    H5Fclose(file);
    if (status != DV_OK)
        dv_tables_clear(tables);
    return status;
}

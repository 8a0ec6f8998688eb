#include "harness/record/store.h"

#include "harness/config/say.h"
#include "harness/record/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define GENERATOR "dejavu-bench"

void dv_store_path(const struct dv_experiment *experiment, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/%s.h5", experiment->output, experiment->name);
}

/* A fixed-length UTF-8 type for this text. */
static hid_t text_type(const char *text)
{
    size_t bytes = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, bytes ? bytes : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static bool write_text(hid_t parent, const char *name, const char *text)
{
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(parent, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

static bool write_yaml(hid_t group, const char *text)
{
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR);
    hid_t dataset = H5Dcreate2(group, "yaml", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool done = dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0 &&
                write_text(dataset, "description", "the experiment file, byte for byte");
    if (dataset >= 0)
        H5Dclose(dataset);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

static bool write_number(hid_t parent, const char *name, int64_t number)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(parent, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT64, &number) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return done;
}

static bool write_configuration(const struct dv_experiment *e, hid_t file)
{
    hid_t group = H5Gcreate2(file, "configuration", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return false;
    bool done = write_text(group, "description", "what was asked for") &&
                write_yaml(group, e->text) && write_number(group, "seed", e->seed) &&
                write_text(group, "file", e->path);
    return H5Gclose(group) >= 0 && done;
}

static bool write_all(const struct dv_campaign *c, const struct dv_tables *tables, hid_t file)
{
    const struct dv_experiment *e = c->experiment;
    char id[24], digest[24];
    snprintf(id, sizeof id, "%016" PRIx64, c->journal.id);
    snprintf(digest, sizeof digest, "%016" PRIx64, c->plan->digest);
    bool done = write_number(file, "schema_version", DV_SCHEMA_VERSION) &&
                write_text(file, "generator", GENERATOR) && write_text(file, "name", e->name) &&
                write_text(file, "description", e->description) &&
                write_text(file, "campaign", id) && write_text(file, "plan", digest) &&
                write_number(file, "runs_planned", (int64_t)c->plan->run_count) &&
                write_configuration(e, file);
    for (size_t i = 0; done && i < DV_TABLES; i++)
        done = dv_table_write(&tables->table[i], file) == DV_OK;
    return done;
}

enum dv_status dv_store_write(const struct dv_campaign *campaign, const struct dv_tables *tables,
                              const char *path)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    bool done = file >= 0 && write_all(campaign, tables, file);
    int error = errno;
    if (file >= 0 && H5Fclose(file) < 0)
        done = false;
    if (!done) {
        unlink(temporary);
        return dv_bench_fail(DV_ERR_IO,
                             "cannot write %s (%s); the records are whole, `report` tries again",
                             path, error ? strerror(error) : "HDF5 error");
    }
    enum dv_status status = dv_file_sync(temporary);
    if (status != DV_OK)
        return status;
    if (rename(temporary, path) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot rename %s: %s", temporary, strerror(errno));
    return DV_OK;
}

static int64_t read_number(hid_t file, const char *name)
{
    int64_t number = -1;
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    if (attribute >= 0 && H5Aread(attribute, H5T_NATIVE_INT64, &number) < 0)
        number = -1;
    if (attribute >= 0)
        H5Aclose(attribute);
    return number;
}

static void read_text(hid_t file, const char *name, char *text, size_t text_bytes)
{
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, text_bytes);
    H5Tset_cset(type, H5T_CSET_UTF8);
    text[0] = '\0';
    if (attribute >= 0 && H5Aread(attribute, type, text) < 0)
        text[0] = '\0';
    text[text_bytes - 1] = '\0';
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Tclose(type);
}

static enum dv_status read_all(hid_t file, const char *path, struct dv_tables *tables,
                               struct dv_store_info *info)
{
    info->schema_version = read_number(file, "schema_version");
    info->runs_planned = read_number(file, "runs_planned");
    read_text(file, "name", info->name, sizeof info->name);
    read_text(file, "description", info->description, sizeof info->description);
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
        return dv_bench_fail(DV_ERR_DAMAGED, "%s is not an HDF5 file, or is damaged", path);
    enum dv_status status = read_all(file, path, tables, info);
    H5Fclose(file);
    if (status != DV_OK)
        dv_tables_clear(tables);
    return status;
}

/* Several campaigns in one file: rows as they are, but with keys that are unique in the new file. */
#include "harness/cli/commands.h"
#include "harness/config/arena.h"
#include "harness/config/say.h"
#include "harness/record/file.h"

#include <inttypes.h>
#include <string.h>

/* What must be added to the keys of the next file. */
struct offsets {
    int64_t run, block, session;
};

static void add_to_column(struct dv_table *table, const char *name, int64_t offset)
{
    const struct dv_column *column = dv_table_column(table->kind, name);
    for (size_t i = 0; column && i < table->count; i++)
        *(int64_t *)(void *)((char *)dv_table_row(table, i) + column->offset) += offset;
}

/* The largest value of a column in the table, plus 1. */
static int64_t behind_column(const struct dv_table *table, const char *name)
{
    const struct dv_column *column = dv_table_column(table->kind, name);
    int64_t behind = 0;
    for (size_t i = 0; i < table->count; i++) {
        int64_t value =
            *(const int64_t *)(const void *)((const char *)dv_table_row(table, i) + column->offset);
        behind = value >= behind ? value + 1 : behind;
    }
    return behind;
}

static void append(struct dv_tables *to, struct dv_tables *from, struct offsets *offsets)
{
    const struct offsets own = *offsets;
    for (size_t i = 0; i < DV_TABLES; i++) {
        struct dv_table *table = &from->table[i];
        add_to_column(table, "run", own.run);
        add_to_column(table, "block", own.block);
        add_to_column(table, "session", own.session);
        for (size_t row = 0; row < table->count; row++)
            memcpy(dv_table_add(&to->table[i]), dv_table_row(table, row), table->kind->row_bytes);
    }
    offsets->run = behind_column(&to->table[DV_TABLE_RUNS], "run");
    offsets->block = behind_column(&to->table[DV_TABLE_RUNS], "block");
    offsets->session = behind_column(&to->table[DV_TABLE_ENVIRONMENT], "session");
}

/* A campaign that is in two files would be counted twice. */
static enum dv_status check_new(const struct dv_tables *merged, const struct dv_tables *next,
                                const char *path)
{
    const struct dv_table *old = &merged->table[DV_TABLE_RUNS], *new = &next->table[DV_TABLE_RUNS];
    for (size_t i = 0; i < old->count; i++) {
        for (size_t j = 0; j < new->count; j++) {
            const struct dv_run_row *a = dv_table_row(old, i), *b = dv_table_row(new, j);
            if (strcmp(a->campaign, b->campaign) == 0)
                return dv_bench_fail(
                    DV_ERR_USAGE,
                    "merge: campaign %s of %s is there already; name each campaign "
                    "once",
                    b->campaign, path);
        }
    }
    return DV_OK;
}

/* As a set: "a, b" */
static void add_name(const struct dv_store_info *next, struct dv_store_info *info)
{
    char names[sizeof info->name + sizeof next->name + sizeof ", "];
    snprintf(names, sizeof names, "%s%s%s", info->name, *info->name ? ", " : "", next->name);
    DV_TEXT_SET(info->name, names);
    if (next->runs_planned > 0)
        info->runs_planned += next->runs_planned;
}

enum dv_status dv_command_merge(const struct dv_request *request, FILE *out)
{
    (void)out;
    struct dv_tables merged, next;
    struct dv_store_info info = {.description = "merged campaigns"}, of_next;
    struct offsets offsets = {0};
    enum dv_status status = DV_OK;
    if (!request->output || !dv_path_ends(request->output, ".h5"))
        return dv_bench_fail(DV_ERR_USAGE, "merge: name the file to write: -o OUT.h5");
    if (dv_file_exists(request->output))
        return dv_bench_fail(DV_ERR_USAGE, "merge: %s is there already; remove it first",
                             request->output);
    dv_tables_init(&merged);
    for (size_t i = 0; status == DV_OK && i < request->path_count; i++) {
        status = dv_store_read(request->paths[i], &next, &of_next);
        if (status != DV_OK)
            break;
        status = check_new(&merged, &next, request->paths[i]);
        if (status == DV_OK) {
            append(&merged, &next, &offsets);
            add_name(&of_next, &info);
        }
        dv_tables_clear(&next);
    }
    if (status == DV_OK)
        status = dv_store_merge(&merged, &info, request->paths, request->output);
    if (status == DV_OK)
        dv_bench_say("%zu runs of %zu files in %s", merged.table[DV_TABLE_RUNS].count,
                     request->path_count, request->output);
    dv_tables_clear(&merged);
    return status;
}

/* bench-record: puts what `make bench` measured into an HDF5 file and prints what comes of it.
 *
 *     bench-record latency   FILE.h5 BINDIR PAIR:POSITION:BASE:OUTPUT ...
 *     bench-record bandwidth FILE.h5 BINDIR RUN:RANKS:EVENTS:OUTPUT ...
 *     bench-record stall     FILE.h5 BINDIR RUN:PLACE,PROGRAM,CAPTURE,RANKS:EVENTS:OUTPUT ...
 *     bench-record restart   FILE.h5 BINDIR RUN:PROGRAM,HOW,RANKS,NANOSECONDS:EVENTS:- ...
 *     bench-record cost      FILE.h5 BINDIR RUN:BLOCK,POSITION,PROGRAM,CLASS,BASE,SECONDS:EVENTS|-:PROGRESS ...
 *     bench-record total     the same
 *
 * OUTPUT: what bench-pingpong, bench-memory or bench-dirty printed (lines of other programs are no
 * part of it and an error; `-`: another program was run). PROGRESS: what an NPB program wrote with --progress. EVENTS: the job's events. The file is written to a temporary name and renamed. */
#include "framework/tests/bench/record.h"

#include "harness/config/experiment.h"
#include "harness/config/say.h"
#include "harness/record/attributes.h"
#include "harness/record/environment.h"
#include "harness/record/events.h"
#include "harness/record/file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH_SCHEMA_VERSION 2 /* that of the harness, whose tables are in it */

enum dv_status bench_read_output(const char *path, struct dv_table *table)
{
    char *text, *line;
    size_t length, number = 0, name_length = strlen(table->kind->name);
    enum dv_status status = dv_file_read(path, &text, &length);
    if (status != DV_OK)
        return dv_bench_fail(status, "cannot read %s: %s", path, strerror(errno));
    for (char *rest = text; status == DV_OK && (line = strsep(&rest, "\n"));) {
        number++;
        if (*line == '\0')
            continue;
        if (strncmp(line, table->kind->name, name_length) != 0 || line[name_length] != ' ')
            status = DV_ERR_DAMAGED;
        else
            status = dv_table_parse_row(table, line + name_length + 1);
        if (status != DV_OK)
            status = dv_bench_fail(DV_ERR_DAMAGED, "%s:%zu: not a line of results: %.80s", path,
                                   number, line);
    }
    free(text);
    return status;
}

enum dv_status bench_split(char *item, char *part[4])
{
    char *rest = item;
    for (int i = 0; i < 3; i++)
        part[i] = strsep(&rest, ":");
    part[3] = rest;
    return rest && *rest ? DV_OK
                         : dv_bench_fail(DV_ERR_USAGE, "%s: four parts, separated by colons", item);
}

static enum dv_status read_latency(char *item, struct bench_tables *tables)
{
    char *part[4];
    size_t first = tables->batches.count;
    enum dv_status status = bench_split(item, part);
    if (status == DV_OK)
        status = bench_read_output(part[3], &tables->batches);
    if (status == DV_OK && tables->batches.count == first)
        status = dv_bench_fail(DV_ERR_DAMAGED, "%s holds no results", part[3]);
    for (size_t i = first; status == DV_OK && i < tables->batches.count; i++) {
        struct bench_batch *batch = dv_table_row(&tables->batches, i);
        batch->pair = strtoll(part[0], NULL, 10);
        batch->position = strtoll(part[1], NULL, 10);
        status = dv_table_set(&bench_batches, batch, "base", part[2]);
    }
    return status;
}

static enum dv_status read_bandwidth(char *item, struct bench_tables *tables)
{
    char *part[4];
    size_t first = tables->copies.count, epochs = tables->harness.table[DV_TABLE_EPOCHS].count;
    struct dv_events_summary summary;
    enum dv_status status = bench_split(item, part);
    if (status != DV_OK)
        return status;
    int64_t run = strtoll(part[0], NULL, 10);
    struct bench_job *job = dv_table_add(&tables->jobs);
    *job = (struct bench_job){.run = run, .ranks = strtoll(part[1], NULL, 10)};
    status = bench_read_output(part[3], &tables->copies);
    for (size_t i = first; i < tables->copies.count; i++)
        ((struct bench_copy *)dv_table_row(&tables->copies, i))->run = run;
    if (status == DV_OK)
        status = dv_events_read(part[2], run, 0, &tables->harness, &summary);
    if (status == DV_OK && tables->harness.table[DV_TABLE_EPOCHS].count == epochs)
        status = dv_bench_fail(DV_ERR_DAMAGED, "%s tells of no checkpoint", part[2]);
    return status;
}

/* Tables without rows are not of this benchmark. */
static bool write_tables(const struct bench_tables *tables, const char *what, hid_t file)
{
    const struct dv_table *own[] = {&tables->batches,    &tables->jobs,      &tables->copies,
                                    &tables->stall_jobs, &tables->rounds,    &tables->restarts,
                                    &tables->cost_jobs,  &tables->iterations};
    bool done = dv_attribute_write_number(file, "schema_version", BENCH_SCHEMA_VERSION) &&
                dv_attribute_write_text(file, "generator", "bench-record") &&
                dv_attribute_write_text(file, "name", what);
    for (size_t i = 0; done && i < sizeof own / sizeof *own; i++)
        done = own[i]->count == 0 || dv_table_write(own[i], file) == DV_OK;
    for (size_t i = 0; done && i < DV_TABLES; i++)
        done = tables->harness.table[i].count == 0 ||
               dv_table_write(&tables->harness.table[i], file) == DV_OK;
    return done;
}

static enum dv_status write_file(const struct bench_tables *tables, const char *what,
                                 const char *path)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    bool done = file >= 0 && write_tables(tables, what, file);
    if (file >= 0 && H5Fclose(file) < 0)
        done = false;
    if (!done) {
        unlink(temporary);
        return dv_bench_fail(DV_ERR_IO, "cannot write %s: is its directory there, and writable?",
                             path);
    }
    enum dv_status status = dv_file_sync(temporary);
    if (status == DV_OK && rename(temporary, path) != 0)
        status = dv_bench_fail(DV_ERR_SYSTEM, "cannot rename %s: %s", temporary, strerror(errno));
    return status;
}

static void note_environment(struct bench_tables *tables, const char *bindir, const char *path)
{
    char directory[PATH_MAX], *slash;
    snprintf(directory, sizeof directory, "%s", path);
    slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    struct dv_experiment e = {.name = "bench",
                              .output = slash ? directory : ".",
                              .scratch = "/dev/shm",
                              .bindir = bindir,
                              .mpiexec = "mpiexec.mpich"};
    dv_environment_collect(&e, 0, &tables->harness);
}

#define COST_ITEM "RUN:BLOCK,POSITION,PROGRAM,CLASS,BASE,SECONDS:EVENTS|-:PROGRESS"
static const struct part {
    const char *name, *item;
    enum dv_status (*read)(char *item, struct bench_tables *tables);
    void (*summarize)(const struct bench_tables *tables);
} parts[] = {
    {"latency", "PAIR:POSITION:BASE:OUTPUT", read_latency, bench_summarize_latency},
    {"bandwidth", "RUN:RANKS:EVENTS:OUTPUT", read_bandwidth, bench_summarize_bandwidth},
    {"stall", "RUN:PLACE,PROGRAM,CAPTURE,RANKS:EVENTS:OUTPUT", bench_read_stall,
     bench_summarize_stall},
    {"restart", "RUN:PROGRAM,HOW,RANKS,NANOSECONDS:EVENTS:-", bench_read_restart,
     bench_summarize_restart},
    {"cost", COST_ITEM, bench_read_cost, bench_summarize_cost},
    {"total", COST_ITEM, bench_read_cost, bench_summarize_cost},
};
#define PARTS (sizeof parts / sizeof parts[0])

static int usage(void)
{
    for (size_t i = 0; i < PARTS; i++)
        fprintf(stderr, "%s bench-record %s FILE.h5 BINDIR %s ...\n",
                i ? "      " : "usage:", parts[i].name, parts[i].item);
    return DV_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct bench_tables tables = {.batches = {.kind = &bench_batches},
                                  .copies = {.kind = &bench_copies},
                                  .jobs = {.kind = &bench_jobs},
                                  .stall_jobs = {.kind = &bench_stall_jobs},
                                  .rounds = {.kind = &bench_rounds},
                                  .restarts = {.kind = &bench_restarts},
                                  .cost_jobs = {.kind = &bench_cost_jobs},
                                  .iterations = {.kind = &bench_iterations}};
    const struct part *part = parts;
    while (argc > 4 && part < parts + PARTS && strcmp(part->name, argv[1]) != 0)
        part++;
    if (argc <= 4 || part == parts + PARTS)
        return usage();
    enum dv_status status = DV_OK;
    dv_tables_init(&tables.harness);
    for (int i = 4; i < argc && status == DV_OK; i++)
        status = part->read(argv[i], &tables);
    if (status == DV_OK) {
        note_environment(&tables, argv[3], argv[2]);
        status = write_file(&tables, argv[1], argv[2]);
    }
    if (status == DV_OK)
        part->summarize(&tables);
    struct dv_table *own[] = {&tables.batches,    &tables.copies,    &tables.jobs,
                              &tables.stall_jobs, &tables.rounds,    &tables.restarts,
                              &tables.cost_jobs,  &tables.iterations};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        dv_table_clear(own[i]);
    dv_tables_clear(&tables.harness);
    return status == DV_OK ? DV_EXIT_OK : DV_EXIT_FAILED;
}

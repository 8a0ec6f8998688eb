/* What the parts of bench-record share: the tables of results/latency.h5, bandwidth.h5, stall.h5, restart.h5, cost.h5 and total.h5. */
#ifndef DV_BENCH_RECORD_H
#define DV_BENCH_RECORD_H

#include "harness/record/schema.h"

enum bench_base { BENCH_NATIVE, BENCH_IDLE };

struct bench_batch {
    int64_t pair, position, bytes, batch, messages;
    int32_t base;
    char operation[16];
    double seconds;
};

struct bench_copy {
    int64_t run, rank, at_ns, copied_bytes;
    double seconds;
};

struct bench_job {
    int64_t run, ranks;
};

/* A job of stall.h5, also in a table /jobs. */
struct bench_stall_job {
    int64_t run, ranks;
    char place[16], program[16], capture[32];
};

struct bench_round {
    int64_t run, rank, round, at_ns, iterations, pages, longest_ns, median_ns;
};

/* A restart of restart.h5, also in a table /jobs. */
struct bench_restart {
    int64_t run, ranks, computing_ns;
    char program[16], how[16];
};

/* A run of cost.h5 or total.h5, also in a table /jobs. */
struct bench_cost_job {
    int64_t run, block, position;
    char program[16], class_name[4], base[16];
    double interval_s;
};

struct bench_iteration {
    int64_t run, iteration, at_ns;
    double seconds;
    int32_t moment;
};

extern const struct dv_table_kind bench_batches, bench_copies, bench_jobs, bench_stall_jobs,
    bench_rounds, bench_restarts, bench_cost_jobs, bench_iterations;

struct bench_tables {
    struct dv_table batches, copies, jobs, stall_jobs, rounds, restarts, cost_jobs, iterations;
    struct dv_tables harness; /* of these: epochs, decisions, restores, events, environment */
};

/* Split "a:b:c:rest" in place. Says what is wrong. */
enum dv_status bench_split(char *item, char *part[4]) DV_CHECKED;
/* The lines "<table> key=value ..." of a program's output become rows of `table`. */
enum dv_status bench_read_output(const char *path, struct dv_table *table) DV_CHECKED;

enum dv_status bench_read_stall(char *item, struct bench_tables *tables) DV_CHECKED;

enum dv_status bench_read_restart(char *item, struct bench_tables *tables) DV_CHECKED;

enum dv_status bench_read_cost(char *item, struct bench_tables *tables) DV_CHECKED;

void bench_summarize_latency(const struct bench_tables *tables);
void bench_summarize_bandwidth(const struct bench_tables *tables);
void bench_summarize_stall(const struct bench_tables *tables);
void bench_summarize_restart(const struct bench_tables *tables);
void bench_summarize_cost(const struct bench_tables *tables);

#endif

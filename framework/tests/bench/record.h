/* What the parts of bench-record share: the tables of results/latency.h5 and results/bandwidth.h5.
 */
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

extern const struct dv_table_kind bench_batches, bench_copies, bench_jobs;

struct bench_tables {
    struct dv_table batches, copies, jobs;
    struct dv_tables harness; /* of these: epochs, restores, events, environment */
};

void bench_summarize_latency(const struct bench_tables *tables);
void bench_summarize_bandwidth(const struct bench_tables *tables);

#endif

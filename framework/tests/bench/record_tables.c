/* The columns that the harness's schema does not have. */
#include "framework/tests/bench/record.h"

#define COLUMN(type, struct_name, member, unit, description)                                       \
    {                                                                                              \
        .name = #member, DV_COLUMN_##type, offsetof(struct struct_name, member),                   \
        sizeof(((struct struct_name *)0)->member), unit, description, NULL                         \
    }

static const char *const bases[] = {"native", "idle", NULL};

static const struct dv_column batch_columns[] = {
    COLUMN(INT, bench_batch, pair, "index", "a native and an idle run, one after the other"),
    COLUMN(INT, bench_batch, position, "index", "0: the pair's first run; alternates"),
    {.name = "base",
     DV_COLUMN_ENUM,
     offsetof(struct bench_batch, base),
     sizeof(int32_t),
     "enum",
     "native: without DejaVu; idle: under `dejavu run`, no checkpoints",
     bases},
    COLUMN(TEXT, bench_batch, operation, "text",
           "send: MPI_Send and MPI_Recv; isend: MPI_Irecv, MPI_Isend, MPI_Wait; allreduce"),
    COLUMN(INT, bench_batch, bytes, "B", "payload of a message"),
    COLUMN(INT, bench_batch, batch, "index", "place within the run, warm-up not counted"),
    COLUMN(INT, bench_batch, messages, "messages", "in the batch, both ways"),
    COLUMN(REAL, bench_batch, seconds, "s",
           "per message (half a round trip; allreduce: per call), MPI_Wtime around the batch"),
    {.name = NULL},
};

static const struct dv_column copy_columns[] = {
    COLUMN(INT, bench_copy, run, "index", "key of /jobs"),
    COLUMN(INT, bench_copy, rank, "index", "MPI rank; all ranks copy at once"),
    COLUMN(INT, bench_copy, at_ns, "ns", "start, CLOCK_MONOTONIC"),
    COLUMN(INT, bench_copy, copied_bytes, "B", "length given to memcpy; both buffers are warm"),
    COLUMN(REAL, bench_copy, seconds, "s",
           "duration; one during which a checkpoint was taken includes it"),
    {.name = NULL},
};

static const struct dv_column job_columns[] = {
    COLUMN(INT, bench_job, run, "index", "key of a job in all tables"),
    COLUMN(INT, bench_job, ranks, "processes", "processes, each with memory of its own to save"),
    {.name = NULL},
};

const struct dv_table_kind bench_batches = {"batches", "every batch of messages, raw",
                                            sizeof(struct bench_batch), batch_columns};
const struct dv_table_kind bench_copies = {"copies", "every memcpy beside the checkpoints, raw",
                                           sizeof(struct bench_copy), copy_columns};
const struct dv_table_kind bench_jobs = {
    "jobs", "jobs under `dejavu run` that were checkpointed, killed and restarted",
    sizeof(struct bench_job), job_columns};

/* The tables of a campaign. What each column means is said in schema.c, which also writes it into
 * the HDF5 file. */
#ifndef DV_HARNESS_SCHEMA_H
#define DV_HARNESS_SCHEMA_H

#include "harness/record/table.h"

/* Goes up when a reader of the older schema would misread a file. */
#define DV_SCHEMA_VERSION 2
/* The oldest that is still read: 1 has no /decisions, and its images were written while the
 * application stood still. */
#define DV_SCHEMA_OLDEST 1

enum dv_outcome { DV_OUTCOME_FAILED, DV_OUTCOME_OK };
enum dv_verification {
    DV_VERIFICATION_MISSING,
    DV_VERIFICATION_SUCCESSFUL,
    DV_VERIFICATION_NOT_ASKED,
};
/* How pages were kept for the writer; 0 in files that do not say. */
enum dv_snapshot_kind {
    DV_SNAPSHOT_KIND_UNREPORTED,
    DV_SNAPSHOT_KIND_STOP,
    DV_SNAPSHOT_KIND_COPY,
    DV_SNAPSHOT_KIND_FORK
};
enum dv_counter_state { DV_COUNTER_COUNTED, DV_COUNTER_UNAVAILABLE };

struct dv_run_row {
    int64_t run, block, position, session, seed;
    int32_t warmup, strategy_kind, outcome, verified, verification, timed_out, oversubscribed;
    int32_t cache, pin;
    char campaign[24], application[96], class_name[16], parameters[160];
    int64_t ranks;
    char system[24], strategy[128], capture[48], protocol[48], options[256], fault[128];
    double interval_s, wall_s, application_s, user_s, system_s;
    int64_t max_rss_bytes, start_unix_ns, exit_status, signal, epochs, restarts;
    double load_before;
    char digest[64], reason[256], command[1024];
};

struct dv_epoch_row {
    int64_t run, epoch, rank;
    int64_t stop_ns, cut_ns, collectives_ns, drain_ns, select_ns, scan_ns, snapshot_ns, stall_ns;
    int64_t write_ns, sync_ns, quiesce_ns, capture_ns, commit_ns;
    int64_t populated_bytes, examined_bytes, zero_bytes, same_bytes, data_bytes, inherited_bytes;
    int64_t file_bytes, parent_epoch, oracle_pages, drained_messages, drained_bytes;
    int32_t committed, snapshot;
    double at_s;
};

/* What the capture strategy decided for a region of memory. */
struct dv_decision_row {
    int64_t run, epoch, rank;
    int64_t start, end, pages, dirty, cost_ns, other_ns;
    double at_s;
    char mode[32], was[32], reason[200];
};

struct dv_restore_row {
    int64_t run, incarnation, epoch, rank;
    int64_t split_ns, mpi_init_ns, read_ns, rebuild_ns, restore_ns;
    int64_t chain_length, loaded_bytes, lazy_bytes;
    double at_s;
};

struct dv_fault_row {
    int64_t run, number, rank;
    char label[128];
    int32_t injected, distribution;
    int64_t processes;
    double mtbf_s, shape, planned_s, at_s, recovered_s;
    int64_t epochs_before, restored_epoch;
};

struct dv_counter_row {
    int64_t run;
    char name[64], source[24];
    int32_t state;
    double value;
    char reason[160];
};

struct dv_event_row {
    int64_t run;
    double at_s;
    char event[32], fields[1280];
};

struct dv_environment_row {
    char campaign[24];
    int64_t session;
    char key[48], value[512];
};

struct dv_setting_row {
    char campaign[24], key[32], source[160], value[4096];
};

struct dv_left_out_row {
    char campaign[24], cell[384], reason[256];
};

/* In the order of their kinds. */
enum dv_table_id {
    DV_TABLE_RUNS,
    DV_TABLE_EPOCHS,
    DV_TABLE_DECISIONS,
    DV_TABLE_RESTORES,
    DV_TABLE_FAULTS,
    DV_TABLE_COUNTERS,
    DV_TABLE_EVENTS,
    DV_TABLE_ENVIRONMENT,
    DV_TABLE_SETTINGS,
    DV_TABLE_LEFT_OUT,
    DV_TABLES
};
extern const struct dv_table_kind dv_table_kinds[DV_TABLES];

struct dv_tables {
    struct dv_table table[DV_TABLES];
};

void dv_tables_init(struct dv_tables *tables);
void dv_tables_clear(struct dv_tables *tables);

/* Say in all rows that have a column `campaign` and do not say it yet which campaign made them. */
void dv_tables_set_campaign(struct dv_tables *tables, const char *id);

/* Lines "<table> key=value ..." of a record. `origin` names the file in messages. */
void dv_tables_print(const struct dv_tables *tables, FILE *out);
enum dv_status dv_tables_parse(struct dv_tables *tables, const char *text,
                               const char *origin) DV_CHECKED;

#define DV_ROW(tables, id, type, index) ((struct type *)dv_table_row(&(tables)->table[id], (index)))
#define DV_ADD(tables, id, type) ((struct type *)dv_table_add(&(tables)->table[id]))

#endif

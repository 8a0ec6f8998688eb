/* The tables that analyses make: one row type each, described like the harness's tables, so that one
 * function for each format writes them all. analysis/README.md says how to read them.
 *
 * A cell is an application, class, number of ranks, strategy and interval of one campaign. */
#ifndef DV_ANALYSIS_RESULTS_H
#define DV_ANALYSIS_RESULTS_H

#include "harness/record/table.h"

#define DV_ANALYSIS_SCHEMA 1

enum dv_result_base { DV_BASE_NATIVE, DV_BASE_IDLE };
enum dv_time { DV_TIME_WALL, DV_TIME_APPLICATION };
enum dv_verdict {
    DV_VERDICT_UNDECIDED,
    DV_VERDICT_SLOWER,
    DV_VERDICT_FASTER,
    DV_VERDICT_EQUIVALENT
};
enum dv_component {
    DV_COMPONENT_STALL,
    DV_COMPONENT_WRITE,
    DV_COMPONENT_COMMIT,
    DV_COMPONENT_RESTART,
    DV_COMPONENT_RUNTIME,
    DV_COMPONENTS
};
extern const char *const dv_component_words[];
enum dv_cost_source { DV_COST_STALL, DV_COST_RUNTIME };
enum dv_rollback { DV_ROLLBACK_COORDINATED, DV_ROLLBACK_PARTIAL };
extern const char *const dv_rollback_words[];
enum dv_failure_law { DV_LAW_EXPONENTIAL, DV_LAW_WEIBULL };
extern const char *const dv_failure_law_words[];
enum dv_winner { DV_WINNER_TIE, DV_WINNER_A, DV_WINNER_B };

struct dv_source_row {
    char file[256], campaign[24], name[128];
};

struct dv_cell_key {
    char campaign[128], application[32], class_name[16], strategy[96];
    int64_t ranks;
    double interval_s;
};

struct dv_overhead_row {
    struct dv_cell_key cell;
    int32_t base, verdict;
    int64_t n;
    double base_median_s, median_s, ratio, ratio_low, ratio_high, coverage;
    double shift_s, shift_low_s, shift_high_s, p_wilcoxon, p_holm, drift_p, margin;
    int32_t time, oversubscribed;
};

struct dv_geomean_row {
    char campaign[128], strategy[96];
    double interval_s;
    int32_t base;
    int64_t cells, n;
    double ratio, ratio_low, ratio_high, coverage;
    int32_t time;
};

struct dv_stall_row {
    struct dv_cell_key cell;
    int64_t epochs, runs, slowest_rank;
    double median_ns, low_ns, high_ns, p95_ns, max_ns, slowest_share, bound_ns;
};

struct dv_bytes_row {
    struct dv_cell_key cell;
    int64_t epochs;
    double populated_bytes, examined_bytes, data_bytes, file_bytes;
    double write_bandwidth, bound_bandwidth;
};

struct dv_recovery_row {
    struct dv_cell_key cell;
    char fault[64];
    int64_t n, lost;
    double median_s, low_s, high_s, max_s;
};

struct dv_model_row {
    char strategy[96], term[4], unit[8];
    int32_t component;
    double estimate, low, high, residual_median;
    int64_t n, runs, seed;
};

struct dv_optimum_row {
    struct dv_cell_key cell;
    double mtbf_s, cost_s, restart_s, young_s, daly_s, exact_s, efficiency, young_efficiency;
    int32_t cost_source;
};

struct dv_simulation_row {
    char strategy[96], levels[64];
    int32_t protocol, distribution;
    double shape, node_mtbf_s, bandwidth, bytes_per_node, interval_s, efficiency, low, high;
    int64_t nodes, n, unfinished, seed;
};

struct dv_crossover_row {
    char strategy_a[96], strategy_b[96], levels[64];
    int32_t protocol_a, protocol_b, distribution, winner;
    int64_t nodes;
    double shape, node_mtbf_s, bandwidth, interval_s, efficiency_a, efficiency_b;
};

struct dv_validation_row {
    struct dv_cell_key cell;
    char fault[64];
    int64_t n, replications, seed;
    double measured_s, measured_low_s, measured_high_s;
    double predicted_s, predicted_low_s, predicted_high_s;
    double measured_faults, predicted_faults;
    int32_t within;
};

struct dv_leftover_row {
    char what[256], reason[256];
    int64_t count;
};

/* In the order of their kinds. */
enum dv_result_id {
    DV_RESULT_SOURCES,
    DV_RESULT_OVERHEAD,
    DV_RESULT_GEOMEAN,
    DV_RESULT_STALL,
    DV_RESULT_BYTES,
    DV_RESULT_RECOVERY,
    DV_RESULT_MODEL,
    DV_RESULT_OPTIMUM,
    DV_RESULT_SIMULATION,
    DV_RESULT_CROSSOVER,
    DV_RESULT_VALIDATION,
    DV_RESULT_LEFT_OUT,
    DV_RESULTS
};

/* A kind with the columns that fit a printed page, in their order (blank-separated). */
struct dv_result_kind {
    struct dv_table_kind table;
    const char *printed;
};
extern const struct dv_result_kind dv_result_kinds[DV_RESULTS];

struct dv_results {
    struct dv_table table[DV_RESULTS];
};

void dv_results_init(struct dv_results *results);
void dv_results_clear(struct dv_results *results);

#define DV_RESULT_ADD(results, id, type) ((struct type *)dv_table_add(&(results)->table[id]))

/* A left_out row: what, why, and how many of them; the same pair adds to its count. */
void dv_results_leave_out(struct dv_results *results, const char *what, const char *reason,
                          int64_t count);

/* Drop the left_out rows whose `what` begins so. */
void dv_results_forget(struct dv_results *results, const char *beginning);

/* Into the directory (made if it is not there): analysis.h5, analysis.json, and for each table but
 * the sources <table>.csv and <table>.tex. Each file is written beside its place and renamed. */
enum dv_status dv_results_write(const struct dv_results *results, const char *directory) DV_CHECKED;
/* From DIR/analysis.h5. DV_ERR_NOT_FOUND (not reported): there is none. */
enum dv_status dv_results_read(struct dv_results *results, const char *directory) DV_CHECKED;

#endif

/* Every column of the analysis with its unit and meaning. */
#include "analysis/stats/results.h"

#include <string.h>

const char *const dv_component_words[] = {"stall", "write", "commit", "restart", "runtime", NULL};
const char *const dv_rollback_words[] = {"coordinated", "partial", NULL};
const char *const dv_failure_law_words[] = {"exponential", "weibull", NULL};
static const char *const bases[] = {"native", "idle", NULL};
static const char *const times[] = {"wall", "application", NULL};
static const char *const verdicts[] = {"undecided", "slower", "faster", "equivalent", NULL};
static const char *const cost_sources[] = {"stall", "runtime", NULL};
static const char *const winners[] = {"tie", "a", "b", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};

/* One line per column. */
/* clang-format off */
#define MEMBER(member) offsetof(struct ROW, member)
#define SIZE(member) sizeof(((struct ROW *)0)->member)
#define NUMBER(type, member, unit, description) {#member, type, MEMBER(member), 8, unit, description, NULL}
#define INT(member, unit, description)          NUMBER(DV_COLUMN_INT, member, unit, description)
#define REAL(member, unit, description)         NUMBER(DV_COLUMN_REAL, member, unit, description)
#define TEXT(member, description)               {#member, DV_COLUMN_TEXT, MEMBER(member), SIZE(member), "text", description, NULL}
#define ENUM(member, words, description)        {#member, DV_COLUMN_ENUM, MEMBER(member), 4, "enum", description, words}
#define END                                     {.name = NULL}
#define CELL_TEXT(member, description)          {#member, DV_COLUMN_TEXT, MEMBER(cell.member), SIZE(cell.member), "text", description, NULL}
#define CELL                                                                                          \
    CELL_TEXT(campaign, "name of the campaign"),                                                      \
    CELL_TEXT(application, "name"),                                                                   \
    CELL_TEXT(class_name, "problem class"),                                                           \
    {"ranks", DV_COLUMN_INT, MEMBER(cell.ranks), 8, "processes", "MPI processes", NULL},              \
    CELL_TEXT(strategy, "checkpoint strategy"),                                                       \
    {"interval_s", DV_COLUMN_REAL, MEMBER(cell.interval_s), 8, "s", "between checkpoints; missing: none are taken", NULL}

#define ROW dv_source_row
static const struct dv_column source_columns[] = {
    TEXT(file, "as it was given"),
    TEXT(campaign, "random id of the campaign"),
    TEXT(name, "of the experiment"),
    END,
};

#undef ROW
#define ROW dv_overhead_row
static const struct dv_column overhead_columns[] = {
    CELL,
    ENUM(base, bases, "what it is compared with, block by block"),
    INT(n, "pairs", "blocks in which both runs are good"),
    REAL(base_median_s, "s", "median running time of the base in these blocks"),
    REAL(median_s, "s", "median running time in these blocks"),
    REAL(ratio, "1", "median of the blocks' ratios"),
    REAL(ratio_low, "1", "lower end of its confidence interval (order statistics)"),
    REAL(ratio_high, "1", "upper end"),
    REAL(coverage, "1", "confidence that this interval attains"),
    REAL(shift_s, "s", "Hodges-Lehmann estimate of the difference"),
    REAL(shift_low_s, "s", "lower end of its confidence interval (inverted signed-rank test)"),
    REAL(shift_high_s, "s", "upper end"),
    REAL(p_wilcoxon, "1", "Wilcoxon signed-rank test of no difference, two-sided"),
    REAL(p_holm, "1", "the same, adjusted (Holm) for all strategies compared with this base in this cell's application"),
    REAL(margin, "1", "ratios within [1/(1+margin), 1+margin] count as equal; fixed beforehand"),
    ENUM(verdict, verdicts, "see analysis/README.md"),
    REAL(drift_p, "1", "Mann-Kendall test of no trend of this cell's running times over the campaign"),
    ENUM(time, times, "wall: start-up and end included; application: as it reports of itself"),
    ENUM(oversubscribed, no_yes, "more ranks than processors in some of the runs"),
    END,
};

#undef ROW
#define ROW dv_geomean_row
static const struct dv_column geomean_columns[] = {
    TEXT(campaign, "name of the campaign"),
    TEXT(strategy, "checkpoint strategy"),
    REAL(interval_s, "s", "between checkpoints"),
    ENUM(base, bases, "what it is compared with, block by block"),
    INT(cells, "cells", "applications, classes and rank counts the mean is over"),
    INT(n, "blocks", "blocks in which all of them are good, with their bases"),
    REAL(ratio, "1", "median over blocks of the geometric mean over cells of the ratio"),
    REAL(ratio_low, "1", "lower end of its confidence interval (order statistics)"),
    REAL(ratio_high, "1", "upper end"),
    REAL(coverage, "1", "confidence that this interval attains"),
    ENUM(time, times, "as in overhead"),
    END,
};

#undef ROW
#define ROW dv_stall_row
static const struct dv_column stall_columns[] = {
    CELL,
    INT(epochs, "epochs", "committed epochs of all good runs"),
    INT(runs, "runs", "that they are from"),
    REAL(median_ns, "ns", "median over epochs of the stall of the epoch's slowest rank"),
    REAL(low_ns, "ns", "lower end of its confidence interval (order statistics)"),
    REAL(high_ns, "ns", "upper end"),
    REAL(p95_ns, "ns", "95th percentile"),
    REAL(max_ns, "ns", "largest"),
    INT(slowest_rank, "index", "the rank that was slowest most often"),
    REAL(slowest_share, "1", "in how many of the epochs it was"),
    REAL(bound_ns, "ns", "median of the bytes stored over the memory's bandwidth; missing: not measured"),
    END,
};

#undef ROW
#define ROW dv_bytes_row
static const struct dv_column bytes_columns[] = {
    CELL,
    INT(epochs, "epochs", "committed epochs of all good runs"),
    REAL(populated_bytes, "B", "pages that hold information; median per epoch, all ranks together, as are the next"),
    REAL(examined_bytes, "B", "of these, chosen by the strategy"),
    REAL(data_bytes, "B", "of these, stored; before packing"),
    REAL(file_bytes, "B", "size of the image files"),
    REAL(write_bandwidth, "B/s", "median of file_bytes over the time of the slowest rank's write and fsync"),
    REAL(bound_bandwidth, "B/s", "what the storage was measured to take without DejaVu; missing: not measured"),
    END,
};

#undef ROW
#define ROW dv_recovery_row
static const struct dv_column recovery_columns[] = {
    CELL,
    TEXT(fault, "what was killed and when"),
    INT(n, "faults", "injected and recovered from"),
    INT(lost, "faults", "injected, after which the job did not go on"),
    REAL(median_s, "s", "from the kill until all ranks ran again"),
    REAL(low_s, "s", "lower end of its confidence interval (order statistics)"),
    REAL(high_s, "s", "upper end"),
    REAL(max_s, "s", "largest"),
    END,
};

#undef ROW
#define ROW dv_model_row
static const struct dv_column model_columns[] = {
    TEXT(strategy, "checkpoint strategy"),
    ENUM(component, dv_component_words, "cost = a + b * bytes: stall, write, commit of an epoch; restart; a run's extra time"),
    TEXT(term, "a or b"),
    TEXT(unit, "of the estimate"),
    REAL(estimate, "see unit", "robust fit (bisquare)"),
    REAL(low, "see unit", "lower end of its confidence interval (bootstrap over runs)"),
    REAL(high, "see unit", "upper end"),
    INT(n, "points", "epochs, restarts or runs"),
    INT(runs, "runs", "that they are from"),
    REAL(residual_median, "s", "median of the residuals' magnitudes"),
    INT(seed, "number", "of the bootstrap"),
    END,
};

#undef ROW
#define ROW dv_optimum_row
static const struct dv_column optimum_columns[] = {
    CELL,
    REAL(mtbf_s, "s", "mean time between failures of the whole job"),
    REAL(cost_s, "s", "of a checkpoint: what it adds to the running time"),
    ENUM(cost_source, cost_sources, "runtime: from runs and their bases; stall: median stall, which leaves out what writing takes"),
    REAL(restart_s, "s", "of a recovery: median of the measured ones; missing: none, taken as 0"),
    REAL(young_s, "s", "Young's interval"),
    REAL(daly_s, "s", "Daly's higher-order interval"),
    REAL(exact_s, "s", "interval of least expected running time"),
    REAL(efficiency, "1", "useful share of the expected running time at exact_s"),
    REAL(young_efficiency, "1", "the same at young_s"),
    END,
};

#undef ROW
#define ROW dv_simulation_row
static const struct dv_column simulation_columns[] = {
    TEXT(strategy, "whose measured costs are replayed"),
    ENUM(protocol, dv_rollback_words, "who rolls back: all, or those who failed while the others wait"),
    TEXT(levels, "where checkpoints go; /k: every k-th at most"),
    ENUM(distribution, dv_failure_law_words, "of a node's time to failure"),
    REAL(shape, "1", "of the Weibull distribution; 1: exponential"),
    INT(nodes, "nodes", "nodes of the job"),
    REAL(node_mtbf_s, "s", "mean time to failure of one node"),
    REAL(bandwidth, "B/s", "of the shared storage, all nodes together"),
    REAL(bytes_per_node, "B", "that a checkpoint stores"),
    REAL(interval_s, "s", "between checkpoints"),
    INT(n, "replications", "simulated jobs"),
    INT(unfinished, "replications", "given up: no progress; they count as efficiency 0"),
    REAL(efficiency, "1", "mean useful share of the running time"),
    REAL(low, "1", "lower end of its confidence interval (Student)"),
    REAL(high, "1", "upper end"),
    INT(seed, "number", "of the random numbers"),
    END,
};

#undef ROW
#define ROW dv_crossover_row
static const struct dv_column crossover_columns[] = {
    TEXT(strategy_a, "one"),
    TEXT(strategy_b, "the other"),
    ENUM(protocol_a, dv_rollback_words, "of the one"),
    ENUM(protocol_b, dv_rollback_words, "of the other"),
    TEXT(levels, "where checkpoints go; /k: every k-th at most"),
    ENUM(distribution, dv_failure_law_words, "of a node's time to failure"),
    REAL(shape, "1", "of the Weibull distribution; 1: exponential"),
    INT(nodes, "nodes", "nodes of the job"),
    REAL(node_mtbf_s, "s", "mean time to failure of one node"),
    REAL(bandwidth, "B/s", "of the shared storage, all nodes together"),
    REAL(interval_s, "s", "between checkpoints; missing: each at its optimum"),
    ENUM(winner, winners, "tie: the interval of the paired difference holds 0"),
    REAL(efficiency_a, "1", "of the one"),
    REAL(efficiency_b, "1", "of the other"),
    END,
};

#undef ROW
#define ROW dv_validation_row
static const struct dv_column validation_columns[] = {
    CELL,
    TEXT(fault, "what was killed and when"),
    INT(n, "runs", "good runs with this fault"),
    REAL(measured_s, "s", "median running time"),
    REAL(measured_low_s, "s", "lower end of its confidence interval (order statistics)"),
    REAL(measured_high_s, "s", "upper end"),
    REAL(predicted_s, "s", "median of the simulated running times"),
    REAL(predicted_low_s, "s", "lower end of its confidence interval (order statistics)"),
    REAL(predicted_high_s, "s", "upper end"),
    ENUM(within, no_yes, "predicted_s lies in the interval of the measured"),
    REAL(measured_faults, "faults", "mean number injected per run"),
    REAL(predicted_faults, "faults", "mean number simulated per run"),
    INT(replications, "replications", "simulated runs"),
    INT(seed, "number", "of the random numbers"),
    END,
};

#undef ROW
#define ROW dv_leftover_row
static const struct dv_column left_out_columns[] = {
    TEXT(what, "a cell, a run, a table's row"),
    TEXT(reason, "why it is in no statistic"),
    INT(count, "number", "how many"),
    END,
};

#define KIND(name, title, row, columns) {name, title, sizeof(struct row), columns}
const struct dv_result_kind dv_result_kinds[DV_RESULTS] = {
    [DV_RESULT_SOURCES] = {KIND("sources", "Campaigns", dv_source_row, source_columns),
        ""},
    [DV_RESULT_OVERHEAD] = {KIND("overhead", "Running time against the base, paired by block", dv_overhead_row, overhead_columns),
        "application class_name ranks strategy interval_s base n base_median_s ratio ratio_low ratio_high p_holm verdict"},
    [DV_RESULT_GEOMEAN] = {KIND("geomean", "Geometric mean of the ratios over applications", dv_geomean_row, geomean_columns),
        "strategy interval_s base cells n ratio ratio_low ratio_high"},
    [DV_RESULT_STALL] = {KIND("stall", "How long checkpoints stop the application", dv_stall_row, stall_columns),
        "application class_name ranks strategy interval_s epochs median_ns low_ns high_ns p95_ns max_ns slowest_rank"},
    [DV_RESULT_BYTES] = {KIND("bytes", "Bytes of a checkpoint", dv_bytes_row, bytes_columns),
        "application class_name ranks strategy interval_s epochs populated_bytes examined_bytes data_bytes file_bytes write_bandwidth"},
    [DV_RESULT_RECOVERY] = {KIND("recovery", "From a kill until all ranks run again", dv_recovery_row, recovery_columns),
        "application class_name ranks strategy fault n median_s low_s high_s max_s"},
    [DV_RESULT_MODEL] = {KIND("model", "What costs depend on: a + b * bytes", dv_model_row, model_columns),
        "strategy component term unit estimate low high n residual_median"},
    [DV_RESULT_OPTIMUM] = {KIND("optimum", "Intervals between checkpoints", dv_optimum_row, optimum_columns),
        "application class_name ranks strategy mtbf_s cost_s young_s daly_s exact_s efficiency"},
    [DV_RESULT_SIMULATION] = {KIND("simulation", "Efficiency at scale, simulated", dv_simulation_row, simulation_columns),
        "strategy protocol levels distribution nodes node_mtbf_s interval_s n efficiency low high"},
    [DV_RESULT_CROSSOVER] = {KIND("crossover", "Which of two strategies is more efficient where", dv_crossover_row, crossover_columns),
        "strategy_a protocol_a strategy_b protocol_b nodes node_mtbf_s bandwidth winner efficiency_a efficiency_b"},
    [DV_RESULT_VALIDATION] = {KIND("validation", "Simulated against measured running times with faults", dv_validation_row, validation_columns),
        "application class_name ranks strategy fault n measured_s measured_low_s measured_high_s predicted_s within"},
    [DV_RESULT_LEFT_OUT] = {KIND("left_out", "What is in no statistic, and why", dv_leftover_row, left_out_columns),
        "what reason count"},
};
/* clang-format on */

void dv_results_init(struct dv_results *results)
{
    for (size_t i = 0; i < DV_RESULTS; i++)
        results->table[i] = (struct dv_table){.kind = &dv_result_kinds[i].table};
}

void dv_results_clear(struct dv_results *results)
{
    for (size_t i = 0; i < DV_RESULTS; i++)
        dv_table_clear(&results->table[i]);
}

void dv_results_leave_out(struct dv_results *results, const char *what, const char *reason,
                          int64_t count)
{
    struct dv_table *table = &results->table[DV_RESULT_LEFT_OUT];
    struct dv_leftover_row *row;
    for (size_t i = 0; i < table->count; i++) {
        row = dv_table_row(table, i);
        if (strcmp(row->what, what) == 0 && strcmp(row->reason, reason) == 0) {
            row->count += count;
            return;
        }
    }
    row = dv_table_add(table);
    DV_TEXT_SET(row->what, what);
    DV_TEXT_SET(row->reason, reason);
    row->count = count;
}

void dv_results_forget(struct dv_results *results, const char *beginning)
{
    struct dv_table *table = &results->table[DV_RESULT_LEFT_OUT];
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct dv_leftover_row *row = dv_table_row(table, i);
        if (strncmp(row->what, beginning, strlen(beginning)) != 0)
            memmove(dv_table_row(table, kept++), row, sizeof *row);
    }
    table->count = kept;
}

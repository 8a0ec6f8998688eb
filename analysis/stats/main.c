/* dejavu-stats: from campaigns to statistics, models and predictions. */
#include "analysis/stats/commands.h"
#include "analysis/stats/options.h"
#include "harness/config/say.h"

#include <argp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_S 3600.0
#define YEAR_S (8766 * HOUR_S)

enum {
    KEY_MARGIN = 256,
    KEY_CONFIDENCE,
    KEY_TIME,
    KEY_SEED,
    KEY_RESAMPLES,
    KEY_MTBF,
    KEY_RAW_BANDWIDTH,
    KEY_MEMORY_BANDWIDTH,
    KEY_REPLICATIONS,
    KEY_NODES,
    KEY_NODE_MTBF,
    KEY_FAILURES,
    KEY_AGE,
    KEY_BANDWIDTH,
    KEY_LINK,
    KEY_MEMORY,
    KEY_LEVELS,
    KEY_SEVERITY,
    KEY_INTERVAL,
    KEY_PARTIAL,
    KEY_LOGGING,
    KEY_REPLAY,
    KEY_APPLICATION,
    KEY_WORK
};

/* One line per option. */
/* clang-format off */
static const struct argp_option options[] = {
    {"output", 'o', "DIR", 0, "Where tables are written", 0},
    {"confidence", KEY_CONFIDENCE, "SHARE", 0, "Of all intervals and verdicts (0.95)", 0},
    {"seed", KEY_SEED, "N", 0, "Of resampling and simulation (1)", 0},
    {NULL, 0, NULL, 0, "analyse:", 1},
    {"margin", KEY_MARGIN, "SHARE", 0, "Ratios this near to 1 are equal; fix it beforehand (0.02)", 1},
    {"time", KEY_TIME, "wall|application", 0, "Whose running times are compared (wall)", 1},
    {"resamples", KEY_RESAMPLES, "N", 0, "For the models' intervals (500)", 1},
    {"mtbf", KEY_MTBF, "TIME,...", 0, "Of the whole job, for optimum intervals (1h,6h,24h,168h)", 1},
    {"raw-bandwidth", KEY_RAW_BANDWIDTH, "BYTES", 0, "That the storage takes per second without DejaVu, as measured", 1},
    {"memory-bandwidth", KEY_MEMORY_BANDWIDTH, "BYTES", 0, "That memcpy reaches per second, all ranks together, as measured", 1},
    {NULL, 0, NULL, 0, "simulate and validate:", 2},
    {"replications", KEY_REPLICATIONS, "N", 0, "Simulated jobs (simulate: 200, validate: 2000)", 2},
    {NULL, 0, NULL, 0, "simulate (comma-separated lists: all combinations are simulated):", 3},
    {"nodes", KEY_NODES, "N,...", 0, "Nodes of the job (100,1000,10000,100000,1000000)", 3},
    {"node-mtbf", KEY_NODE_MTBF, "TIME,...", 0, "Mean time to failure of a node (43830h,219150h: 5 and 25 years)", 3},
    {"failures", KEY_FAILURES, "LAW,...", 0, "exponential, weibull:SHAPE (exponential,weibull:0.7)", 3},
    {"age", KEY_AGE, "TIME", 0, "Of the nodes when the job begins (8766h: a year)", 3},
    {"bandwidth", KEY_BANDWIDTH, "BYTES,...", 0, "Per second, of the shared storage (100G,1T)", 3},
    {"link", KEY_LINK, "BYTES", 0, "Per second, between partners (10G)", 3},
    {"memory", KEY_MEMORY, "BYTES", 0, "Of a node (as measured, all ranks together)", 3},
    {"levels", KEY_LEVELS, "LEVELS,...", 0, "Where checkpoints go: node, partner, shared joined by +, /k for every k-th at most (shared,node+partner+shared)", 3},
    {"severity", KEY_SEVERITY, "P,Q", 0, "Shares of failures that take the node's storage, and its partner's, too (0.75,0.15)", 3},
    {"interval", KEY_INTERVAL, "TIME,...", 0, "Between checkpoints, or optimum (optimum)", 3},
    {"partial", KEY_PARTIAL, NULL, 0, "Simulate partial rollback, too", 3},
    {"logging", KEY_LOGGING, "SHARE", 0, "Of running time that logging messages takes, for partial rollback (0)", 3},
    {"replay", KEY_REPLAY, "FACTOR", 0, "Time to compute again what took 1, for partial rollback (1)", 3},
    {"application", KEY_APPLICATION, "NAME", 0, "Replay this one's epochs (all)", 3},
    {"work", KEY_WORK, "TIME", 0, "Of the job, without checkpoints and failures (24h)", 3},
    {0},
};
/* clang-format on */

static const char documentation[] =
    "Statistics, cost models and predictions from campaigns of dejavu-bench.\v"
    "  analyse CAMPAIGN.h5 ... -o DIR    all tables as DIR/analysis.h5, analysis.json, TABLE.csv,\n"
    "                                    TABLE.tex\n"
    "  simulate CAMPAIGN.h5 ... -o DIR   measured costs replayed at scale: adds the tables\n"
    "                                    simulation and crossover\n"
    "  validate CAMPAIGN.h5 ... -o DIR   runs with faults, simulated and measured: adds the table\n"
    "                                    validation\n\n"
    "analysis/README.md explains every table. Exit status: 0 ok, 1 damaged input, 2 usage,\n"
    "3 environment, 4 there was nothing to replay.";

static const struct dv_stats_request defaults = {
    .analysis = {.confidence = 0.95,
                 .margin = 0.02,
                 .seed = 1,
                 .resamples = 500,
                 .mtbfs_s = {{HOUR_S, 6 * HOUR_S, 24 * HOUR_S, 168 * HOUR_S}, 4},
                 .raw_bandwidth = NAN,
                 .memory_bandwidth = NAN},
    .simulation = {.nodes = {{1e2, 1e3, 1e4, 1e5, 1e6}, 5},
                   .node_mtbfs_s = {{5 * YEAR_S, 25 * YEAR_S}, 2},
                   .bandwidths = {{100 * 0x1p30, 0x1p40}, 2},
                   .intervals_s = {{0}, 1},
                   .laws = {{DV_LAW_EXPONENTIAL, 1}, {DV_LAW_WEIBULL, 0.7}},
                   .law_count = 2,
                   .hierarchies = {{"shared", {DV_PLACE_SHARED}, {1}, 1},
                                   {"node+partner+shared",
                                    {DV_PLACE_NODE, DV_PLACE_PARTNER, DV_PLACE_SHARED},
                                    {1, 1, 1},
                                    3}},
                   .hierarchy_count = 2,
                   .memory_bytes = NAN,
                   .link_bandwidth = 10 * 0x1p30,
                   .node_lost_share = 0.75,
                   .partner_lost_share = 0.15,
                   .replay = 1,
                   .work_s = 24 * HOUR_S,
                   .age_s = YEAR_S},
};

struct arguments {
    const char *verb;
    struct dv_stats_request request;
};

static enum dv_time time_of(const struct argp_state *state, const char *text)
{
    if (strcmp(text, "wall") != 0 && strcmp(text, "application") != 0)
        argp_error(state, "--time: '%s' is neither wall nor application", text);
    return strcmp(text, "wall") == 0 ? DV_TIME_WALL : DV_TIME_APPLICATION;
}

static error_t parse_analysis(int key, char *arg, const struct argp_state *state,
                              struct dv_analysis_options *o)
{
    switch (key) {
    case KEY_CONFIDENCE:
        o->confidence = dv_option_number(state, "confidence", arg, 0.5, 1);
        return 0;
    case KEY_SEED:
        o->seed = dv_option_count(state, "seed", arg);
        return 0;
    case KEY_MARGIN:
        o->margin = dv_option_number(state, "margin", arg, 0, 1);
        return 0;
    case KEY_TIME:
        o->time = time_of(state, arg);
        return 0;
    case KEY_RESAMPLES:
        o->resamples = dv_option_count(state, "resamples", arg);
        return 0;
    case KEY_MTBF:
        dv_option_times(state, "mtbf", arg, &o->mtbfs_s);
        return 0;
    case KEY_RAW_BANDWIDTH:
        o->raw_bandwidth = dv_option_bytes(state, "raw-bandwidth", arg);
        return 0;
    case KEY_MEMORY_BANDWIDTH:
        o->memory_bandwidth = dv_option_bytes(state, "memory-bandwidth", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The factors that are lists. */
static error_t parse_axis(int key, char *arg, const struct argp_state *state,
                          struct dv_simulation_options *o)
{
    switch (key) {
    case KEY_NODES:
        dv_option_counts(state, "nodes", arg, &o->nodes);
        return 0;
    case KEY_NODE_MTBF:
        dv_option_times(state, "node-mtbf", arg, &o->node_mtbfs_s);
        return 0;
    case KEY_FAILURES:
        dv_option_laws(state, arg, o);
        return 0;
    case KEY_BANDWIDTH:
        dv_option_bytes_list(state, "bandwidth", arg, &o->bandwidths);
        return 0;
    case KEY_LEVELS:
        dv_option_levels(state, arg, o);
        return 0;
    case KEY_INTERVAL:
        dv_option_intervals(state, arg, &o->intervals_s);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_simulation(int key, char *arg, const struct argp_state *state,
                                struct dv_simulation_options *o)
{
    switch (key) {
    case KEY_REPLICATIONS:
        o->replications = dv_option_count(state, "replications", arg);
        return 0;
    case KEY_AGE:
        o->age_s = dv_option_time(state, "age", arg);
        return 0;
    case KEY_LINK:
        o->link_bandwidth = dv_option_bytes(state, "link", arg);
        return 0;
    case KEY_MEMORY:
        o->memory_bytes = dv_option_bytes(state, "memory", arg);
        return 0;
    case KEY_SEVERITY:
        dv_option_severity(state, arg, o);
        return 0;
    case KEY_PARTIAL:
        o->partial = true;
        return 0;
    case KEY_LOGGING:
        o->logging = dv_option_number(state, "logging", arg, -1e-9, 10);
        return 0;
    case KEY_REPLAY:
        o->replay = dv_option_number(state, "replay", arg, -1e-9, 100);
        return 0;
    case KEY_APPLICATION:
        o->application = arg;
        return 0;
    case KEY_WORK:
        o->work_s = dv_option_time(state, "work", arg);
        return 0;
    default:
        return parse_axis(key, arg, state, o);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    if (key == 'o') {
        a->request.directory = arg;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        if (a->verb)
            a->request.files[a->request.file_count++] = arg;
        else
            a->verb = arg;
        return 0;
    }
    error_t error = parse_analysis(key, arg, state, &a->request.analysis);
    return error ? parse_simulation(key, arg, state, &a->request.simulation) : 0;
}

static const struct {
    const char *name;
    enum dv_status (*run)(const struct dv_stats_request *request);
} verbs[] = {
    {"analyse", dv_command_analyse},
    {"simulate", dv_command_simulate},
    {"validate", dv_command_validate},
};

static enum dv_status dispatch(const struct arguments *a)
{
    for (size_t i = 0; a->verb && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, a->verb) != 0)
            continue;
        if (a->request.file_count == 0)
            return dv_bench_fail(DV_ERR_USAGE, "%s which campaign? give its HDF5 file", a->verb);
        if (!a->request.directory)
            return dv_bench_fail(DV_ERR_USAGE, "where do the tables go? give -o DIR");
        return verbs[i].run(&a->request);
    }
    if (a->verb)
        return dv_bench_fail(DV_ERR_USAGE, "no verb '%s': analyse, simulate or validate (--help)",
                             a->verb);
    return dv_bench_fail(DV_ERR_USAGE, "which verb? analyse, simulate or validate (see --help)");
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse_option, "VERB CAMPAIGN.h5...", documentation, NULL, NULL, NULL};
    struct arguments arguments = {.request = defaults};
    arguments.request.files = calloc((size_t)argc + 1, sizeof(char *));
    argp_err_exit_status = DV_EXIT_USAGE;
    argp_program_version = "dejavu-stats (DejaVu)";
    if (!arguments.request.files)
        return (int)dv_status_exit(dv_bench_fail(DV_ERR_NO_MEMORY, "no memory for the arguments"));
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum dv_status status = dispatch(&arguments);
    free(arguments.request.files);
    return (int)dv_status_exit(status);
}

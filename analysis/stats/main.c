/* dejavu-stats: from campaigns to statistics, models and predictions. */
#include "analysis/stats/commands.h"
#include "harness/config/say.h"

#include <dejavu/option.h>

#include <argp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MARGIN = 256, KEY_CONFIDENCE, KEY_TIME, KEY_SEED, KEY_RESAMPLES, KEY_MTBF, KEY_BOUND };

static const struct argp_option options[] = {
    {"output", 'o', "DIR", 0, "Where tables are written", 0},
    {"confidence", KEY_CONFIDENCE, "SHARE", 0, "Of all intervals and verdicts (0.95)", 0},
    {"seed", KEY_SEED, "N", 0, "Of resampling and simulation (1)", 0},
    {0, 0, 0, 0, "analyse:", 1},
    {"margin", KEY_MARGIN, "SHARE", 0,
     "Ratios this near to 1 count as equal; fix it beforehand (0.02)", 1},
    {"time", KEY_TIME, "wall|application", 0, "Whose running times are compared (wall)", 1},
    {"resamples", KEY_RESAMPLES, "N", 0, "For the models' intervals (500)", 1},
    {"mtbf", KEY_MTBF, "TIME,...", 0, "Of the whole job, for optimum intervals (1h,6h,24h,168h)",
     1},
    {"raw-bandwidth", KEY_BOUND, "BYTES", 0,
     "That the storage takes per second without DejaVu, as measured", 1},
    {0},
};

static const char documentation[] =
    "Statistics, cost models and predictions from campaigns of dejavu-bench.\v"
    "  analyse CAMPAIGN.h5 ... -o DIR    all tables as DIR/analysis.h5, analysis.json, TABLE.csv,\n"
    "                                    TABLE.tex\n\n"
    "analysis/README.md explains every table. Exit status: 0 ok, 1 damaged input, 2 usage,\n"
    "3 environment.";

struct arguments {
    const char *verb;
    struct dv_stats_request request;
};

/* A number within (low, high), or the end of the program with a message. */
static double number_within(struct argp_state *state, const char *option, const char *text,
                            double low, double high)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > low && value < high))
        argp_error(state, "--%s: '%s' is not a number between %g and %g", option, text, low, high);
    return value;
}

static uint64_t whole_number(struct argp_state *state, const char *option, const char *text)
{
    return (uint64_t)number_within(state, option, text, -1, 0x1p53);
}

/* "1h,6h" into up to `room` times in s; returns how many. */
static size_t times_list(struct argp_state *state, const char *option, char *text, double *times,
                         size_t room)
{
    size_t count = 0;
    for (char *item; (item = strsep(&text, ","));) {
        if (count == room)
            argp_error(state, "--%s: more than %zu values", option, room);
        else if (dv_parse_seconds(item, &times[count]) != DV_OK || !(times[count] > 0))
            argp_error(state, "--%s: '%s' is not a time like 30s, 10m, 6h", option, item);
        count++;
    }
    return count;
}

static double bytes_value(struct argp_state *state, const char *option, const char *text)
{
    uint64_t bytes = 0;
    if (dv_parse_bytes(text, &bytes) != DV_OK || bytes == 0)
        argp_error(state, "--%s: '%s' is not a size like 64M, 2G", option, text);
    return (double)bytes;
}

static enum dv_time time_of(struct argp_state *state, const char *text)
{
    if (strcmp(text, "wall") != 0 && strcmp(text, "application") != 0)
        argp_error(state, "--time: '%s' is neither wall nor application", text);
    return strcmp(text, "wall") == 0 ? DV_TIME_WALL : DV_TIME_APPLICATION;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct dv_analysis_options *o = &a->request.analysis;
    switch (key) {
    case 'o':
        a->request.directory = arg;
        return 0;
    case KEY_CONFIDENCE:
        o->confidence = number_within(state, "confidence", arg, 0.5, 1);
        return 0;
    case KEY_SEED:
        o->seed = whole_number(state, "seed", arg);
        return 0;
    case KEY_MARGIN:
        o->margin = number_within(state, "margin", arg, 0, 1);
        return 0;
    case KEY_TIME:
        o->time = time_of(state, arg);
        return 0;
    case KEY_RESAMPLES:
        o->resamples = whole_number(state, "resamples", arg);
        return 0;
    case KEY_MTBF:
        o->mtbf_count = times_list(state, "mtbf", arg, o->mtbfs_s, DV_MTBFS_MAX);
        return 0;
    case KEY_BOUND:
        o->bound_bandwidth = bytes_value(state, "raw-bandwidth", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (!a->verb)
            a->verb = arg;
        else
            a->request.files[a->request.file_count++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct {
    const char *name;
    enum dv_status (*run)(const struct dv_stats_request *request);
} verbs[] = {
    {"analyse", dv_command_analyse},
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
    return dv_bench_fail(DV_ERR_USAGE, "%s '%s'; it is analyse (see --help)",
                         a->verb ? "no such verb" : "which verb?", a->verb ? a->verb : "");
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse_option, "VERB CAMPAIGN.h5...", documentation, NULL, NULL, NULL};
    struct arguments arguments = {
        .request = {.files = calloc((size_t)argc + 1, sizeof(char *)),
                    .analysis = {.confidence = 0.95,
                                 .margin = 0.02,
                                 .seed = 1,
                                 .resamples = 500,
                                 .mtbfs_s = {3600, 6 * 3600, 24 * 3600, 168 * 3600},
                                 .mtbf_count = 4,
                                 .bound_bandwidth = NAN}},
    };
    argp_err_exit_status = DV_EXIT_USAGE;
    argp_program_version = "dejavu-stats (DejaVu)";
    if (!arguments.request.files)
        return (int)dv_status_exit(dv_bench_fail(DV_ERR_NO_MEMORY, "no memory for the arguments"));
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum dv_status status = dispatch(&arguments);
    free(arguments.request.files);
    return (int)dv_status_exit(status);
}

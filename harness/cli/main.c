/* dejavu-bench: experiments with checkpoint strategies, from a YAML file to tables. */
#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/config/yaml.h"
#include "harness/launch/command.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

enum {
    KEY_SHOW_CONFIG = 256,
    KEY_SCRATCH,
    KEY_SEED,
    KEY_REPETITIONS,
    KEY_KEYS,
    KEY_PROFILE,
    KEY_RESUME,
    KEY_FILTER,
    KEY_RESULTS,
    KEY_SUMMARY,
    KEY_HTML,
    KEY_METRICS
};

struct list {
    const char *item[WORDS_MAX + 1];
    size_t count;
};

struct arguments {
    const char *verb;
    struct list paths, overrides, results;
    struct dv_request request;
    bool keys;
    struct dv_arena memory;
};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "The experiment:", 1},
    {"output", 'o', "DIR", 0,
     "Where journal, records and HDF5 file are (key: output); merge: the file to write", 0},
    {"scratch", KEY_SCRATCH, "DIR", 0, "Where runs' private directories are made (key: scratch)",
     0},
    {"seed", KEY_SEED, "N", 0, "Seed of order and random fault times (key: seed)", 0},
    {"repetitions", KEY_REPETITIONS, "N", 0, "Measured blocks (key: repetitions)", 0},
    {"profile", KEY_PROFILE, "NAME", 0, "Use a profile of the file (key: profile)", 0},
    {"set", 's', "KEY=VALUE", 0, "Set any key of the experiment; VALUE is YAML", 0},
    {"show-config", KEY_SHOW_CONFIG, NULL, 0, "Print each key with its value and source first", 0},
    {"keys", KEY_KEYS, NULL, 0, "List the keys of an experiment and exit", 0},
    {0, 0, 0, 0, "Verbs:", 2},
    {"resume", KEY_RESUME, NULL, 0, "run: only go on with a campaign that was begun", 0},
    {"filter", KEY_FILTER, "EXPR", 0,
     "run, plan: only cells that match, such as application=cg,strategy~incremental, and their "
     "bases",
     0},
    {"metrics", KEY_METRICS, "FILE", 0, "run, status: figures for Prometheus' node exporter", 0},
    {"results", KEY_RESULTS, "FILE.h5", 0, "plan: earlier results to estimate from", 0},
    {"summary", KEY_SUMMARY, NULL, 0, "status: one line", 0},
    {"html", KEY_HTML, "FILE", 0, "report: one self-contained HTML file", 0},
    {0},
};

static const char documentation[] =
    "Run experiments with checkpoint strategies and report what they cost.\v"
    "  plan EXPERIMENT.yaml     print the order of runs, expected time and disk space\n"
    "  run EXPERIMENT.yaml      make the runs; an interrupted campaign goes on where it stopped\n"
    "  status EXPERIMENT.yaml   what is done, failed, left\n"
    "  show RESULTS RUN         one run: factors, outcome, checkpoints, how to repeat it\n"
    "  report RESULTS           print the tables\n"
    "  compare RESULTS RESULTS            two campaigns, cell by cell\n"
    "  compare RESULTS STRATEGY STRATEGY  two strategies of one campaign, paired by block\n"
    "  merge -o OUT.h5 FILE.h5...         several campaigns in one file\n\n"
    "RESULTS: EXPERIMENT.yaml, whose campaign is read, or FILE.h5.\n"
    "A key's value: command line, else DEJAVU_BENCH_<KEY>, else profile, else file, else what the\n"
    "file includes, else the default.\n"
    "Exit status: 0 ok, 1 a run failed or the campaign was interrupted, 2 usage, 3 environment,\n"
    "4 nothing was left to run.";

static void add(struct argp_state *state, struct list *list, const char *word)
{
    if (list->count == WORDS_MAX)
        argp_error(state, "more than %d of a kind: %s", WORDS_MAX, word);
    else
        list->item[list->count++] = word;
}

/* Options that are keys of the experiment. */
static const struct {
    int option;
    const char *key;
} key_options[] = {
    {'o', "output"},          {KEY_SCRATCH, "scratch"},
    {KEY_SEED, "seed"},       {KEY_REPETITIONS, "repetitions"},
    {KEY_PROFILE, "profile"},
};

static error_t parse_key_option(int option, const char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    for (size_t i = 0; i < sizeof key_options / sizeof key_options[0]; i++) {
        if (key_options[i].option != option)
            continue;
        add(state, &a->overrides, dv_arena_printf(&a->memory, "%s=%s", key_options[i].key, arg));
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 's':
        add(state, &a->overrides, arg);
        return 0;
    case KEY_SHOW_CONFIG:
        a->request.show_config = true;
        return 0;
    case KEY_KEYS:
        a->keys = true;
        return 0;
    case KEY_RESUME:
        a->request.resume = true;
        return 0;
    case KEY_SUMMARY:
        a->request.summary = true;
        return 0;
    case KEY_FILTER:
        a->request.filter = arg;
        return 0;
    case KEY_HTML:
        a->request.html = arg;
        return 0;
    case KEY_METRICS:
        a->request.metrics = arg;
        return 0;
    case KEY_RESULTS:
        add(state, &a->results, arg);
        return 0;
    case 'o':
        a->request.output = arg;
        return parse_key_option(key, arg, state);
    case ARGP_KEY_ARG:
        if (a->verb)
            add(state, &a->paths, arg);
        else
            a->verb = arg;
        return 0;
    default:
        return parse_key_option(key, arg, state);
    }
}

static const struct {
    const char *name, *wants;
    size_t least, most;
    dv_command *run;
} verbs[] = {
    {"plan", "which experiment? give its YAML file", 1, 1, dv_command_plan},
    {"run", "which experiment? give its YAML file", 1, 1, dv_command_run},
    {"status", "which experiment? give its YAML file", 1, 1, dv_command_status},
    {"show", "which run? give the experiment's YAML file or its HDF5 file, and the run's number", 2,
     2, dv_command_show},
    {"compare", "what with what? give two results, or one and two of its strategies", 2, 3,
     dv_command_compare},
    {"report", "which experiment? give its YAML file or its HDF5 file", 1, 1, dv_command_report},
    {"merge", "which files? give -o OUT.h5 and HDF5 files", 1, WORDS_MAX, dv_command_merge},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

/* An option that the verb does not look at is a mistake. */
static enum dv_status check_options(const struct arguments *a)
{
    const struct dv_request *r = &a->request;
    const struct {
        const char *option, *verbs;
        bool given;
    } own[] = {
        {"--resume", "run", r->resume},
        {"--filter", "run plan", r->filter != NULL},
        {"--metrics", "run status", r->metrics != NULL},
        {"--results", "plan", a->results.count > 0},
        {"--summary", "status", r->summary},
        {"--html", "report", r->html != NULL},
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i].given && !strstr(own[i].verbs, a->verb))
            return dv_bench_fail(DV_ERR_USAGE, "%s: option %s belongs to: %s", a->verb,
                                 own[i].option, own[i].verbs);
    }
    return DV_OK;
}

static enum dv_status fail_unknown_verb(const char *verb)
{
    const char *names[VERBS + 1] = {NULL};
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i].name;
    struct dv_yaml place = {.origin = (char *)"command line"};
    return dv_yaml_fail_unknown(&place, NULL, "verb", verb, names);
}

static enum dv_status dispatch(const struct arguments *a)
{
    if (!a->verb)
        return dv_bench_fail(DV_ERR_USAGE, "which verb? plan, run, status, show, compare, report "
                                           "or merge (see --help)");
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, a->verb) != 0)
            continue;
        if (a->paths.count < verbs[i].least)
            return dv_bench_fail(DV_ERR_USAGE, "%s %s", a->verb, verbs[i].wants);
        if (a->paths.count > verbs[i].most)
            return dv_bench_fail(DV_ERR_USAGE, "%s: unexpected argument '%s'", a->verb,
                                 a->paths.item[verbs[i].most]);
        enum dv_status status = check_options(a);
        return status == DV_OK ? verbs[i].run(&a->request, stdout) : status;
    }
    return fail_unknown_verb(a->verb);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, "VERB ARGUMENT...", documentation, NULL,
                                     NULL,    NULL};
    struct arguments arguments = {0};
    argp_err_exit_status = DV_EXIT_USAGE;
    argp_program_version = "dejavu-bench (DejaVu)";
    char *const *command = argv + 1;
    arguments.request.arguments =
        dv_command_text(command, &arguments.memory); /* argp reorders argv */
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.keys) {
        dv_command_keys(stdout);
        return DV_EXIT_OK;
    }
    arguments.request.paths = arguments.paths.item;
    arguments.request.path_count = arguments.paths.count;
    arguments.request.overrides = arguments.overrides.item;
    arguments.request.results = arguments.results.item;
    enum dv_status status = dispatch(&arguments);
    if (fflush(stdout) != 0 && status == DV_OK)
        status = dv_bench_fail(DV_ERR_IO, "cannot write to standard output");
    dv_arena_free(&arguments.memory);
    return (int)dv_status_exit(status);
}

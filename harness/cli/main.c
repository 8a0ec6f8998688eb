/* dejavu-bench: experiments with checkpoint strategies, from a YAML file to tables. */
#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/config/yaml.h"
#include "harness/launch/command.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define OVERRIDES_MAX 64

enum { KEY_SHOW_CONFIG = 256, KEY_SCRATCH, KEY_SEED, KEY_REPETITIONS, KEY_KEYS };

struct arguments {
    const char *verb, *path;
    const char *overrides[OVERRIDES_MAX + 1];
    size_t override_count;
    bool show_config, keys;
    struct dv_arena memory;
};

static const struct argp_option options[] = {
    {"output", 'o', "DIR", 0, "Where journal, records and HDF5 file are (key: output)", 0},
    {"scratch", KEY_SCRATCH, "DIR", 0, "Where runs' private directories are made (key: scratch)",
     0},
    {"seed", KEY_SEED, "N", 0, "Seed of order and random fault times (key: seed)", 0},
    {"repetitions", KEY_REPETITIONS, "N", 0, "Measured blocks (key: repetitions)", 0},
    {"set", 's', "KEY=VALUE", 0, "Set any key of the experiment; VALUE is YAML", 0},
    {"show-config", KEY_SHOW_CONFIG, NULL, 0, "Print each key with its value and source first", 0},
    {"keys", KEY_KEYS, NULL, 0, "List the keys of an experiment and exit", 0},
    {0},
};

static const char documentation[] =
    "Run experiments with checkpoint strategies and report what they cost.\v"
    "  plan EXPERIMENT.yaml     print the order of runs, expected time and disk space\n"
    "  run EXPERIMENT.yaml      make the runs; an interrupted campaign goes on where it stopped\n"
    "  status EXPERIMENT.yaml   what is done, failed, left\n"
    "  report EXPERIMENT.yaml|FILE.h5   print the tables\n\n"
    "A key's value: command line, else DEJAVU_BENCH_<KEY>, else the file, else the default.\n"
    "Exit status: 0 ok, 1 a run failed or the campaign was interrupted, 2 usage, 3 environment,\n"
    "4 nothing was left to run.";

static void add_override(struct argp_state *state, const char *key, const char *value)
{
    struct arguments *a = state->input;
    if (a->override_count == OVERRIDES_MAX)
        argp_error(state, "more than %d keys are set", OVERRIDES_MAX);
    else
        a->overrides[a->override_count++] =
            key ? dv_arena_printf(&a->memory, "%s=%s", key, value) : value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'o':
        add_override(state, "output", arg);
        return 0;
    case KEY_SCRATCH:
        add_override(state, "scratch", arg);
        return 0;
    case KEY_SEED:
        add_override(state, "seed", arg);
        return 0;
    case KEY_REPETITIONS:
        add_override(state, "repetitions", arg);
        return 0;
    case 's':
        add_override(state, NULL, arg);
        return 0;
    case KEY_SHOW_CONFIG:
        a->show_config = true;
        return 0;
    case KEY_KEYS:
        a->keys = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            a->verb = arg;
        else if (state->arg_num == 1)
            a->path = arg;
        else
            argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct {
    const char *name;
    enum dv_status (*run)(const struct dv_request *request, FILE *out);
} verbs[] = {
    {"plan", dv_command_plan},
    {"run", dv_command_run},
    {"status", dv_command_status},
    {"report", dv_command_report},
};

static enum dv_status fail_unknown_verb(const char *verb)
{
    static const char *const names[] = {"plan", "run", "status", "report", NULL};
    struct dv_yaml place = {.origin = (char *)"command line"};
    return dv_yaml_fail_unknown(&place, NULL, "verb", verb, names);
}

static enum dv_status dispatch(const struct arguments *a, const struct dv_request *request)
{
    if (!a->verb)
        return dv_bench_fail(DV_ERR_USAGE, "which verb? plan, run, status or report (see --help)");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, a->verb) != 0)
            continue;
        if (!a->path)
            return dv_bench_fail(DV_ERR_USAGE, "%s which experiment? give its YAML file", a->verb);
        return verbs[i].run(request, stdout);
    }
    return fail_unknown_verb(a->verb);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, "VERB EXPERIMENT", documentation, NULL,
                                     NULL,    NULL};
    struct arguments arguments = {0};
    argp_err_exit_status = DV_EXIT_USAGE;
    argp_program_version = "dejavu-bench (DejaVu)";
    char *const *command = argv + 1;
    char *text = dv_command_text(command, &arguments.memory); /* argp reorders argv */
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.keys) {
        dv_command_keys(stdout);
        return DV_EXIT_OK;
    }
    struct dv_request request = {
        .path = arguments.path,
        .overrides = arguments.overrides,
        .arguments = text,
        .show_config = arguments.show_config,
    };
    enum dv_status status = dispatch(&arguments, &request);
    if (fflush(stdout) != 0 && status == DV_OK)
        status = dv_bench_fail(DV_ERR_IO, "cannot write to standard output");
    dv_arena_free(&arguments.memory);
    return (int)dv_status_exit(status);
}

/* Options: the table, and the layers that values come from. */
#include "cli/options.h"

#include "common/fail.h"

#include <dejavu/log.h>
#include <dejavu/option.h>

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MODULE "cli"
#define KEY_BASE 0x1000 /* of options without a letter, for argp */
#define ALL 0x3ffu

const struct cli_option cli_options[CLI_OPTIONS] = {
    [CLI_OPT_RANKS] =
        {"ranks", 'n', "N", "",
         "processes to start with mpiexec; without it one process is started directly", CLI_RUN,
         CLI_COUNT},
    [CLI_OPT_CAPTURE] = {"capture", 'c', "NAME", "full", "capture strategy", CLI_RUN, CLI_TEXT},
    [CLI_OPT_CAPTURE_OPTIONS] = {"capture-options", 0, "K=V,...", "",
                                 "options of the capture strategy", CLI_RUN, CLI_TEXT},
    [CLI_OPT_PROTOCOL] = {"protocol", 'p', "NAME", "coordinated", "protocol strategy", CLI_RUN,
                          CLI_TEXT},
    [CLI_OPT_PROTOCOL_OPTIONS] = {"protocol-options", 0, "K=V,...", "",
                                  "options of the protocol strategy", CLI_RUN, CLI_TEXT},
    [CLI_OPT_INTERVAL] = {"interval", 'i', "TIME", "0",
                          "time between checkpoints, such as 30s, 500ms or 5m; 0: only on request",
                          CLI_RUN | CLI_RESTART, CLI_SECONDS},
    [CLI_OPT_JOB] = {"job", 'j', "DIR", "",
                     "job directory; a new one in the working directory if not given", CLI_RUN,
                     CLI_TEXT},
    [CLI_OPT_MAX_RESTARTS] = {"max-restarts", 'r', "K", "10",
                              "give up after this many restarts; 0: never restart",
                              CLI_RUN | CLI_RESTART, CLI_COUNT},
    [CLI_OPT_KEEP] = {"keep", 'k', "K", "2", "how many committed epochs are kept",
                      CLI_RUN | CLI_RESTART | CLI_GC, CLI_COUNT},
    [CLI_OPT_QUIESCE_TIMEOUT] = {"quiesce-timeout", 0, "TIME", "30s",
                                 "give a checkpoint up if the ranks do not come to a common stop "
                                 "within this time",
                                 CLI_RUN | CLI_RESTART, CLI_SECONDS},
    [CLI_OPT_RESTORE] =
        {"restore", 0, "auto|eager|lazy", "auto",
         "how a restart brings memory back: eager reads it before the ranks run, lazy maps the "
         "image "
         "and reads pages as they are touched; auto: eager if there is memory for it",
         CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_SNAPSHOT] =
        {"snapshot", 0, "auto|copy|fork|stop", "auto",
         "how pages are kept while they are written and the application runs: copied, by a forked "
         "process, or not at all (it stands still); auto: copied if that is quick, else forked",
         CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_STALL_TARGET] = {"stall-target", 0, "TIME", "20ms",
                              "with --snapshot auto: copy rather than fork if that takes no longer",
                              CLI_RUN | CLI_RESTART, CLI_SECONDS},
    [CLI_OPT_CODEC] = {"codec", 0, "auto|none|lz4|zstd|shuffle-lz4|shuffle-zstd", "auto",
                       "how image blocks are packed; auto: by a sample of each region, if it pays",
                       CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_ORACLE] =
        {"oracle", 0, NULL, "no",
         "compare each epoch with a full image of the same instant (slow; for tests)",
         CLI_RUN | CLI_RESTART, CLI_FLAG},
    [CLI_OPT_LEVEL] =
        {"level", 0, "NAME", "shared",
         "where images go: shared (the job directory), memory or disk (the nodes' directories), "
         "partner (each also on the next node), rs (with parity on other nodes)",
         CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_NODES] = {"nodes", 0, "DIR,DIR,...", "",
                       "a directory for each node; ranks go to nodes in blocks",
                       CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_PARITY] = {"parity", 0, "M", "1", "with --level rs: how many lost nodes are survived",
                        CLI_RUN | CLI_RESTART, CLI_COUNT},
    [CLI_OPT_CHAIN] =
        {"chain", 0, "K", "8",
         "when an epoch needs more than this many, itself included, a complete one is made of "
         "it in the background; 0: never",
         CLI_RUN | CLI_RESTART, CLI_COUNT},
    [CLI_OPT_MPIEXEC] = {"mpiexec", 0, "PROGRAM", "mpiexec.mpich",
                         "the launcher of the MPI library that DejaVu was built with",
                         CLI_RUN | CLI_RESTART, CLI_TEXT},
    [CLI_OPT_EPOCH] = {"epoch", 'e', "E", "", "this epoch; without it the newest (verify: all)",
                       CLI_RESTART | CLI_VERIFY | CLI_COMPACT, CLI_COUNT},
    [CLI_OPT_SHALLOW] = {"shallow", 's', NULL, "no",
                         "check headers and tables only, not the captured data", CLI_VERIFY,
                         CLI_FLAG},
    [CLI_OPT_NO_CHECKPOINT] = {"no-checkpoint", 0, NULL, "no",
                               "end the job at once, without a last checkpoint", CLI_STOP,
                               CLI_FLAG},
    [CLI_OPT_LOG] = {"log", 0, "LEVEL", "",
                     "error, warn, info, debug or trace; default: info here, warn in the ranks",
                     ALL, CLI_TEXT},
    [CLI_OPT_CONFIG] = {"config", 0, "FILE", "",
                        "YAML file with values for these options (keys are their names)", ALL,
                        CLI_TEXT},
    [CLI_OPT_SHOW_CONFIG] = {"show-config", 0, NULL, "no",
                             "print each value and where it comes from, and do nothing else", ALL,
                             CLI_FLAG},
};

struct cli cli;

static int key_of(int index)
{
    return cli_options[index].letter ? cli_options[index].letter : KEY_BASE + index;
}

int cli_find(const char *name, size_t length)
{
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (strlen(cli_options[i].name) == length && memcmp(cli_options[i].name, name, length) == 0)
            return i;
    return -1;
}

void cli_suggest(const char *name, unsigned mask, const char *prefix, char *text, size_t text_bytes)
{
    const char *names[CLI_OPTIONS + 1];
    size_t count = 0;
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (cli_options[i].verbs & mask)
            names[count++] = cli_options[i].name;
    names[count] = NULL;
    const char *near = dv_did_you_mean(name, names);
    text[0] = '\0';
    if (near)
        snprintf(text, text_bytes, "; did you mean %s%s?", prefix, near);
}

/* ---- the command line ---------------------------------------------------- */

/* As getopt_long will understand it: the whole name or an abbreviation of only one. */
static int match_long(const char *name, size_t length, bool *ambiguous)
{
    int found = cli_find(name, length);
    *ambiguous = false;
    if (found >= 0 && (cli_options[found].verbs & cli.verb->verb))
        return found;
    found = -1;
    for (int i = 0; i < CLI_OPTIONS; i++) {
        if (!(cli_options[i].verbs & cli.verb->verb) ||
            strncmp(cli_options[i].name, name, length) != 0)
            continue;
        *ambiguous = found >= 0;
        if (*ambiguous)
            return -1;
        found = i;
    }
    return found;
}

static bool is_argp_own(const char *name, size_t length)
{
    static const char *const own[] = {"help", "usage", "version"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strlen(own[i]) == length && strncmp(own[i], name, length) == 0)
            return true;
    return false;
}

/* `*takes_next`: its value is the next argument. */
static enum dv_status check_long(const char *text, bool has_next, bool *takes_next)
{
    size_t length = strcspn(text, "=");
    bool has_value = text[length] == '=', ambiguous;
    char name[64], hint[100];
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (is_argp_own(text, length))
        return DV_OK;
    int index = match_long(text, length, &ambiguous);
    if (ambiguous)
        return dv_fail(MODULE, DV_ERR_USAGE, "option --%s is ambiguous; see dejavu %s --help", name,
                       cli.verb->name);
    if (index < 0) {
        cli_suggest(name, cli.verb->verb, "--", hint, sizeof hint);
        return dv_fail(MODULE, DV_ERR_USAGE, "dejavu %s has no option --%s%s", cli.verb->name, name,
                       hint[0] ? hint : "; see its --help");
    }
    bool wants_value = cli_options[index].argument != NULL;
    if (has_value && !wants_value)
        return dv_fail(MODULE, DV_ERR_USAGE, "option --%s takes no value", cli_options[index].name);
    *takes_next = wants_value && !has_value;
    if (*takes_next && !has_next)
        return dv_fail(MODULE, DV_ERR_USAGE, "option --%s needs a value (%s)",
                       cli_options[index].name, cli_options[index].argument);
    return DV_OK;
}

static enum dv_status check_letters(const char *text, bool has_next, bool *takes_next)
{
    for (; *text; text++) {
        int index = -1;
        if (*text == '?' || *text == 'V')
            continue;
        for (int i = 0; i < CLI_OPTIONS; i++)
            if (cli_options[i].letter == *text && (cli_options[i].verbs & cli.verb->verb))
                index = i;
        if (index < 0)
            return dv_fail(MODULE, DV_ERR_USAGE, "dejavu %s has no option -%c; see its --help",
                           cli.verb->name, *text);
        if (!cli_options[index].argument)
            continue;
        *takes_next = text[1] == '\0';
        if (*takes_next && !has_next)
            return dv_fail(MODULE, DV_ERR_USAGE, "option -%c needs a value (%s)", *text,
                           cli_options[index].argument);
        return DV_OK;
    }
    return DV_OK;
}

/* argp's own messages have neither our prefix nor a suggestion: all that it would refuse is found
 * before. */
static enum dv_status check_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool takes_next = false;
        enum dv_status status = DV_OK;
        if (strcmp(argv[i], "--") == 0)
            break;
        if (strncmp(argv[i], "--", 2) == 0)
            status = check_long(argv[i] + 2, i + 1 < argc, &takes_next);
        else if (argv[i][0] == '-' && argv[i][1])
            status = check_letters(argv[i] + 1, i + 1 < argc, &takes_next);
        else if (cli.verb->verb == CLI_RUN)
            break; /* the program: what follows is its own */
        if (status)
            return status;
        i += takes_next;
    }
    return DV_OK;
}

static void set_value(int index, const char *text, const char *source)
{
    cli.value[index].text = text;
    snprintf(cli.value[index].source, sizeof cli.value[index].source, "%s", source);
}

static error_t parse_one(int key, char *argument, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG) {
        if (cli.verb->verb == CLI_RUN) {
            cli.operands = state->argv + state->next - 1;
            cli.operand_count = (size_t)state->argc - (size_t)state->next + 1;
            state->next = state->argc;
            return 0;
        }
        cli.operands[cli.operand_count++] = argument;
        return 0;
    }
    for (int i = 0; i < CLI_OPTIONS; i++) {
        if (key_of(i) == key && (cli_options[i].verbs & cli.verb->verb)) {
            set_value(i, argument ? argument : "yes", "command line");
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

static enum dv_status read_command_line(int argc, char **argv)
{
    struct argp_option table[CLI_OPTIONS + 1];
    char help[CLI_OPTIONS][256], name[64], doc[256];
    size_t count = 0;
    memset(table, 0, sizeof table);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *o = &cli_options[i];
        if (!(o->verbs & cli.verb->verb))
            continue;
        bool has_default = o->argument && o->default_value[0];
        snprintf(help[i], sizeof help[i], "%s%s%s%s", o->help, has_default ? " [" : "",
                 has_default ? o->default_value : "", has_default ? "]" : "");
        table[count++] = (struct argp_option){
            .name = o->name, .key = key_of(i), .arg = o->argument, .doc = help[i]};
    }
    snprintf(
        doc, sizeof doc, "%s.\v%s", cli.verb->summary,
        "Each option can also be given as DEJAVU_<NAME> or in a --config file. See dejavu(1).");
    struct argp argp = {
        .options = table, .parser = parse_one, .args_doc = cli.verb->operands, .doc = doc};
    enum dv_status status = check_arguments(argc, argv);
    if (status)
        return status;
    if (cli.verb->verb != CLI_RUN && !(cli.operands = calloc((size_t)argc + 1, sizeof *argv)))
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the arguments");
    snprintf(name, sizeof name, "dejavu %s", cli.verb->name);
    argv[0] = name;
    unsigned flags = cli.verb->verb == CLI_RUN ? ARGP_IN_ORDER : 0u;
    argp_err_exit_status = DV_EXIT_USAGE;
    error_t error = argp_parse(&argp, argc, argv, flags, NULL, NULL);
    if (error)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "the arguments are not understood; see dejavu %s --help", cli.verb->name);
    return DV_OK;
}

/* ---- the other layers ---------------------------------------------------- */

static void read_environment(void)
{
    for (int i = 0; i < CLI_OPTIONS; i++) {
        char name[80] = "DEJAVU_";
        size_t used = strlen(name);
        for (const char *p = cli_options[i].name; *p; p++)
            name[used++] = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
        name[used] = '\0';
        const char *text = getenv(name);
        if (text && *text && !cli.value[i].text)
            set_value(i, text, name);
    }
}

enum dv_status cli_set_from_job(enum cli_name name, const char *text)
{
    if (strcmp(cli.value[name].source, "default") != 0)
        return DV_OK;
    char *copy = strdup(text);
    if (!copy)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for options");
    set_value((int)name, copy, "job");
    return DV_OK;
}

/* The level applies here at once, and to the ranks through their environment. */
static enum dv_status apply_log_level(void)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};
    const char *wanted = cli_text(CLI_OPT_LOG);
    if (!*wanted)
        return DV_OK;
    for (size_t i = 0; levels[i]; i++) {
        if (strcmp(levels[i], wanted) != 0)
            continue;
        if (setenv("DEJAVU_LOG", wanted, 1) != 0)
            return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the environment");
        dv_log_setup(2, -1, (enum dv_log_level)i);
        return DV_OK;
    }
    const char *near = dv_did_you_mean(wanted, levels);
    return dv_fail(MODULE, DV_ERR_USAGE,
                   "--log %s (%s): there is error, warn, info, debug, trace%s%s%s", wanted,
                   cli.value[CLI_OPT_LOG].source, near ? "; did you mean " : "", near ? near : "",
                   near ? "?" : "");
}

enum dv_status cli_read(const struct cli_verb_info *verb, int argc, char **argv)
{
    memset(&cli, 0, sizeof cli);
    cli.verb = verb;
    enum dv_status status = read_command_line(argc, argv);
    if (status)
        return status;
    read_environment();
    if (cli.value[CLI_OPT_CONFIG].text)
        status = cli_read_config_file(cli.value[CLI_OPT_CONFIG].text);
    if (status)
        return status;
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (!cli.value[i].text)
            set_value(i, cli_options[i].default_value, "default");
    return apply_log_level();
}

bool cli_show_config(void)
{
    if (!cli_flag(CLI_OPT_SHOW_CONFIG))
        return false;
    for (int i = 0; i < CLI_OPTIONS; i++) {
        if (!(cli_options[i].verbs & cli.verb->verb) || i == CLI_OPT_CONFIG ||
            i == CLI_OPT_SHOW_CONFIG)
            continue;
        const char *text = cli.value[i].text;
        printf("%s: %s  # %s\n", cli_options[i].name, *text ? text : "\"\"", cli.value[i].source);
    }
    return true;
}

const char *cli_text(enum cli_name name)
{
    return cli.value[name].text;
}

bool cli_flag(enum cli_name name)
{
    static const char *const on[] = {"yes", "true", "on", "1"};
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++)
        if (strcasecmp(cli_text(name), on[i]) == 0)
            return true;
    return false;
}

enum dv_status cli_count(enum cli_name name, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    const char *text = cli_text(name);
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || v < minimum || v > maximum)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "--%s: \"%s\" (%s) is not a whole number from %llu to %llu",
                       cli_options[name].name, text, cli.value[name].source,
                       (unsigned long long)minimum, (unsigned long long)maximum);
    *value = v;
    return DV_OK;
}

enum dv_status cli_seconds(enum cli_name name, double *value)
{
    /* More than this is a slip, and would not fit into nanoseconds. */
    const double longest = 10 * 365 * 86400.0;
    if (dv_parse_seconds(cli_text(name), value) == DV_OK && *value <= longest)
        return DV_OK;
    return dv_fail(MODULE, DV_ERR_USAGE,
                   "--%s: \"%s\" (%s) is not a time such as 10, 10s, 200ms, 5m or 1h",
                   cli_options[name].name, cli_text(name), cli.value[name].source);
}

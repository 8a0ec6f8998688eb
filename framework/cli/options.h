/* The options of the `dejavu` command: one table drives the parser (argp), the help, the
 * environment, the configuration file and --show-config.
 *
 *      command line  >  DEJAVU_<NAME>  >  --config FILE  >  the job file (restart)  >  default
 *
 * One set per process; strings are owned by it or borrowed from argv and the environment. */
#ifndef DV_CLI_OPTIONS_H
#define DV_CLI_OPTIONS_H

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_verb {
    CLI_RUN = 1u << 0,
    CLI_CHECKPOINT = 1u << 1,
    CLI_RESTART = 1u << 2,
    CLI_STATUS = 1u << 3,
    CLI_LS = 1u << 4,
    CLI_VERIFY = 1u << 5,
    CLI_STOP = 1u << 6,
    CLI_DOCTOR = 1u << 7,
    CLI_COMPACT = 1u << 8,
    CLI_GC = 1u << 9,
};

enum cli_type { CLI_TEXT, CLI_FLAG, CLI_COUNT, CLI_SECONDS };

enum cli_name {
    CLI_OPT_RANKS,
    CLI_OPT_CAPTURE,
    CLI_OPT_CAPTURE_OPTIONS,
    CLI_OPT_PROTOCOL,
    CLI_OPT_PROTOCOL_OPTIONS,
    CLI_OPT_INTERVAL,
    CLI_OPT_JOB,
    CLI_OPT_MAX_RESTARTS,
    CLI_OPT_KEEP,
    CLI_OPT_QUIESCE_TIMEOUT,
    CLI_OPT_RESTORE,
    CLI_OPT_SNAPSHOT,
    CLI_OPT_STALL_TARGET,
    CLI_OPT_CODEC,
    CLI_OPT_ORACLE,
    CLI_OPT_LEVEL,
    CLI_OPT_NODES,
    CLI_OPT_PARITY,
    CLI_OPT_CHAIN,
    CLI_OPT_MPIEXEC,
    CLI_OPT_EPOCH,
    CLI_OPT_SHALLOW,
    CLI_OPT_NO_CHECKPOINT,
    CLI_OPT_LOG,
    CLI_OPT_CONFIG,
    CLI_OPT_SHOW_CONFIG,
    CLI_OPTIONS
};

struct cli_option {
    const char *name;
    int letter;           /* 0: none */
    const char *argument; /* in the help; NULL for a flag */
    const char *default_value;
    const char *help;
    unsigned verbs; /* enum cli_verb */
    enum cli_type type;
};
extern const struct cli_option cli_options[CLI_OPTIONS];

struct cli_verb_info {
    const char *name;
    enum cli_verb verb;
    const char *operands; /* "JOB" */
    const char *summary;
    int (*main)(void); /* returns the exit status */
};

struct cli {
    const struct cli_verb_info *verb;
    char **operands; /* NULL-terminated; for `run` the program and its arguments */
    size_t operand_count;
    struct {
        const char *text;
        char source[300]; /* "default", "DEJAVU_KEEP", "conf.yaml:3" ... */
    } value[CLI_OPTIONS];
};
extern struct cli cli;

/* Read everything for this verb: argv[0] is the verb. Reports; on `--help` and such does not
 * return. */
enum dv_status cli_read(const struct cli_verb_info *verb, int argc, char **argv) DV_CHECKED;
/* A value from the job file, below all but the default. `text` is copied. */
enum dv_status cli_set_from_job(enum cli_name name, const char *text) DV_CHECKED;
/* Was --show-config given? Then prints all values of this verb with their sources. */
bool cli_show_config(void);

const char *cli_text(enum cli_name name);
bool cli_flag(enum cli_name name);
enum dv_status cli_count(enum cli_name name, uint64_t minimum, uint64_t maximum,
                         uint64_t *value) DV_CHECKED;
enum dv_status cli_seconds(enum cli_name name, double *value) DV_CHECKED;

/* config_file.c: the file's values, for all options that have none from a higher place yet. */
enum dv_status cli_read_config_file(const char *path) DV_CHECKED;
/* The index of an option by name for any verb, or -1. */
int cli_find(const char *name, size_t length);
/* "; did you mean --keep?" or "". `mask`: which verbs' options. `prefix`: "--" or "". */
void cli_suggest(const char *name, unsigned mask, const char *prefix, char *text,
                 size_t text_bytes);

#endif

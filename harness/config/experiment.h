/* An experiment: what its YAML file, the environment and the command line ask for, checked.
 *
 * Everything hangs on the experiment's arena and is freed with it. Precedence of a key: command
 * line (`--set key=value`) > environment (DEJAVU_BENCH_<KEY>) > profile > file > included files >
 * default. Every value, wherever it comes from, is YAML text and goes through the same reader, so
 * each way of giving it has the same errors. */
#ifndef DV_HARNESS_EXPERIMENT_H
#define DV_HARNESS_EXPERIMENT_H

#include "harness/config/arena.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The class of applications that have none. */
#define DV_NO_CLASS '-'

enum dv_rank_rule { DV_RANKS_ANY, DV_RANKS_POWER_OF_TWO, DV_RANKS_SQUARE };

/* Rough figures for `plan` before anything was measured: whole program on one core, all ranks. */
struct dv_app_estimate {
    char class_name;
    double cpu_seconds, memory_mib;
};

/* An application that needs no more than its name in an experiment. */
struct dv_known_app {
    const char *name, *program;
    enum dv_rank_rule rule;
    struct dv_app_estimate estimates[5];
};
/* Ends with a NULL name. */
extern const struct dv_known_app dv_known_apps[];
const struct dv_known_app *dv_known_app_find(const char *name);
bool dv_rank_rule_allows(enum dv_rank_rule rule, int64_t ranks);
const char *dv_rank_rule_text(enum dv_rank_rule rule);

struct dv_names {
    char **item;
    size_t count;
};

struct dv_numbers {
    int64_t *item;
    size_t count;
};

struct dv_seconds {
    double *item;
    size_t count;
};

/* Values that `{name}` takes in applications' arguments and strategies' options. */
struct dv_parameter {
    const char *name;
    struct dv_names values;
    bool used;
};

struct dv_sweep {
    struct dv_parameter *item;
    size_t count;
};

struct dv_app {
    const char *name, *program; /* program: absolute path, or as found in bindir */
    const char *parameters;     /* "dirty=10 chain=4": what a sweep gave it, also in its name; "" */
    const char *place;          /* "demo.yaml:3:5", for messages */
    struct dv_names arguments;  /* "{class}" and "{ranks}" are replaced */
    struct dv_names classes;    /* count 0: the experiment's */
    struct dv_numbers ranks;    /* count 0: the experiment's */
    const char
        *verification;  /* extended regular expression that standard output must match; "" = none */
    const char *digest; /* expression with one group, "stdout" (hash of all of it), "" = none */
    const char *seconds; /* expression with one group: the application's own time; "" = none */
    const struct dv_known_app *known; /* or NULL */
};

enum dv_strategy_kind { DV_STRATEGY_NATIVE, DV_STRATEGY_IDLE, DV_STRATEGY_CHECKPOINT };

struct dv_strategy {
    enum dv_strategy_kind kind;
    const char *label, *capture, *protocol;
    const char *parameters;  /* as in struct dv_app */
    const char *system;      /* whose checkpoints: "dejavu", or an external system ("criu") */
    struct dv_names options; /* further arguments of `dejavu run`, or of the system's adapter */
};

enum dv_fault_kind {
    DV_FAULT_NONE,
    DV_FAULT_RANK,
    DV_FAULT_ANY_RANK, /* drawn anew for each moment */
    DV_FAULT_ALL,
    DV_FAULT_MPIEXEC
};

/* When: all moments follow from the run's seed. */
enum dv_fault_timing {
    DV_FAULT_AT, /* once, at_low_s..at_high_s after the run's start */
    DV_FAULT_AFTER_EPOCH,
    DV_FAULT_SCHEDULE,    /* at each moment of `schedule` */
    DV_FAULT_EXPONENTIAL, /* again and again; mtbf_s: mean time between two kills, whole job */
    DV_FAULT_WEIBULL      /* the same with `shape` */
};

struct dv_fault {
    enum dv_fault_kind kind;
    enum dv_fault_timing timing;
    int64_t rank;
    double at_low_s, at_high_s;
    uint64_t after_epoch;
    struct dv_seconds schedule;
    double mtbf_s, shape;
    int64_t most; /* kills in a run, from a distribution; 0: no limit */
    const char *label;
};

/* Must every moment be reached, or does the fault only say what happens while a run lasts? */
bool dv_fault_is_certain(const struct dv_fault *fault);

struct dv_fault_list {
    struct dv_fault *item;
    size_t count;
};

enum dv_cache { DV_CACHE_WARM, DV_CACHE_DROP };
enum dv_pin { DV_PIN_NONE, DV_PIN_CORES };
enum dv_keep { DV_KEEP_NEVER, DV_KEEP_FAILED, DV_KEEP_ALWAYS };

struct dv_setting {
    const char *key, *value, *source; /* source: "demo.yaml:7", "command line" ... */
};

struct dv_experiment {
    struct dv_arena memory;
    char *path, *text; /* the file, byte for byte */
    size_t text_bytes;
    struct dv_setting *settings; /* one for each key, in the table's order */
    size_t setting_count;

    const char *profile, *name, *description, *output, *scratch, *bindir, *mpiexec, *launcher;
    int64_t seed, repetitions, warmup, max_restarts;
    double timeout_s, pause_s;
    enum dv_keep keep;
    enum dv_cache cache;
    enum dv_pin pin;
    int hostname; /* record it? */
    struct dv_names classes, counters;
    struct dv_sweep sweep;
    struct dv_app *apps;
    size_t app_count;
    struct dv_numbers ranks;
    struct dv_strategy *strategies;
    size_t strategy_count;
    struct dv_seconds intervals;
    struct dv_fault_list faults;
    /* Why a strategy cannot be used here for so many ranks, or NULL; asked by the plan. NULL: every
     * strategy can. */
    const char *(*unable)(struct dv_experiment *experiment, const struct dv_strategy *strategy,
                          int64_t ranks);
};

/* `overrides`: "key=value" texts of the command line, NULL at the end. Says what is wrong. */
enum dv_status dv_experiment_open(struct dv_experiment *experiment, const char *path,
                                  const char *const *overrides) DV_CHECKED;
void dv_experiment_close(struct dv_experiment *experiment);

/* How a key was set. The key must be in the table. */
const struct dv_setting *dv_experiment_setting(const struct dv_experiment *experiment,
                                               const char *key);

/* The key table for --help, the manual and --show-config. False behind the last. */
struct dv_key_text {
    const char *name, *default_value, *unit, *help;
};
bool dv_experiment_key(size_t index, struct dv_key_text *key);

/* "10s", "250ms": as one would write it. */
void dv_seconds_text(double seconds, char *text, size_t text_bytes);

#endif

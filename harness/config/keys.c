/* The key table: what an experiment may say, with defaults and units; and where each value comes
 * from. */
#include "harness/config/layers.h"
#include "harness/config/read.h"
#include "harness/config/say.h"
#include "harness/config/tools.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct key {
    struct dv_key_text text;
    size_t offset;
    dv_reader *read;
    bool in_files_only;
};

#define KEY(name, default_value, unit, member, reader, help)                                       \
    {                                                                                              \
        {name, default_value, unit, help}, offsetof(struct dv_experiment, member), reader, false   \
    }

/* What is said in files only, and looked for by layers.c. */
static enum dv_status read_nothing(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    (void)at, (void)node, (void)field;
    return DV_OK;
}

/* Order matters in three places: `profile` before all that it may say, `sweep` before what uses its
 * parameters, `applications` last. */
static const struct key keys[] = {
    {{"include", "[]", "list of paths",
      "experiment files whose keys count where this file is silent; a later one before an earlier"},
     0,
     read_nothing,
     true},
    {{"profiles", "{}", "name: {key: value}",
      "keys that count instead of the file's with --profile NAME"},
     0,
     read_nothing,
     true},
    KEY("profile", "''", "name", profile, dv_read_string, "which of the profiles counts; '': none"),
    KEY("name", "''", "text", name, dv_read_string,
        "name of the campaign; '' takes the file's name without .yaml"),
    KEY("description", "''", "text", description, dv_read_string, "what the experiment is for"),
    KEY("output", "''", "path", output, dv_read_string,
        "directory of journal, records and HDF5 file; '' takes results/<name>"),
    KEY("scratch", "''", "path", scratch, dv_read_string,
        "where each run's private directory (job directory with images, working directory) is "
        "made; "
        "'' takes $TMPDIR, or <output>/scratch"),
    KEY("bindir", "''", "path", bindir, dv_read_string,
        "where dejavu and the known applications are; '' takes dejavu-bench's own directory"),
    KEY("mpiexec", "mpiexec.mpich", "program", mpiexec, dv_read_string,
        "launcher of native runs; must be MPICH's"),
    KEY("launcher", "local", "name", launcher, dv_read_string,
        "how programs are started: local (mpiexec on this host)"),
    KEY("seed", "20070326", "number", seed, dv_read_count,
        "order of the runs and random fault times follow from it"),
    KEY("repetitions", "6", "blocks", repetitions, dv_read_positive,
        "measured blocks; 6 is the least for a 95 % interval"),
    KEY("warmup", "1", "blocks", warmup, dv_read_count,
        "blocks before the measured ones; stored and flagged, in no statistic"),
    KEY("timeout", "10m", "duration", timeout_s, dv_read_duration,
        "a run that takes longer is killed and is a failure"),
    KEY("pause", "0s", "duration", pause_s, dv_read_duration, "idle time before each run"),
    KEY("cache", "warm", "warm|drop", cache, dv_read_cache,
        "page cache before each run: as it is, or written back and dropped (as root)"),
    KEY("pin", "none", "none|cores", pin, dv_read_pin,
        "ranks go where the kernel puts them, or each is bound to a core (Hydra's binding)"),
    KEY("max-restarts", "3", "restarts", max_restarts, dv_read_count,
        "how often dejavu run may recover within one run, beside planned faults"),
    KEY("keep", "failed", "never|failed|always", keep, dv_read_keep,
        "whose private directory stays after the run"),
    KEY("hostname", "no", "yes|no", hostname, dv_read_yes_no,
        "store the host's name with the environment"),
    KEY("counters",
        "[PAPI_TOT_CYC, PAPI_TOT_INS, PAPI_L2_DCM, PAPI_TLB_DM, 'perf::PAGE-FAULTS', "
        "'perf::MAJOR-FAULTS', 'perf::CONTEXT-SWITCHES', 'perf::CPU-MIGRATIONS', "
        "'perf::TASK-CLOCK']",
        "PAPI names", counters, dv_read_names,
        "counted over all processes of a run; what cannot be counted is stored as unavailable"),
    KEY("classes", "[S]", "list of words", classes, dv_read_names, "problem classes"),
    KEY("ranks", "[2]", "list of numbers", ranks, dv_read_rank_list, "numbers of MPI processes"),
    KEY("sweep", "{}", "parameter: [value, ...]", sweep, dv_read_sweep,
        "values of {parameter} in arguments and options; all combinations are run"),
    KEY("strategies", "[full+coordinated]", "list", strategies, dv_read_strategies,
        "capture+protocol, {name, capture, protocol, options}, criu, dmtcp or mana; native and "
        "idle "
        "are always there"),
    KEY("intervals", "[10s]", "list of durations", intervals, dv_read_intervals,
        "time between checkpoints; crossed with strategies that checkpoint"),
    KEY("faults", "[none]", "list", faults, dv_read_faults,
        "none, or {kill: rank R|rank any|all|mpiexec, ...} with at: TIME | TIME..TIME | [TIME, "
        "...], "
        "after-epoch: E, or distribution: exponential|weibull, mtbf: TIME, shape: K, most: N"),
    KEY("applications", "[]", "list", apps, dv_read_applications,
        "known names, or {name, program, arguments, classes, ranks, verification, digest, "
        "seconds}"),
};
#define KEYS (sizeof keys / sizeof keys[0])

bool dv_experiment_key(size_t index, struct dv_key_text *key)
{
    if (index >= KEYS)
        return false;
    *key = keys[index].text;
    return true;
}

static void key_names(const char *names[KEYS + 1])
{
    for (size_t i = 0; i < KEYS; i++)
        names[i] = keys[i].text.name;
    names[KEYS] = NULL;
}

/* DEJAVU_BENCH_MAX_RESTARTS for max-restarts. */
static const char *environment_value(const char *key, char *variable, size_t variable_bytes)
{
    snprintf(variable, variable_bytes, "DEJAVU_BENCH_%s", key);
    for (char *c = variable; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return getenv(variable);
}

static const char *override_value(const char *const *overrides, const char *key)
{
    const char *found = NULL;
    size_t length = strlen(key);
    for (; overrides && *overrides; overrides++) {
        if (strncmp(*overrides, key, length) == 0 && (*overrides)[length] == '=')
            found = *overrides + length + 1; /* the last one counts */
    }
    return found;
}

static enum dv_status check_overrides(const char *const *overrides)
{
    const char *names[KEYS + 1];
    key_names(names);
    for (; overrides && *overrides; overrides++) {
        const char *equals = strchr(*overrides, '=');
        if (!equals)
            return dv_bench_fail(DV_ERR_USAGE, "--set %s: expected key=value", *overrides);
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)(equals - *overrides), *overrides);
        const char *const *name = names;
        while (*name && strcmp(*name, word) != 0)
            name++;
        if (*name && keys[name - names].in_files_only)
            return dv_bench_fail(DV_ERR_USAGE, "--set %s: only an experiment file can say that",
                                 word);
        if (*name)
            continue;
        struct dv_yaml place = {.origin = (char *)"--set"};
        return dv_yaml_fail_unknown(&place, NULL, "key", word, names);
    }
    return DV_OK;
}

static enum dv_status read_node(struct dv_experiment *e, size_t index, struct dv_yaml *yaml,
                                yaml_node_t *node, const char *source)
{
    const struct key *key = &keys[index];
    char *value = dv_yaml_source(yaml, node);
    e->settings[index] = (struct dv_setting){
        .key = key->text.name,
        .value = dv_arena_text(&e->memory, value ? value : ""),
        .source =
            source ? dv_arena_text(&e->memory, source)
                   : dv_arena_printf(&e->memory, "%s:%zu", yaml->origin, node->start_mark.line + 1),
    };
    free(value);
    struct dv_reading at = {.experiment = e, .yaml = yaml, .key = key->text.name};
    return key->read(&at, node, (char *)e + key->offset);
}

static enum dv_status read_key(struct dv_experiment *e, size_t index,
                               const struct dv_layers *layers, const char *const *overrides)
{
    const struct dv_key_text *key = &keys[index].text;
    char origin[128], variable[96];
    const char *text = override_value(overrides, key->name), *source = "command line";
    snprintf(origin, sizeof origin, "--set %s", key->name);
    if (!text && !keys[index].in_files_only) {
        text = environment_value(key->name, variable, sizeof variable);
        source = variable;
        snprintf(origin, sizeof origin, "%s", variable);
    }
    if (!text) {
        struct dv_yaml *file;
        yaml_node_t *node = dv_layers_get(layers, key->name, &file);
        if (node)
            return read_node(e, index, file, node, NULL);
        text = key->default_value;
        source = "default";
        snprintf(origin, sizeof origin, "default of '%s'", key->name);
    }
    struct dv_yaml yaml;
    enum dv_status status = dv_yaml_open_text(&yaml, origin, *text ? text : "''");
    if (status != DV_OK)
        return status;
    status = read_node(e, index, &yaml, dv_yaml_root(&yaml), source);
    dv_yaml_close(&yaml);
    return status;
}

const struct dv_setting *dv_experiment_setting(const struct dv_experiment *experiment,
                                               const char *key)
{
    const struct dv_setting *setting = experiment->settings;
    while (strcmp(setting->key, key) != 0)
        setting++;
    return setting;
}

static const char *format_path(struct dv_experiment *e, const char *format, const char *a,
                               const char *b)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, format, a, b);
    return dv_arena_text(&e->memory, path);
}

/* What an empty value stands for. */
static void fill_derived(struct dv_experiment *e)
{
    if (!*e->name) {
        const char *base = strrchr(e->path, '/');
        base = base ? base + 1 : e->path;
        const char *dot = strrchr(base, '.');
        size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
        e->name = dv_arena_copy(&e->memory, base, length);
    }
    if (!*e->output)
        e->output = format_path(e, "results/%s%s", e->name, "");
    if (!*e->scratch) {
        const char *temporary = getenv("TMPDIR");
        e->scratch = temporary && *temporary ? dv_arena_text(&e->memory, temporary)
                                             : format_path(e, "%s/%s", e->output, "scratch");
    }
    if (!*e->bindir)
        e->bindir = dv_own_directory(&e->memory);
}

static enum dv_status check_sweep_is_used(const struct dv_experiment *e)
{
    for (size_t i = 0; i < e->sweep.count; i++) {
        if (!e->sweep.item[i].used)
            return dv_bench_fail(DV_ERR_USAGE,
                                 "%s: parameter '%s' of 'sweep' is used nowhere; write {%s} in an "
                                 "application's arguments or a strategy's options",
                                 dv_experiment_setting(e, "sweep")->source, e->sweep.item[i].name,
                                 e->sweep.item[i].name);
    }
    return DV_OK;
}

static enum dv_status read_keys(struct dv_experiment *e, struct dv_layers *layers,
                                const char *const *overrides)
{
    enum dv_status status = check_overrides(overrides);
    for (size_t i = 0; status == DV_OK && i < KEYS; i++) {
        status = read_key(e, i, layers, overrides);
        if (status == DV_OK && keys[i].offset == offsetof(struct dv_experiment, profile) &&
            e->profile && *e->profile)
            status = dv_layers_add_profile(layers, e->profile, e->settings[i].source);
    }
    return status == DV_OK ? check_sweep_is_used(e) : status;
}

enum dv_status dv_experiment_open(struct dv_experiment *experiment, const char *path,
                                  const char *const *overrides)
{
    struct dv_layers layers;
    const char *names[KEYS + 1];
    key_names(names);
    enum dv_status status = dv_layers_open(path, names, &layers);
    if (status != DV_OK)
        return status;
    memset(experiment, 0, sizeof *experiment);
    struct dv_experiment *e = experiment;
    const struct dv_yaml *file = dv_layers_main(&layers);
    e->path = dv_arena_text(&e->memory, path);
    e->text = dv_arena_copy(&e->memory, file->text, file->text_bytes);
    e->text_bytes = file->text_bytes;
    e->settings = dv_arena_alloc(&e->memory, KEYS, sizeof *e->settings);
    e->setting_count = KEYS;
    status = read_keys(e, &layers, overrides);
    if (status == DV_OK) {
        fill_derived(e);
        status = dv_experiment_check_apps(e);
    }
    if (status != DV_OK)
        dv_experiment_close(e);
    dv_layers_close(&layers);
    return status;
}

void dv_experiment_close(struct dv_experiment *experiment)
{
    if (!experiment->path)
        return;
    dv_arena_free(&experiment->memory);
    memset(experiment, 0, sizeof *experiment);
}

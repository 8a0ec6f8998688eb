#include "apps/synthetic/synthetic.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_USAGE = 2 };

#define SECONDS_MAX 1e6
#define COUNT_MAX 1e9
#define MFLOP_MAX 1e9
#define BYTES_MAX 0x1p50

static const struct argp_option options[] = {
    {"footprint", 'f', "SIZE", 0, "Memory of each rank: bytes, or with K, M, G (default: 64M)", 0},
    {"dirty", 'd', "PART", 0, "Part of its pages that a step writes: 10% or 0.1 (default: 10%)", 0},
    {"order", 'o', "clustered|scattered", 0, "Where these pages lie (default: clustered)", 0},
    {"move", 'v', "PAGES", 0,
     "How far the written pages move in each step (default: 0, always the same ones)", 0},
    {"message", 'm', "SIZE", 0,
     "Sent to each of two neighbours in each step; 0: none (default: 8K)", 0},
    {"collective", 'a', "N", 0, "An MPI_Allreduce every N steps; 0: none (default: 1)", 0},
    {"compute", 'x', "MFLOP", 0,
     "Million floating-point operations per step, in the cache (default: 1)", 0},
    {"iterations", 'i', "N", 0, "Steps to run (default: 1000)", 0},
    {"steps", 'i', NULL, OPTION_ALIAS, NULL, 0},
    {"seconds", 't', "S", 0,
     "Run as many steps as take S seconds, by a short trial, instead of a fixed number", 0},
    {"progress", 'p', NULL, 0, "A line on stderr for every step", 0},
    {"help", 'h', NULL, 0, "Show this help", -1},
    {"usage", 'h', NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

/* What argp hands to the parser. */
struct parsing {
    struct synthetic_settings *settings;
    char complaint[160]; /* the first one */
};

static error_t refuse(struct parsing *parsing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static error_t refuse(struct parsing *parsing, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(parsing->complaint, sizeof parsing->complaint, format, args);
    va_end(args);
    return EINVAL;
}

/* What an option's number may look like. A suffix, the n-th from 0, multiplies it by scale^(n + 1). */
struct number {
    const char *what, *suffixes;
    double scale, low, high;
};

static error_t parse_number(struct parsing *parsing, const struct number *rule, const char *text,
                            double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    const char *suffix = *end ? strchr(rule->suffixes, *end) : NULL;

    if (errno || end == text || (*end && (!suffix || end[1])))
        return refuse(parsing, "bad %s '%s': not a number%s%s", rule->what, text,
                      *rule->suffixes ? ", which may end in one of " : "", rule->suffixes);
    for (const char *s = rule->suffixes; suffix && s <= suffix; s++)
        *value *= rule->scale;
    if (!(*value >= rule->low && *value <= rule->high))
        return refuse(parsing, "bad %s '%s': it must be from %.12g to %.12g", rule->what, text,
                      rule->low, rule->high);
    return 0;
}

static error_t parse_size(struct parsing *parsing, const char *what, const char *text, double low,
                          size_t *bytes)
{
    const struct number rule = {what, "KMG", 1024, low, BYTES_MAX};
    double value = 0;
    error_t error = parse_number(parsing, &rule, text, &value);
    *bytes = (size_t)value;
    return error;
}

static error_t parse_count(struct parsing *parsing, const char *what, const char *text, double low,
                           long *count)
{
    const struct number rule = {what, "", 1, low, COUNT_MAX};
    double value = 0;
    error_t error = parse_number(parsing, &rule, text, &value);
    *count = (long)value;
    return error;
}

static error_t parse_order(struct parsing *parsing, const char *text, enum synthetic_order *order)
{
    bool scattered = strcmp(text, "scattered") == 0;

    if (!scattered && strcmp(text, "clustered") != 0)
        return refuse(parsing, "bad order '%s': use clustered or scattered", text);
    *order = scattered ? SYNTHETIC_SCATTERED : SYNTHETIC_CLUSTERED;
    return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    static const struct number dirty = {"dirty part", "%", 0.01, 0, 1};
    static const struct number mflop = {"compute", "", 1, 0, MFLOP_MAX};
    static const struct number seconds = {"seconds", "", 1, 1e-3, SECONDS_MAX};
    struct parsing *parsing = state->input;
    struct synthetic_settings *s = parsing->settings;

    switch (key) {
    case 'f':
        return parse_size(parsing, "footprint", arg, SYNTHETIC_PAGE_BYTES, &s->footprint_bytes);
    case 'd':
        return parse_number(parsing, &dirty, arg, &s->dirty);
    case 'o':
        return parse_order(parsing, arg, &s->order);
    case 'v':
        return parse_count(parsing, "move", arg, 0, &s->move_pages);
    case 'm':
        return parse_size(parsing, "message", arg, 0, &s->message_bytes);
    case 'a':
        return parse_count(parsing, "collective", arg, 0, &s->collective_every);
    case 'x':
        return parse_number(parsing, &mflop, arg, &s->compute_mflop);
    case 'i':
        return parse_count(parsing, "number of iterations", arg, 1, &s->steps);
    case 't':
        return parse_number(parsing, &seconds, arg, &s->seconds);
    case 'p':
        s->progress = true;
        return 0;
    case 'h':
        s->help = true;
        return 0;
    case ARGP_KEY_ARG:
        return refuse(parsing, "unexpected argument '%s'", arg);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .doc = "A stencil on a ring of ranks, for sweeping the cost of a checkpoint strategy against "
           "one factor at a time.",
};

/* What no single option can know. */
static error_t check(struct parsing *parsing)
{
    const struct synthetic_settings *s = parsing->settings;

    if (s->message_bytes > s->footprint_bytes || s->message_bytes > INT_MAX)
        return refuse(parsing, "message of %zu bytes: at most the footprint (%zu bytes) and %d",
                      s->message_bytes, s->footprint_bytes, INT_MAX);
    return 0;
}

bool synthetic_parse(int argc, char **argv, const struct npb_run *run,
                     struct synthetic_settings *settings, int *status)
{
    struct parsing parsing = {.settings = settings};
    unsigned quiet = run->rank == 0 ? 0 : ARGP_NO_ERRS;

    *settings = (struct synthetic_settings){
        .footprint_bytes = (size_t)64 << 20,
        .dirty = 0.1,
        .message_bytes = 8192,
        .collective_every = 1,
        .compute_mflop = 1,
        .steps = 1000,
    };
    error_t error =
        argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP | quiet, NULL, &parsing);
    if (!error)
        error = check(&parsing);
    if (error && parsing.complaint[0]) {
        *status = npb_reject(run, "%s", parsing.complaint);
        return false;
    }
    if (!error && !settings->help)
        return true;
    if (!error && run->rank == 0)
        argp_help(&argp, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC,
                  (char *)run->program->command);
    fflush(stdout);
    MPI_Finalize();
    *status = error ? STATUS_USAGE : EXIT_SUCCESS;
    return false;
}

#include "analysis/stats/options.h"

#include <dejavu/option.h>

#include <stdlib.h>
#include <string.h>

double dv_option_number(const struct argp_state *state, const char *option, const char *text,
                        double above, double below)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > above && value < below))
        argp_error(state, "--%s: '%s' is not a number between %g and %g", option, text, above,
                   below);
    return value;
}

uint64_t dv_option_count(const struct argp_state *state, const char *option, const char *text)
{
    double value = dv_option_number(state, option, text, 0, 0x1p53);
    if (value != (double)(uint64_t)value)
        argp_error(state, "--%s: '%s' is not a whole number", option, text);
    return (uint64_t)value;
}

double dv_option_time(const struct argp_state *state, const char *option, const char *text)
{
    double seconds = 0;
    if (dv_parse_seconds(text, &seconds) != DV_OK || !(seconds > 0))
        argp_error(state, "--%s: '%s' is not a time like 30s, 10m, 6h", option, text);
    return seconds;
}

double dv_option_bytes(const struct argp_state *state, const char *option, const char *text)
{
    uint64_t bytes = 0;
    if (dv_parse_bytes(text, &bytes) != DV_OK || bytes == 0)
        argp_error(state, "--%s: '%s' is not a size like 64M, 2G", option, text);
    return (double)bytes;
}

/* The next of a comma-separated list; NULL behind the last. */
static char *next_item(const struct argp_state *state, const char *option, char **text,
                       size_t count)
{
    char *item = strsep(text, ",");
    if (item && count == DV_AXIS_MAX)
        argp_error(state, "--%s: more than %d values", option, DV_AXIS_MAX);
    return item;
}

void dv_option_times(const struct argp_state *state, const char *option, char *text,
                     struct dv_axis *axis)
{
    axis->count = 0;
    for (char *item; (item = next_item(state, option, &text, axis->count));)
        axis->value[axis->count++] = dv_option_time(state, option, item);
}

void dv_option_bytes_list(const struct argp_state *state, const char *option, char *text,
                          struct dv_axis *axis)
{
    axis->count = 0;
    for (char *item; (item = next_item(state, option, &text, axis->count));)
        axis->value[axis->count++] = dv_option_bytes(state, option, item);
}

void dv_option_counts(const struct argp_state *state, const char *option, char *text,
                      struct dv_axis *axis)
{
    axis->count = 0;
    for (char *item; (item = next_item(state, option, &text, axis->count));)
        axis->value[axis->count++] = (double)dv_option_count(state, option, item);
}

void dv_option_intervals(const struct argp_state *state, char *text, struct dv_axis *axis)
{
    axis->count = 0;
    for (char *item; (item = next_item(state, "interval", &text, axis->count));)
        axis->value[axis->count++] =
            strcmp(item, "optimum") == 0 ? 0 : dv_option_time(state, "interval", item);
}

void dv_option_laws(const struct argp_state *state, char *text, struct dv_simulation_options *o)
{
    static const char weibull[] = "weibull:";
    o->law_count = 0;
    for (char *item; (item = next_item(state, "failures", &text, o->law_count));) {
        struct dv_law_choice choice = {DV_LAW_EXPONENTIAL, 1};
        if (strncmp(item, weibull, sizeof weibull - 1) == 0)
            choice = (struct dv_law_choice){
                DV_LAW_WEIBULL,
                dv_option_number(state, "failures", item + sizeof weibull - 1, 0.1, 10)};
        else if (strcmp(item, "exponential") != 0)
            argp_error(state, "--failures: '%s' is neither exponential nor weibull:SHAPE", item);
        o->laws[o->law_count++] = choice;
    }
}

static enum dv_place place_of(const struct argp_state *state, const char *name)
{
    for (int place = 0; dv_place_words[place]; place++) {
        if (strcmp(dv_place_words[place], name) == 0)
            return (enum dv_place)place;
    }
    argp_error(state, "--levels: '%s' is not node, partner or shared", name);
    return DV_PLACE_SHARED;
}

/* "partner/4"; `parts` is cut up. */
static void add_level(const struct argp_state *state, char *part, struct dv_hierarchy *hierarchy)
{
    size_t level = hierarchy->count;
    char *slash = strchr(part, '/');
    if (slash)
        *slash++ = '\0';
    if (level == DV_LEVELS_MAX)
        argp_error(state, "--levels: more than %d levels", DV_LEVELS_MAX);
    hierarchy->place[level] = place_of(state, part);
    hierarchy->every[level] = slash ? (int64_t)dv_option_count(state, "levels", slash) : 1;
    if (level > 0 && hierarchy->place[level] <= hierarchy->place[level - 1])
        argp_error(state, "--levels: '%s' must come before '%s'", part,
                   dv_place_words[hierarchy->place[level - 1]]);
    if (level == 0 && hierarchy->every[0] != 1)
        argp_error(state, "--levels: every checkpoint goes to the first level: '%s' takes no /k",
                   part);
    hierarchy->count++;
}

void dv_option_levels(const struct argp_state *state, char *text, struct dv_simulation_options *o)
{
    o->hierarchy_count = 0;
    for (char *item; (item = next_item(state, "levels", &text, o->hierarchy_count));) {
        struct dv_hierarchy *hierarchy = &o->hierarchies[o->hierarchy_count++];
        *hierarchy = (struct dv_hierarchy){0};
        snprintf(hierarchy->text, sizeof hierarchy->text, "%s", item);
        for (char *part; (part = strsep(&item, "+"));)
            add_level(state, part, hierarchy);
    }
}

void dv_option_severity(const struct argp_state *state, char *text, struct dv_simulation_options *o)
{
    char *partner = strchr(text, ',');
    if (!partner) {
        argp_error(state, "--severity: '%s' is not two shares like 0.75,0.15", text);
        return;
    }
    *partner++ = '\0';
    o->node_lost_share = dv_option_number(state, "severity", text, -1e-9, 1 + 1e-9);
    o->partner_lost_share =
        dv_option_number(state, "severity", partner, -1e-9, o->node_lost_share + 1e-9);
}

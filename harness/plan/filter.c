#include "harness/plan/filter.h"

#include "harness/config/say.h"
#include "harness/config/yaml.h"

#include <dejavu/option.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"application", "class", "ranks", "strategy", "system",
                                    "interval",    "fault", "cell",  NULL};
#define NAMES_MAX 32

struct term {
    char name[64], value[256];
    bool negated, contains;
};

/* The value of a parameter in "dirty=10 chain=4", or false. */
static bool find_parameter(const char *parameters, const char *name, char *text, size_t text_bytes)
{
    size_t length = strlen(name);
    for (const char *at = parameters; *at; at += strcspn(at, " ") + (strchr(at, ' ') != NULL)) {
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        at += length + 1;
        snprintf(text, text_bytes, "%.*s", (int)strcspn(at, " "), at);
        return true;
    }
    return false;
}

static void value_of(const struct dv_cell *cell, const char *name, char *text, size_t text_bytes)
{
    const char *value = "";
    char number[32];
    if (strcmp(name, "ranks") == 0) {
        snprintf(number, sizeof number, "%" PRId64, cell->ranks);
        value = number;
    } else if (strcmp(name, "interval") == 0 && !isnan(cell->interval_s)) {
        dv_seconds_text(cell->interval_s, number, sizeof number);
        value = number;
    } else if (strcmp(name, "application") == 0) {
        value = cell->app->name;
    } else if (strcmp(name, "class") == 0) {
        value = cell->class_name;
    } else if (strcmp(name, "strategy") == 0) {
        value = cell->strategy->label;
    } else if (strcmp(name, "system") == 0) {
        value = cell->strategy->system;
    } else if (strcmp(name, "fault") == 0) {
        value = cell->fault->label;
    } else if (strcmp(name, "cell") == 0) {
        value = cell->label;
    }
    if (!find_parameter(cell->app->parameters, name, text, text_bytes) &&
        !find_parameter(cell->strategy->parameters, name, text, text_bytes))
        snprintf(text, text_bytes, "%s", value);
}

static bool holds(const struct term *term, const struct dv_cell *cell)
{
    char value[512];
    double wanted;
    value_of(cell, term->name, value, sizeof value);
    bool matches =
        term->contains ? strstr(value, term->value) != NULL : strcmp(value, term->value) == 0;
    /* 1000ms is 1s */
    if (!term->contains && strcmp(term->name, "interval") == 0 &&
        dv_parse_seconds(term->value, &wanted) == DV_OK)
        matches = fabs(cell->interval_s - wanted) < 1e-9;
    return matches != term->negated;
}

static enum dv_status check_name(const char *name, const struct dv_experiment *e)
{
    const char *names[NAMES_MAX + 1] = {NULL};
    struct dv_yaml place = {.origin = (char *)"--filter"};
    size_t count = 0;
    for (; words[count]; count++)
        names[count] = words[count];
    for (size_t i = 0; i < e->sweep.count && count < NAMES_MAX; i++)
        names[count++] = e->sweep.item[i].name;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return DV_OK;
    }
    return dv_yaml_fail_unknown(&place, NULL, "factor", name, names);
}

/* "name=value" with one of = != ~ !~ */
static enum dv_status parse_term(const char *text, const struct dv_experiment *e, struct term *term)
{
    size_t length = strcspn(text, "=!~");
    const char *comparison = text + length;
    *term = (struct term){.negated = *comparison == '!'};
    comparison += term->negated;
    term->contains = *comparison == '~';
    if (length == 0 || (*comparison != '=' && *comparison != '~'))
        return dv_bench_fail(DV_ERR_USAGE,
                             "--filter: '%s' is not factor=value, !=, ~ or !~ (such as "
                             "application=cg,strategy~incremental)",
                             text);
    snprintf(term->name, sizeof term->name, "%.*s", (int)length, text);
    snprintf(term->value, sizeof term->value, "%s", comparison + 1);
    return check_name(term->name, e);
}

/* The cells for which a term does not hold are not chosen. */
static void apply_term(const struct term *term, const struct dv_plan *plan, bool *chosen)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        chosen[i] = chosen[i] && holds(term, &plan->cells[i]);
}

static void add_bases(const struct dv_plan *plan, bool *chosen)
{
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (!chosen[i])
            continue;
        for (size_t j = 0; j < plan->cell_count; j++)
            chosen[j] = chosen[j] || (plan->cells[j].group == plan->cells[i].group &&
                                      plan->cells[j].strategy->kind != DV_STRATEGY_CHECKPOINT);
    }
}

enum dv_status dv_filter_choose(const char *expression, const struct dv_experiment *experiment,
                                const struct dv_plan *plan, bool *chosen)
{
    for (size_t i = 0; i < plan->cell_count; i++)
        chosen[i] = true;
    if (!expression || !*expression)
        return DV_OK;
    char *copy = strdup(expression), *rest = copy, *text;
    enum dv_status status = copy ? DV_OK : DV_ERR_NO_MEMORY;
    while (status == DV_OK && (text = strsep(&rest, ","))) {
        struct term term;
        status = parse_term(text, experiment, &term);
        if (status == DV_OK)
            apply_term(&term, plan, chosen);
    }
    free(copy);
    if (status != DV_OK)
        return status;
    size_t count = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        count += chosen[i];
    if (count == 0)
        return dv_bench_fail(DV_ERR_USAGE,
                             "--filter: none of %zu cells matches '%s'; see: "
                             "dejavu-bench plan %s",
                             plan->cell_count, expression, experiment->path);
    add_bases(plan, chosen);
    return DV_OK;
}

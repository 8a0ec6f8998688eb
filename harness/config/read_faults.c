/* The `faults` key: whom to kill, and when. */
#include "harness/config/read.h"

#include <dejavu/option.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SHAPE_MIN 0.1
#define SHAPE_MAX 10.0
#define KILLS_MAX 1000000

static const char *const fault_keys[] = {"kill", "at",    "after-epoch", "distribution",
                                         "mtbf", "shape", "most",        NULL};
static const char *const victims[] = {"all", "mpiexec", "rank any", "rank 0", NULL};
static const char *const distributions[] = {"exponential", "weibull", NULL};

bool dv_fault_is_certain(const struct dv_fault *fault)
{
    return fault->kind != DV_FAULT_NONE &&
           (fault->timing == DV_FAULT_AT || fault->timing == DV_FAULT_AFTER_EPOCH);
}

static enum dv_status read_victim(const struct dv_reading *at, yaml_node_t *node,
                                  struct dv_fault *fault)
{
    const char *text = dv_yaml_scalar(node);
    char rest;
    if (text && strcmp(text, "all") == 0)
        fault->kind = DV_FAULT_ALL;
    else if (text && strcmp(text, "mpiexec") == 0)
        fault->kind = DV_FAULT_MPIEXEC;
    else if (text && strcmp(text, "rank any") == 0)
        fault->kind = DV_FAULT_ANY_RANK;
    else if (text && sscanf(text, "rank %ld%c", &fault->rank, &rest) == 1 && fault->rank >= 0)
        fault->kind = DV_FAULT_RANK;
    else
        return dv_yaml_fail_unknown(at->yaml, node, "victim", text ? text : "a list", victims);
    return DV_OK;
}

/* "2s", "1s..3s", or a list of times in their order. */
static enum dv_status read_moment(const struct dv_reading *at, yaml_node_t *node,
                                  struct dv_fault *fault)
{
    struct dv_reading inner = *at;
    inner.key = "at";
    if (node->type == YAML_SEQUENCE_NODE) {
        fault->timing = DV_FAULT_SCHEDULE;
        enum dv_status status = dv_read_intervals(&inner, node, &fault->schedule);
        for (size_t i = 1; status == DV_OK && i < fault->schedule.count; i++) {
            if (fault->schedule.item[i] <= fault->schedule.item[i - 1])
                return dv_yaml_fail(at->yaml, dv_yaml_item(at->yaml, node, i),
                                    "the times of 'at' must rise");
        }
        if (status == DV_OK && fault->schedule.count == 0)
            return dv_yaml_fail(at->yaml, node, "'at' has no times");
        return status;
    }
    const char *text = dv_yaml_scalar(node);
    const char *dots = text ? strstr(text, "..") : NULL;
    char low[64];
    snprintf(low, sizeof low, "%.*s", dots ? (int)(dots - text) : 63, text ? text : "");
    fault->timing = DV_FAULT_AT;
    if (dv_parse_seconds(low, &fault->at_low_s) != DV_OK ||
        dv_parse_seconds(dots ? dots + 2 : low, &fault->at_high_s) != DV_OK ||
        fault->at_high_s < fault->at_low_s)
        return dv_yaml_fail(at->yaml, node,
                            "'at' wants a time such as 2s, a range 1s..3s, or a list: '%s'",
                            text ? text : "a mapping");
    return DV_OK;
}

static enum dv_status read_shape(const struct dv_reading *at, yaml_node_t *node,
                                 struct dv_fault *fault)
{
    const char *text = dv_yaml_scalar(node);
    char rest;
    if (!text || sscanf(text, "%lf%c", &fault->shape, &rest) != 1 ||
        !(fault->shape >= SHAPE_MIN && fault->shape <= SHAPE_MAX))
        return dv_yaml_fail(at->yaml, node, "'shape' wants a number from %g to %g: '%s'", SHAPE_MIN,
                            SHAPE_MAX, text ? text : "a list");
    return DV_OK;
}

static enum dv_status read_distribution(const struct dv_reading *at, yaml_node_t *mapping,
                                        struct dv_fault *fault)
{
    yaml_node_t *node = dv_yaml_get(at->yaml, mapping, "distribution");
    yaml_node_t *mtbf = dv_yaml_get(at->yaml, mapping, "mtbf");
    yaml_node_t *shape = dv_yaml_get(at->yaml, mapping, "shape");
    yaml_node_t *most = dv_yaml_get(at->yaml, mapping, "most");
    const char *word = dv_yaml_scalar(node);
    if (word && strcmp(word, distributions[0]) == 0)
        fault->timing = DV_FAULT_EXPONENTIAL;
    else if (word && strcmp(word, distributions[1]) == 0)
        fault->timing = DV_FAULT_WEIBULL;
    else
        return dv_yaml_fail_unknown(at->yaml, node, "distribution", word ? word : "a list",
                                    distributions);
    if (!mtbf || !shape != (fault->timing != DV_FAULT_WEIBULL))
        return dv_yaml_fail(at->yaml, node,
                            "exponential needs 'mtbf'; weibull needs 'mtbf' and 'shape'");
    struct dv_reading inner = *at;
    inner.key = "mtbf";
    enum dv_status status = dv_read_duration(&inner, mtbf, &fault->mtbf_s);
    if (status == DV_OK && fault->mtbf_s <= 0)
        return dv_yaml_fail(at->yaml, mtbf, "'mtbf' must be longer than 0");
    if (status == DV_OK && shape)
        status = read_shape(at, shape, fault);
    inner.key = "most";
    if (status == DV_OK && most)
        status = dv_read_integer(&inner, most, 1, KILLS_MAX, &fault->most);
    return status;
}

static void label_moments(const struct dv_fault *fault, char *text, size_t text_bytes)
{
    char low[32], high[32];
    dv_seconds_text(fault->mtbf_s, low, sizeof low);
    size_t used = 0;
    switch (fault->timing) {
    case DV_FAULT_AFTER_EPOCH:
        snprintf(text, text_bytes, "after epoch %" PRIu64, fault->after_epoch);
        break;
    case DV_FAULT_AT:
        dv_seconds_text(fault->at_low_s, low, sizeof low);
        dv_seconds_text(fault->at_high_s, high, sizeof high);
        bool range = fault->at_high_s > fault->at_low_s;
        snprintf(text, text_bytes, "at %s%s%s", low, range ? ".." : "", range ? high : "");
        break;
    case DV_FAULT_SCHEDULE:
        for (size_t i = 0; i < fault->schedule.count && used < text_bytes; i++) {
            dv_seconds_text(fault->schedule.item[i], low, sizeof low);
            used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? "+" : "at ", low);
        }
        break;
    case DV_FAULT_EXPONENTIAL:
        used = (size_t)snprintf(text, text_bytes, "exponential mtbf %s", low);
        break;
    case DV_FAULT_WEIBULL:
        used = (size_t)snprintf(text, text_bytes, "weibull mtbf %s shape %g", low, fault->shape);
        break;
    }
    if (fault->most && used < text_bytes)
        snprintf(text + used, text_bytes - used, " most %" PRId64, fault->most);
}

static void label_fault(const struct dv_reading *at, struct dv_fault *fault)
{
    char victim[40] = "all", moments[128];
    if (fault->kind == DV_FAULT_RANK)
        snprintf(victim, sizeof victim, "rank %" PRId64, fault->rank);
    else if (fault->kind == DV_FAULT_ANY_RANK)
        snprintf(victim, sizeof victim, "rank any");
    else if (fault->kind == DV_FAULT_MPIEXEC)
        snprintf(victim, sizeof victim, "mpiexec");
    label_moments(fault, moments, sizeof moments);
    fault->label = dv_arena_printf(&at->experiment->memory, "kill %s %s", victim, moments);
}

static enum dv_status read_when(const struct dv_reading *at, yaml_node_t *mapping,
                                struct dv_fault *fault)
{
    yaml_node_t *moment = dv_yaml_get(at->yaml, mapping, "at");
    yaml_node_t *epoch = dv_yaml_get(at->yaml, mapping, "after-epoch");
    yaml_node_t *distribution = dv_yaml_get(at->yaml, mapping, "distribution");
    static const char *const of_distributions[] = {"mtbf", "shape", "most"};
    if (!!moment + !!epoch + !!distribution != 1)
        return dv_yaml_fail(at->yaml, mapping,
                            "a fault needs 'kill' and one of 'at', 'after-epoch', 'distribution'");
    if (distribution)
        return read_distribution(at, mapping, fault);
    for (size_t i = 0; i < sizeof of_distributions / sizeof of_distributions[0]; i++) {
        yaml_node_t *node = dv_yaml_get(at->yaml, mapping, of_distributions[i]);
        if (node)
            return dv_yaml_fail(at->yaml, node, "'%s' belongs to a 'distribution'",
                                of_distributions[i]);
    }
    if (moment)
        return read_moment(at, moment, fault);
    int64_t number = 0;
    struct dv_reading inner = *at;
    inner.key = "after-epoch";
    enum dv_status status = dv_read_integer(&inner, epoch, 0, 1000000000, &number);
    fault->timing = DV_FAULT_AFTER_EPOCH;
    fault->after_epoch = (uint64_t)number;
    return status;
}

static enum dv_status read_fault(const struct dv_reading *at, yaml_node_t *node,
                                 struct dv_fault *fault)
{
    *fault = (struct dv_fault){.label = "none"};
    const char *word = dv_yaml_scalar(node);
    if (word && (strcmp(word, "none") == 0))
        return DV_OK;
    enum dv_status status = dv_yaml_check_keys(at->yaml, node, fault_keys);
    if (status != DV_OK)
        return status;
    yaml_node_t *kill = dv_yaml_get(at->yaml, node, "kill");
    if (!kill)
        return dv_yaml_fail(at->yaml, node,
                            "a fault needs 'kill' and one of 'at', 'after-epoch', 'distribution'");
    status = read_victim(at, kill, fault);
    if (status == DV_OK)
        status = read_when(at, node, fault);
    if (status == DV_OK)
        label_fault(at, fault);
    return status;
}

enum dv_status dv_read_faults(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_fault_list *list = field;
    size_t count = dv_yaml_item_count(node);
    struct dv_fault *items = dv_arena_alloc(&at->experiment->memory, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        enum dv_status status = read_fault(at, dv_yaml_item(at->yaml, node, i), &items[i]);
        if (status != DV_OK)
            return status;
    }
    *list = (struct dv_fault_list){.item = items, .count = count};
    return DV_OK;
}

#include "harness/config/read.h"

#include <dejavu/option.h>

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANKS_MAX 65536
#define COUNT_MAX 1000000000000000000

static char *copy_text(const struct dv_reading *at, const char *text)
{
    return dv_arena_text(&at->experiment->memory, text);
}

static void *allocate(const struct dv_reading *at, size_t count, size_t size)
{
    return dv_arena_alloc(&at->experiment->memory, count, size);
}

void dv_seconds_text(double seconds, char *text, size_t text_bytes)
{
    if (seconds > 0 && seconds < 1)
        snprintf(text, text_bytes, "%gms", seconds * 1e3);
    else
        snprintf(text, text_bytes, "%gs", seconds);
}

enum dv_status dv_read_string(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    const char *text = dv_yaml_scalar(node);
    if (!text)
        return dv_yaml_fail(at->yaml, node, "'%s' wants one text, not a list", at->key);
    *(const char **)field = copy_text(at, text);
    return DV_OK;
}

static enum dv_status read_integer(const struct dv_reading *at, yaml_node_t *node, int64_t least,
                                   int64_t most, int64_t *value)
{
    const char *text = dv_yaml_scalar(node);
    char *end = NULL;
    errno = 0;
    long long number = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || errno)
        return dv_yaml_fail(at->yaml, node, "'%s' wants a whole number: '%s'", at->key,
                            text ? text : "a list");
    if (number < least || number > most)
        return dv_yaml_fail(at->yaml, node, "'%s' must be %lld to %lld: %lld", at->key,
                            (long long)least, (long long)most, number);
    *value = number;
    return DV_OK;
}

enum dv_status dv_read_count(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    return read_integer(at, node, 0, COUNT_MAX, field);
}

enum dv_status dv_read_positive(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    return read_integer(at, node, 1, 1000000, field);
}

enum dv_status dv_read_duration(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    const char *text = dv_yaml_scalar(node);
    if (!text || dv_parse_seconds(text, field) != DV_OK)
        return dv_yaml_fail(at->yaml, node, "'%s' wants a duration such as 200ms, 10s, 5m: '%s'",
                            at->key, text ? text : "a list");
    return DV_OK;
}

/* Which of `words` (ends with NULL) the node is. */
static enum dv_status read_word(const struct dv_reading *at, yaml_node_t *node,
                                const char *const *words, int *index)
{
    const char *text = dv_yaml_scalar(node);
    for (int i = 0; text && words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *index = i;
            return DV_OK;
        }
    }
    char what[80];
    snprintf(what, sizeof what, "value of '%s'", at->key);
    return dv_yaml_fail_unknown(at->yaml, node, what, text ? text : "a list", words);
}

enum dv_status dv_read_yes_no(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    static const char *const words[] = {"no", "yes", "false", "true", NULL};
    int index = 0;
    enum dv_status status = read_word(at, node, words, &index);
    if (status == DV_OK)
        *(int *)field = index & 1;
    return status;
}

enum dv_status dv_read_keep(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    static const char *const words[] = {"never", "failed", "always", NULL};
    int index = 0;
    enum dv_status status = read_word(at, node, words, &index);
    if (status == DV_OK)
        *(enum dv_keep *)field = (enum dv_keep)index;
    return status;
}

enum dv_status dv_read_names(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_names *names = field;
    size_t count = dv_yaml_item_count(node);
    char **items = allocate(at, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *item = dv_yaml_item(at->yaml, node, i);
        const char *text = dv_yaml_scalar(item);
        if (!text)
            return dv_yaml_fail(at->yaml, item, "'%s' wants words", at->key);
        items[i] = copy_text(at, text);
    }
    *names = (struct dv_names){.item = items, .count = count};
    return DV_OK;
}

enum dv_status dv_read_rank_list(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_numbers *numbers = field;
    size_t count = dv_yaml_item_count(node);
    int64_t *items = allocate(at, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        enum dv_status status =
            read_integer(at, dv_yaml_item(at->yaml, node, i), 1, RANKS_MAX, &items[i]);
        if (status != DV_OK)
            return status;
    }
    *numbers = (struct dv_numbers){.item = items, .count = count};
    return DV_OK;
}

enum dv_status dv_read_intervals(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_seconds *list = field;
    size_t count = dv_yaml_item_count(node);
    double *items = allocate(at, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *item = dv_yaml_item(at->yaml, node, i);
        enum dv_status status = dv_read_duration(at, item, &items[i]);
        if (status != DV_OK)
            return status;
        if (items[i] <= 0)
            return dv_yaml_fail(at->yaml, item, "an interval must be longer than 0");
    }
    *list = (struct dv_seconds){.item = items, .count = count};
    return DV_OK;
}

/* ---- strategies ---------------------------------------------------------- */

static const char *const strategy_keys[] = {"name", "capture", "protocol", "options", NULL};
static const char *const strategy_words[] = {"native", "idle", NULL};

/* "full+coordinated", "native", "idle" */
static enum dv_status read_strategy_word(const struct dv_reading *at, yaml_node_t *node,
                                         struct dv_strategy *strategy)
{
    const char *text = dv_yaml_scalar(node);
    const char *plus = strchr(text, '+');
    strategy->label = copy_text(at, text);
    if (plus && plus > text && plus[1]) {
        strategy->kind = DV_STRATEGY_CHECKPOINT;
        strategy->capture = dv_arena_copy(&at->experiment->memory, text, (size_t)(plus - text));
        strategy->protocol = copy_text(at, plus + 1);
        return DV_OK;
    }
    strategy->capture = strategy->protocol = "";
    if (strcmp(text, "native") == 0)
        strategy->kind = DV_STRATEGY_NATIVE;
    else if (strcmp(text, "idle") == 0)
        strategy->kind = DV_STRATEGY_IDLE;
    else if (dv_did_you_mean(text, strategy_words))
        return dv_yaml_fail_unknown(at->yaml, node, "strategy", text, strategy_words);
    else
        return dv_yaml_fail(at->yaml, node,
                            "strategy '%s' is not capture+protocol (such as full+coordinated), "
                            "native or idle",
                            text);
    return DV_OK;
}

/* A list of words as they are, or a mapping: `snapshot: fork` becomes --snapshot=fork, and a key without a value
 * is a switch. */
static enum dv_status read_options(const struct dv_reading *at, yaml_node_t *node,
                                   struct dv_names *options)
{
    if (node->type != YAML_MAPPING_NODE)
        return dv_read_names(at, node, options);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    size_t count = (size_t)(node->data.mapping.pairs.top - pair);
    char **items = allocate(at, count, sizeof *items);
    for (size_t i = 0; i < count; i++, pair++) {
        yaml_node_t *value_node = dv_yaml_node(at->yaml, pair->value);
        const char *key = dv_yaml_scalar(dv_yaml_node(at->yaml, pair->key));
        const char *value = dv_yaml_scalar(value_node);
        if (!key || !*key || *key == '-' || !value)
            return dv_yaml_fail(at->yaml, value_node,
                                "'options' wants a list of words, or option: value without dashes");
        items[i] =
            dv_arena_printf(&at->experiment->memory, "--%s%s%s", key, *value ? "=" : "", value);
    }
    *options = (struct dv_names){.item = items, .count = count};
    return DV_OK;
}

static enum dv_status read_strategy_mapping(const struct dv_reading *at, yaml_node_t *node,
                                            struct dv_strategy *strategy)
{
    enum dv_status status = dv_yaml_check_keys(at->yaml, node, strategy_keys);
    if (status != DV_OK)
        return status;
    yaml_node_t *capture = dv_yaml_get(at->yaml, node, "capture");
    yaml_node_t *protocol = dv_yaml_get(at->yaml, node, "protocol");
    yaml_node_t *name = dv_yaml_get(at->yaml, node, "name");
    yaml_node_t *options = dv_yaml_get(at->yaml, node, "options");
    if (!capture || !protocol)
        return dv_yaml_fail(at->yaml, node, "a strategy needs 'capture' and 'protocol'");
    strategy->kind = DV_STRATEGY_CHECKPOINT;
    status = dv_read_string(at, capture, &strategy->capture);
    if (status == DV_OK)
        status = dv_read_string(at, protocol, &strategy->protocol);
    if (status == DV_OK && options)
        status = read_options(at, options, &strategy->options);
    if (status == DV_OK && name)
        return dv_read_string(at, name, &strategy->label);
    if (status == DV_OK) {
        char label[160];
        snprintf(label, sizeof label, "%s+%s", strategy->capture, strategy->protocol);
        strategy->label = copy_text(at, label);
    }
    return status;
}

static enum dv_status check_labels_differ(const struct dv_reading *at, yaml_node_t *node,
                                          const struct dv_strategy *strategies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(strategies[i].label, strategies[count].label) == 0)
            return dv_yaml_fail(at->yaml, node,
                                "strategy '%s' is given twice; give one of them another 'name'",
                                strategies[count].label);
    }
    return DV_OK;
}

enum dv_status dv_read_strategies(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    (void)field;
    size_t given = dv_yaml_item_count(node), count = 2;
    struct dv_strategy *list = allocate(at, given + 2, sizeof *list);
    list[0] = (struct dv_strategy){DV_STRATEGY_NATIVE, "native", "", "", {0}};
    list[1] = (struct dv_strategy){DV_STRATEGY_IDLE, "idle", "", "", {0}};
    for (size_t i = 0; i < given; i++) {
        yaml_node_t *item = dv_yaml_item(at->yaml, node, i);
        struct dv_strategy *strategy = &list[count];
        enum dv_status status = dv_yaml_scalar(item) ? read_strategy_word(at, item, strategy)
                                                     : read_strategy_mapping(at, item, strategy);
        if (status != DV_OK)
            return status;
        if (strategy->kind != DV_STRATEGY_CHECKPOINT)
            continue; /* a base: there already */
        status = check_labels_differ(at, item, list, count);
        if (status != DV_OK)
            return status;
        count++;
    }
    at->experiment->strategies = list;
    at->experiment->strategy_count = count;
    return DV_OK;
}

/* ---- faults -------------------------------------------------------------- */

static const char *const fault_keys[] = {"kill", "at", "after-epoch", NULL};
static const char *const victims[] = {"all", "mpiexec", "rank 0", NULL};

static enum dv_status read_victim(const struct dv_reading *at, yaml_node_t *node,
                                  struct dv_fault *fault)
{
    const char *text = dv_yaml_scalar(node);
    char rest;
    if (text && strcmp(text, "all") == 0)
        fault->kind = DV_FAULT_ALL;
    else if (text && strcmp(text, "mpiexec") == 0)
        fault->kind = DV_FAULT_MPIEXEC;
    else if (text && sscanf(text, "rank %ld%c", &fault->rank, &rest) == 1 && fault->rank >= 0)
        fault->kind = DV_FAULT_RANK;
    else
        return dv_yaml_fail_unknown(at->yaml, node, "victim", text ? text : "a list", victims);
    return DV_OK;
}

/* "2s" or "1s..3s" */
static enum dv_status read_moment(const struct dv_reading *at, yaml_node_t *node,
                                  struct dv_fault *fault)
{
    const char *text = dv_yaml_scalar(node);
    const char *dots = text ? strstr(text, "..") : NULL;
    char low[64];
    snprintf(low, sizeof low, "%.*s", dots ? (int)(dots - text) : 63, text ? text : "");
    if (dv_parse_seconds(low, &fault->at_low_s) != DV_OK ||
        dv_parse_seconds(dots ? dots + 2 : low, &fault->at_high_s) != DV_OK ||
        fault->at_high_s < fault->at_low_s)
        return dv_yaml_fail(at->yaml, node, "'at' wants a time such as 2s, or a range 1s..3s: '%s'",
                            text ? text : "a list");
    return DV_OK;
}

static void label_fault(const struct dv_reading *at, struct dv_fault *fault)
{
    char victim[40], low[32], high[32], label[160];
    if (fault->kind == DV_FAULT_RANK)
        snprintf(victim, sizeof victim, "rank %ld", fault->rank);
    else
        snprintf(victim, sizeof victim, "%s", fault->kind == DV_FAULT_ALL ? "all" : "mpiexec");
    if (isnan(fault->at_low_s)) {
        snprintf(label, sizeof label, "kill %s after epoch %lu", victim, fault->after_epoch);
    } else {
        dv_seconds_text(fault->at_low_s, low, sizeof low);
        dv_seconds_text(fault->at_high_s, high, sizeof high);
        bool range = fault->at_high_s > fault->at_low_s;
        snprintf(label, sizeof label, "kill %s at %s%s%s", victim, low, range ? ".." : "",
                 range ? high : "");
    }
    fault->label = copy_text(at, label);
}

static enum dv_status read_fault(const struct dv_reading *at, yaml_node_t *node,
                                 struct dv_fault *fault)
{
    *fault = (struct dv_fault){.at_low_s = NAN, .at_high_s = NAN, .label = "none"};
    const char *word = dv_yaml_scalar(node);
    if (word && (strcmp(word, "none") == 0))
        return DV_OK;
    enum dv_status status = dv_yaml_check_keys(at->yaml, node, fault_keys);
    if (status != DV_OK)
        return status;
    yaml_node_t *kill = dv_yaml_get(at->yaml, node, "kill");
    yaml_node_t *moment = dv_yaml_get(at->yaml, node, "at");
    yaml_node_t *epoch = dv_yaml_get(at->yaml, node, "after-epoch");
    if (!kill || !moment == !epoch)
        return dv_yaml_fail(at->yaml, node,
                            "a fault needs 'kill' and either 'at' or 'after-epoch'");
    status = read_victim(at, kill, fault);
    if (status == DV_OK && moment)
        status = read_moment(at, moment, fault);
    if (status == DV_OK && epoch) {
        int64_t number = 0;
        struct dv_reading inner = *at;
        inner.key = "after-epoch";
        status = read_integer(&inner, epoch, 0, 1000000000, &number);
        fault->after_epoch = status == DV_OK ? (uint64_t)number : 0;
    }
    if (status == DV_OK)
        label_fault(at, fault);
    return status;
}

enum dv_status dv_read_faults(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_fault_list *list = field;
    size_t count = dv_yaml_item_count(node);
    struct dv_fault *items = allocate(at, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        enum dv_status status = read_fault(at, dv_yaml_item(at->yaml, node, i), &items[i]);
        if (status != DV_OK)
            return status;
    }
    *list = (struct dv_fault_list){.item = items, .count = count};
    return DV_OK;
}

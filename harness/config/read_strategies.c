/* The `strategies` key: checkpoint strategies of DejaVu, and external systems. */
#include "harness/config/sweep.h"

#include <dejavu/option.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const strategy_keys[] = {"name", "capture", "protocol", "options", NULL};
static const char *const strategy_words[] = {"native", "idle", "criu", "dmtcp", "mana", NULL};

static bool is_external(const char *word)
{
    for (const char *const *name = strategy_words + 2; *name; name++) {
        if (strcmp(*name, word) == 0)
            return true;
    }
    return false;
}

/* "full+coordinated", "native", "idle", "criu" */
static enum dv_status read_strategy_word(const struct dv_reading *at, yaml_node_t *node,
                                         struct dv_strategy *strategy)
{
    const char *text = dv_yaml_scalar(node);
    const char *plus = strchr(text, '+');
    strategy->label = dv_arena_text(&at->experiment->memory, text);
    strategy->parameters = "";
    strategy->system = "dejavu";
    if (plus && plus > text && plus[1]) {
        strategy->kind = DV_STRATEGY_CHECKPOINT;
        strategy->capture = dv_arena_copy(&at->experiment->memory, text, (size_t)(plus - text));
        strategy->protocol = dv_arena_text(&at->experiment->memory, plus + 1);
        return DV_OK;
    }
    strategy->capture = strategy->protocol = "";
    if (strcmp(text, "native") == 0)
        strategy->kind = DV_STRATEGY_NATIVE;
    else if (strcmp(text, "idle") == 0)
        strategy->kind = DV_STRATEGY_IDLE;
    else if (is_external(text))
        *strategy = (struct dv_strategy){.kind = DV_STRATEGY_CHECKPOINT,
                                         .label = strategy->label,
                                         .capture = strategy->label,
                                         .protocol = "",
                                         .parameters = "",
                                         .system = strategy->label};
    else if (dv_did_you_mean(text, strategy_words))
        return dv_yaml_fail_unknown(at->yaml, node, "strategy", text, strategy_words);
    else
        return dv_yaml_fail(at->yaml, node,
                            "strategy '%s' is not capture+protocol (such as full+coordinated), "
                            "native, idle, criu, dmtcp or mana",
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
    char **items = dv_arena_alloc(&at->experiment->memory, count, sizeof *items);
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
    strategy->parameters = "";
    strategy->system = "dejavu";
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
        strategy->label = dv_arena_text(&at->experiment->memory, label);
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

/* One strategy for each combination of the parameters that its options use. `list` grows. */
static enum dv_status add_strategies(const struct dv_reading *at, yaml_node_t *node,
                                     const struct dv_strategy *template, struct dv_strategy **list,
                                     size_t *count)
{
    size_t combinations = dv_sweep_count(&at->experiment->sweep, &template->options);
    enum dv_status status = dv_sweep_check_words(at, node, &template->options);
    struct dv_strategy *grown =
        dv_arena_alloc(&at->experiment->memory, *count + combinations, sizeof *grown);
    memcpy(grown, *list, *count * sizeof *grown);
    *list = grown;
    for (size_t i = 0; status == DV_OK && i < combinations; i++) {
        struct dv_strategy *strategy = &grown[*count];
        *strategy = *template;
        strategy->options = dv_sweep_apply(at, &template->options, i, &strategy->parameters);
        strategy->label = dv_sweep_name(at, template->label, strategy->parameters);
        status = check_labels_differ(at, node, grown, *count);
        *count += 1;
    }
    return status;
}

enum dv_status dv_read_strategies(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    (void)field;
    size_t given = dv_yaml_item_count(node), count = 2;
    struct dv_strategy *list = dv_arena_alloc(&at->experiment->memory, count, sizeof *list);
    for (int kind = DV_STRATEGY_NATIVE; kind <= DV_STRATEGY_IDLE; kind++)
        list[kind] = (struct dv_strategy){.kind = (enum dv_strategy_kind)kind,
                                          .label = strategy_words[kind],
                                          .capture = "",
                                          .protocol = "",
                                          .parameters = "",
                                          .system = kind == DV_STRATEGY_IDLE ? "dejavu" : ""};
    for (size_t i = 0; i < given; i++) {
        yaml_node_t *item = dv_yaml_item(at->yaml, node, i);
        struct dv_strategy strategy = {0};
        enum dv_status status = dv_yaml_scalar(item) ? read_strategy_word(at, item, &strategy)
                                                     : read_strategy_mapping(at, item, &strategy);
        if (status == DV_OK &&
            strategy.kind == DV_STRATEGY_CHECKPOINT) /* bases are there already */
            status = add_strategies(at, item, &strategy, &list, &count);
        if (status != DV_OK)
            return status;
    }
    at->experiment->strategies = list;
    at->experiment->strategy_count = count;
    return DV_OK;
}

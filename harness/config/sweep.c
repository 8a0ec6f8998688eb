#include "harness/config/sweep.h"

#include <dejavu/option.h>

#include <stdio.h>
#include <string.h>

#define PARAMETERS_MAX 16

enum dv_status dv_read_sweep(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    struct dv_sweep *sweep = field;
    if (node->type != YAML_MAPPING_NODE)
        return dv_yaml_fail(at->yaml, node, "'sweep' wants parameter: [value, value, ...]");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    size_t count = (size_t)(node->data.mapping.pairs.top - pair);
    if (count > PARAMETERS_MAX)
        return dv_yaml_fail(at->yaml, node, "more than %d parameters", PARAMETERS_MAX);
    sweep->item = dv_arena_alloc(&at->experiment->memory, count + 1, sizeof *sweep->item);
    for (; sweep->count < count; pair++) {
        struct dv_parameter *parameter = &sweep->item[sweep->count];
        yaml_node_t *key = dv_yaml_node(at->yaml, pair->key);
        const char *name = dv_yaml_scalar(key);
        if (!name || !*name || strpbrk(name, "{}[]=, ") || strcmp(name, "class") == 0 ||
            strcmp(name, "ranks") == 0)
            return dv_yaml_fail(at->yaml, key,
                                "a parameter is a word other than class and ranks, which have keys "
                                "of their own");
        if (dv_yaml_get(at->yaml, node, name) != dv_yaml_node(at->yaml, pair->value))
            return dv_yaml_fail(at->yaml, key, "parameter '%s' is given twice", name);
        struct dv_reading inner = *at;
        inner.key = parameter->name = dv_arena_text(&at->experiment->memory, name);
        enum dv_status status =
            dv_read_names(&inner, dv_yaml_node(at->yaml, pair->value), &parameter->values);
        if (status != DV_OK)
            return status;
        if (parameter->values.count == 0)
            return dv_yaml_fail(at->yaml, key, "parameter '%s' has no values", name);
        sweep->count++;
    }
    return DV_OK;
}

static void brace(const struct dv_parameter *parameter, char *text, size_t text_bytes)
{
    snprintf(text, text_bytes, "{%s}", parameter->name);
}

static bool uses(const struct dv_names *words, const struct dv_parameter *parameter)
{
    char text[128];
    brace(parameter, text, sizeof text);
    for (size_t i = 0; i < words->count; i++) {
        if (strstr(words->item[i], text))
            return true;
    }
    return false;
}

size_t dv_sweep_count(struct dv_sweep *sweep, const struct dv_names *words)
{
    size_t combinations = 1;
    for (size_t i = 0; i < sweep->count; i++) {
        if (!uses(words, &sweep->item[i]))
            continue;
        sweep->item[i].used = true;
        combinations *= sweep->item[i].values.count;
    }
    return combinations;
}

struct dv_names dv_sweep_apply(const struct dv_reading *at, const struct dv_names *words,
                               size_t combination, const char **parameters)
{
    struct dv_arena *memory = &at->experiment->memory;
    const struct dv_sweep *sweep = &at->experiment->sweep;
    struct dv_names result = {dv_arena_alloc(memory, words->count + 1, sizeof *result.item),
                              words->count};
    if (words->count)
        memcpy(result.item, words->item, words->count * sizeof *result.item);
    *parameters = "";
    for (size_t i = 0; i < sweep->count; i++) {
        const struct dv_parameter *parameter = &sweep->item[i];
        char text[128];
        if (!uses(words, parameter))
            continue;
        const char *value = parameter->values.item[combination % parameter->values.count];
        combination /= parameter->values.count;
        brace(parameter, text, sizeof text);
        for (size_t w = 0; w < result.count; w++)
            result.item[w] = dv_arena_replace(memory, result.item[w], text, value);
        *parameters = dv_arena_printf(memory, "%s%s%s=%s", *parameters, **parameters ? " " : "",
                                      parameter->name, value);
    }
    return result;
}

const char *dv_sweep_name(const struct dv_reading *at, const char *name, const char *parameters)
{
    struct dv_arena *memory = &at->experiment->memory;
    if (!*parameters)
        return name;
    return dv_arena_printf(memory, "%s[%s]", name, dv_arena_replace(memory, parameters, " ", ","));
}

enum dv_status dv_sweep_check_words(const struct dv_reading *at, yaml_node_t *node,
                                    const struct dv_names *words)
{
    const struct dv_sweep *sweep = &at->experiment->sweep;
    const char *names[PARAMETERS_MAX + 3] = {"class", "ranks"};
    for (size_t i = 0; i < sweep->count; i++)
        names[i + 2] = sweep->item[i].name;
    for (size_t i = 0; i < words->count; i++) {
        char word[64];
        for (const char *at_brace = words->item[i]; (at_brace = strchr(at_brace, '{'));
             at_brace++) {
            size_t length = strcspn(at_brace + 1, "}{");
            if (at_brace[1 + length] != '}' || length == 0)
                continue;
            snprintf(word, sizeof word, "%.*s", (int)length, at_brace + 1);
            const char *near = dv_did_you_mean(word, names);
            if (near && strcmp(near, word) != 0)
                return dv_yaml_fail_unknown(at->yaml, node, "parameter", word, names);
        }
    }
    return DV_OK;
}

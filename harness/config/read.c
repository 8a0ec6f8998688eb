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

enum dv_status dv_read_integer(const struct dv_reading *at, yaml_node_t *node, int64_t least,
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
    return dv_read_integer(at, node, 0, COUNT_MAX, field);
}

enum dv_status dv_read_positive(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    return dv_read_integer(at, node, 1, 1000000, field);
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

#define WORD_READER(function, type, ...)                                                           \
    enum dv_status function(const struct dv_reading *at, yaml_node_t *node, void *field)           \
    {                                                                                              \
        static const char *const words[] = {__VA_ARGS__, NULL};                                    \
        int index = 0;                                                                             \
        enum dv_status status = read_word(at, node, words, &index);                                \
        if (status == DV_OK)                                                                       \
            *(type *)field = (type)index;                                                          \
        return status;                                                                             \
    }

/* Words in the order of their enums. */
WORD_READER(dv_read_keep, enum dv_keep, "never", "failed", "always")
WORD_READER(dv_read_cache, enum dv_cache, "warm", "drop")
WORD_READER(dv_read_pin, enum dv_pin, "none", "cores")

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
            dv_read_integer(at, dv_yaml_item(at->yaml, node, i), 1, RANKS_MAX, &items[i]);
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

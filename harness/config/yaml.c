#include "harness/config/yaml.h"

#include "harness/config/say.h"

#include <dejavu/option.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (4u << 20)

/* The whole file, NUL behind it. */
static enum dv_status read_text(const char *path, char **text, size_t *bytes)
{
    enum dv_status status = DV_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return dv_bench_fail(errno == ENOENT ? DV_ERR_NOT_FOUND : DV_ERR_SYSTEM,
                             "cannot open %s: %s", path, strerror(errno));
    char *buffer = malloc(FILE_BYTES_MAX + 1);
    if (!buffer) {
        status = dv_bench_fail(DV_ERR_NO_MEMORY, "out of memory reading %s", path);
        goto out_close;
    }
    size_t got = fread(buffer, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file)) {
        status = dv_bench_fail(DV_ERR_IO, "cannot read %s: %s", path, strerror(errno));
        goto out_free;
    }
    if (got > FILE_BYTES_MAX) {
        status = dv_bench_fail(DV_ERR_USAGE, "%s is larger than %u bytes: not an experiment", path,
                               FILE_BYTES_MAX);
        goto out_free;
    }
    buffer[got] = '\0';
    char *fitting = realloc(buffer, got + 1);
    *text = fitting ? fitting : buffer;
    *bytes = got;
    goto out_close;

out_free:
    free(buffer);
out_close:
    fclose(file);
    return status;
}

static enum dv_status fail_syntax(const struct dv_yaml *yaml, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "not valid YAML";
    if (!yaml->is_file)
        return dv_bench_fail(DV_ERR_USAGE, "%s: %s", yaml->origin, problem);
    return dv_bench_fail(DV_ERR_USAGE, "%s:%zu:%zu: %s%s%s", yaml->origin,
                         parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem,
                         parser->context ? " " : "", parser->context ? parser->context : "");
}

/* Parse yaml->text; on failure everything is given back. */
static enum dv_status parse(struct dv_yaml *yaml)
{
    enum dv_status status = DV_OK;
    yaml_parser_t parser;

    if (!yaml->origin || !yaml->text || !yaml_parser_initialize(&parser)) {
        status = dv_bench_fail(DV_ERR_NO_MEMORY, "out of memory reading YAML");
        goto out_free;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml->text, yaml->text_bytes);
    if (!yaml_parser_load(&parser, &yaml->document)) {
        status = fail_syntax(yaml, &parser);
        goto out_parser;
    }
    if (!yaml_document_get_root_node(&yaml->document)) {
        status = dv_bench_fail(DV_ERR_USAGE, "%s is empty", yaml->origin);
        yaml_document_delete(&yaml->document);
    }

out_parser:
    yaml_parser_delete(&parser);
out_free:
    if (status != DV_OK) {
        free(yaml->origin);
        free(yaml->text);
        memset(yaml, 0, sizeof *yaml);
    }
    return status;
}

enum dv_status dv_yaml_open_file(struct dv_yaml *yaml, const char *path)
{
    memset(yaml, 0, sizeof *yaml);
    enum dv_status status = read_text(path, &yaml->text, &yaml->text_bytes);
    if (status != DV_OK)
        return status;
    if (memchr(yaml->text, '\0', yaml->text_bytes)) {
        free(yaml->text);
        yaml->text = NULL;
        return dv_bench_fail(DV_ERR_USAGE, "%s is not a text file", path);
    }
    yaml->is_file = true;
    yaml->origin = strdup(path);
    return parse(yaml);
}

enum dv_status dv_yaml_open_text(struct dv_yaml *yaml, const char *origin, const char *text)
{
    memset(yaml, 0, sizeof *yaml);
    yaml->origin = strdup(origin);
    yaml->text = strdup(text);
    yaml->text_bytes = strlen(text);
    return parse(yaml);
}

void dv_yaml_close(struct dv_yaml *yaml)
{
    if (!yaml->text)
        return;
    yaml_document_delete(&yaml->document);
    free(yaml->origin);
    free(yaml->text);
    memset(yaml, 0, sizeof *yaml);
}

yaml_node_t *dv_yaml_root(struct dv_yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

yaml_node_t *dv_yaml_node(struct dv_yaml *yaml, int index)
{
    return yaml_document_get_node(&yaml->document, index);
}

const char *dv_yaml_scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* Marks count characters; the text is bytes of UTF-8. */
static size_t byte_offset(const struct dv_yaml *yaml, size_t characters)
{
    size_t offset = 0;
    while (offset < yaml->text_bytes && characters > 0) {
        offset++;
        while (offset < yaml->text_bytes && ((unsigned char)yaml->text[offset] & 0xc0) == 0x80)
            offset++;
        characters--;
    }
    return offset;
}

char *dv_yaml_source(const struct dv_yaml *yaml, const yaml_node_t *node)
{
    size_t start = byte_offset(yaml, node->start_mark.index);
    size_t end = byte_offset(yaml, node->end_mark.index);
    while (end > start && strchr(" \n\t", yaml->text[end - 1]))
        end--;
    return strndup(yaml->text + start, end - start);
}

size_t dv_yaml_item_count(const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return 1;
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

yaml_node_t *dv_yaml_item(struct dv_yaml *yaml, yaml_node_t *node, size_t index)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return node;
    return dv_yaml_node(yaml, node->data.sequence.items.start[index]);
}

yaml_node_t *dv_yaml_get(struct dv_yaml *yaml, const yaml_node_t *mapping, const char *key)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *name = dv_yaml_scalar(dv_yaml_node(yaml, pair->key));
        if (name && strcmp(name, key) == 0)
            return dv_yaml_node(yaml, pair->value);
    }
    return NULL;
}

enum dv_status dv_yaml_check_keys(struct dv_yaml *yaml, const yaml_node_t *mapping,
                                  const char *const *known)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return dv_yaml_fail(yaml, mapping, "expected 'key: value' lines");
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = dv_yaml_node(yaml, pair->key);
        const char *name = dv_yaml_scalar(key);
        if (!name)
            return dv_yaml_fail(yaml, key, "a key must be a word");
        const char *const *candidate = known;
        while (*candidate && strcmp(*candidate, name) != 0)
            candidate++;
        if (!*candidate)
            return dv_yaml_fail_unknown(yaml, key, "key", name, known);
        if (dv_yaml_get(yaml, mapping, name) != dv_yaml_node(yaml, pair->value))
            return dv_yaml_fail(yaml, key, "key '%s' is given twice", name);
    }
    return DV_OK;
}

const char *dv_yaml_place(const struct dv_yaml *yaml, const yaml_node_t *node,
                          struct dv_arena *memory)
{
    if (!yaml->is_file)
        return dv_arena_text(memory, yaml->origin);
    return dv_arena_printf(memory, "%s:%zu:%zu", yaml->origin, node->start_mark.line + 1,
                           node->start_mark.column + 1);
}

enum dv_status dv_yaml_fail(const struct dv_yaml *yaml, const yaml_node_t *node, const char *format,
                            ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct dv_arena memory = {NULL};
    enum dv_status status =
        dv_bench_fail(DV_ERR_USAGE, "%s: %s", dv_yaml_place(yaml, node, &memory), text);
    dv_arena_free(&memory);
    return status;
}

enum dv_status dv_yaml_fail_unknown(const struct dv_yaml *yaml, const yaml_node_t *node,
                                    const char *what, const char *word, const char *const *known)
{
    const char *near = dv_did_you_mean(word, known);
    if (near)
        return dv_yaml_fail(yaml, node, "unknown %s '%s'; did you mean '%s'?", what, word, near);
    char list[800] = "";
    size_t used = 0;
    for (; *known && used < sizeof list; known++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", *known);
    return dv_yaml_fail(yaml, node, "unknown %s '%s'; known: %s", what, word, list);
}

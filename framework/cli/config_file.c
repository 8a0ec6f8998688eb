/* --config FILE: a flat YAML mapping from option names to values. */
#include "cli/options.h"
#include "common/fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MODULE "cli"

struct place {
    const char *path;
    size_t line, column;
};

static struct place place_of(const char *path, const yaml_mark_t *mark)
{
    return (struct place){path, mark->line + 1, mark->column + 1};
}

static enum dv_status take_pair(const struct place *at, const char *key, const yaml_node_t *value)
{
    char hint[100];
    int index = cli_find(key, strlen(key));
    if (index < 0 || index == CLI_OPT_CONFIG || index == CLI_OPT_SHOW_CONFIG) {
        cli_suggest(key, ~0u, "", hint, sizeof hint);
        return dv_fail(MODULE, DV_ERR_USAGE, "%s:%zu:%zu: there is no option \"%s\"%s", at->path,
                       at->line, at->column, key, hint);
    }
    if (value->type != YAML_SCALAR_NODE)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s:%zu:%zu: the value of \"%s\" must be a plain one",
                       at->path, at->line, at->column, key);
    if (cli.value[index].text)
        return DV_OK;
    char *text = strdup((const char *)value->data.scalar.value);
    if (!text)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for %s", at->path);
    cli.value[index].text = text;
    snprintf(cli.value[index].source, sizeof cli.value[index].source, "%s:%zu", at->path, at->line);
    return DV_OK;
}

static enum dv_status take_document(const char *path, yaml_document_t *document)
{
    yaml_node_t *root = yaml_document_get_root_node(document);
    if (!root)
        return DV_OK; /* empty file */
    struct place at = place_of(path, &root->start_mark);
    if (root->type != YAML_MAPPING_NODE)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s:%zu:%zu: expected lines \"option: value\"", path,
                       at.line, at.column);
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
         p++) {
        yaml_node_t *key = yaml_document_get_node(document, p->key);
        yaml_node_t *value = yaml_document_get_node(document, p->value);
        at = place_of(path, &key->start_mark);
        if (key->type != YAML_SCALAR_NODE)
            return dv_fail(MODULE, DV_ERR_USAGE, "%s:%zu:%zu: expected the name of an option", path,
                           at.line, at.column);
        enum dv_status status = take_pair(&at, (const char *)key->data.scalar.value, value);
        if (status)
            return status;
    }
    return DV_OK;
}

enum dv_status cli_read_config_file(const char *path)
{
    enum dv_status status;
    yaml_parser_t parser;
    yaml_document_t document;
    FILE *file = fopen(path, "re");
    if (!file)
        return dv_fail(MODULE, DV_ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    if (!yaml_parser_initialize(&parser)) {
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for %s", path);
        goto out_close;
    }
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &document)) {
        status =
            dv_fail(MODULE, DV_ERR_USAGE, "%s:%zu:%zu: %s", path, parser.problem_mark.line + 1,
                    parser.problem_mark.column + 1, parser.problem ? parser.problem : "not YAML");
        goto out_parser;
    }
    status = take_document(path, &document);
    yaml_document_delete(&document);
out_parser:
    yaml_parser_delete(&parser);
out_close:
    fclose(file);
    return status;
}

/* A YAML text as a tree whose every node knows its line and column, and errors that point there.
 *
 * A document owns its copy of the text and its nodes; nodes die with it. `origin` names where the
 * text came from: a file ("demo.yaml", then errors read "demo.yaml:12:3: ...") or a place without
 * lines ("--seed", "DEJAVU_BENCH_SEED", "default of 'seed'"). */
#ifndef DV_HARNESS_YAML_H
#define DV_HARNESS_YAML_H

#include "harness/config/arena.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct dv_yaml {
    char *origin, *text;
    size_t text_bytes;
    bool is_file;
    yaml_document_t document;
};

/* Both say what is wrong. */
enum dv_status dv_yaml_open_file(struct dv_yaml *yaml, const char *path) DV_CHECKED;
enum dv_status dv_yaml_open_text(struct dv_yaml *yaml, const char *origin,
                                 const char *text) DV_CHECKED;
void dv_yaml_close(struct dv_yaml *yaml);

/* Never NULL for an opened document. */
yaml_node_t *dv_yaml_root(struct dv_yaml *yaml);
yaml_node_t *dv_yaml_node(struct dv_yaml *yaml, int index);
/* The text of a scalar, or NULL. */
const char *dv_yaml_scalar(const yaml_node_t *node);
/* The node's own text in the document, malloc'ed. */
char *dv_yaml_source(const struct dv_yaml *yaml, const yaml_node_t *node);

/* Items of a sequence, or the node itself as the only item. */
size_t dv_yaml_item_count(const yaml_node_t *node);
yaml_node_t *dv_yaml_item(struct dv_yaml *yaml, yaml_node_t *node, size_t index);

/* The value of `key` in a mapping, or NULL. */
yaml_node_t *dv_yaml_get(struct dv_yaml *yaml, const yaml_node_t *mapping, const char *key);
/* A mapping that has only the keys `known` (ends with NULL), each once. */
enum dv_status dv_yaml_check_keys(struct dv_yaml *yaml, const yaml_node_t *mapping,
                                  const char *const *known) DV_CHECKED;

/* "demo.yaml:12:3", or the origin of what is no file. */
const char *dv_yaml_place(const struct dv_yaml *yaml, const yaml_node_t *node,
                          struct dv_arena *memory);
/* Say "<origin>:<line>:<column>: ..." and return DV_ERR_USAGE. */
enum dv_status dv_yaml_fail(const struct dv_yaml *yaml, const yaml_node_t *node, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));
/* The same for a word that is none of `known`: adds "did you mean" or the list. `what`:
 * "application", "key". */
enum dv_status dv_yaml_fail_unknown(const struct dv_yaml *yaml, const yaml_node_t *node,
                                    const char *what, const char *word, const char *const *known);

#endif

#include "harness/config/layers.h"

#include "harness/config/arena.h"
#include "harness/config/say.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define PROFILES_MAX 32

static void insert(struct dv_layers *layers, size_t at, struct dv_yaml *file, yaml_node_t *mapping)
{
    layers->item = dv_reallocate(layers->item, layers->count + 1, sizeof *layers->item);
    memmove(&layers->item[at + 1], &layers->item[at], (layers->count - at) * sizeof *layers->item);
    layers->item[at] = (struct dv_layer){file, mapping};
    layers->count++;
}

static enum dv_status check_profiles(struct dv_yaml *file, const char *const *known)
{
    yaml_node_t *profiles = dv_yaml_get(file, dv_yaml_root(file), "profiles");
    if (!profiles)
        return DV_OK;
    if (profiles->type != YAML_MAPPING_NODE)
        return dv_yaml_fail(file, profiles, "'profiles' wants name: {key: value, ...}");
    enum dv_status status = DV_OK;
    for (const yaml_node_pair_t *pair = profiles->data.mapping.pairs.start;
         status == DV_OK && pair < profiles->data.mapping.pairs.top; pair++)
        status = dv_yaml_check_keys(file, dv_yaml_node(file, pair->value), known);
    return status;
}

static enum dv_status open_file(struct dv_layers *layers, const char *path, int depth,
                                const char *const *known);

static enum dv_status open_includes(struct dv_layers *layers, struct dv_yaml *file, int depth,
                                    const char *const *known)
{
    yaml_node_t *list = dv_yaml_get(file, dv_yaml_root(file), "include");
    const char *slash = strrchr(file->origin, '/');
    enum dv_status status = DV_OK;
    for (size_t i = list ? dv_yaml_item_count(list) : 0; status == DV_OK && i > 0; i--) {
        yaml_node_t *item = dv_yaml_item(file, list, i - 1);
        const char *name = dv_yaml_scalar(item);
        char path[PATH_MAX];
        if (!name || !*name)
            return dv_yaml_fail(file, item, "'include' wants paths of experiment files");
        if (depth == DEPTH_MAX)
            return dv_yaml_fail(file, item, "files are included %d deep: does one include itself?",
                                DEPTH_MAX);
        int directory = slash && *name != '/' ? (int)(slash + 1 - file->origin) : 0;
        snprintf(path, sizeof path, "%.*s%s", directory, file->origin, name);
        if (access(path, R_OK) != 0)
            return dv_yaml_fail(file, item, "'include': cannot read %s: %s", path, strerror(errno));
        status = open_file(layers, path, depth + 1, known);
    }
    return status;
}

/* Behind the layers that are there. */
static enum dv_status open_file(struct dv_layers *layers, const char *path, int depth,
                                const char *const *known)
{
    struct dv_yaml *file = dv_reallocate(NULL, 1, sizeof *file);
    enum dv_status status = dv_yaml_open_file(file, path);
    if (status != DV_OK) {
        free(file);
        return status;
    }
    insert(layers, layers->count, file, dv_yaml_root(file));
    layers->file_count++;
    status = dv_yaml_check_keys(file, dv_yaml_root(file), known);
    if (status == DV_OK)
        status = check_profiles(file, known);
    if (status == DV_OK)
        status = open_includes(layers, file, depth, known);
    return status;
}

enum dv_status dv_layers_open(const char *path, const char *const *known, struct dv_layers *layers)
{
    *layers = (struct dv_layers){0};
    enum dv_status status = open_file(layers, path, 0, known);
    if (status != DV_OK)
        dv_layers_close(layers);
    return status;
}

static enum dv_status fail_unknown_profile(const struct dv_layers *layers, const char *name,
                                           const char *origin)
{
    const char *names[PROFILES_MAX + 1] = {NULL};
    struct dv_yaml place = {.origin = (char *)origin};
    size_t count = 0;
    for (size_t i = 0; i < layers->count; i++) {
        struct dv_yaml *file = layers->item[i].file;
        const yaml_node_t *profiles = dv_yaml_get(file, layers->item[i].mapping, "profiles");
        for (const yaml_node_pair_t *pair = profiles ? profiles->data.mapping.pairs.start : NULL;
             pair && pair < profiles->data.mapping.pairs.top && count < PROFILES_MAX; pair++)
            names[count++] = dv_yaml_scalar(dv_yaml_node(file, pair->key));
    }
    if (count == 0)
        return dv_bench_fail(DV_ERR_USAGE, "%s: there is no profile '%s': %s has no 'profiles'",
                             origin, name, dv_layers_main(layers)->origin);
    return dv_yaml_fail_unknown(&place, NULL, "profile", name, names);
}

enum dv_status dv_layers_add_profile(struct dv_layers *layers, const char *name, const char *origin)
{
    size_t found = 0;
    for (size_t i = 0; i < layers->file_count; i++) {
        const struct dv_layer *layer = &layers->item[found + i];
        yaml_node_t *profiles = dv_yaml_get(layer->file, layer->mapping, "profiles");
        yaml_node_t *profile = profiles ? dv_yaml_get(layer->file, profiles, name) : NULL;
        if (profile)
            insert(layers, found++, layer->file, profile);
    }
    return found ? DV_OK : fail_unknown_profile(layers, name, origin);
}

yaml_node_t *dv_layers_get(const struct dv_layers *layers, const char *key, struct dv_yaml **file)
{
    for (size_t i = 0; i < layers->count; i++) {
        yaml_node_t *node = dv_yaml_get(layers->item[i].file, layers->item[i].mapping, key);
        *file = layers->item[i].file;
        if (node)
            return node;
    }
    return NULL;
}

struct dv_yaml *dv_layers_main(const struct dv_layers *layers)
{
    return layers->item[layers->count - layers->file_count].file;
}

void dv_layers_close(struct dv_layers *layers)
{
    for (size_t i = layers->count - layers->file_count; i < layers->count; i++) {
        dv_yaml_close(layers->item[i].file);
        free(layers->item[i].file);
    }
    free(layers->item);
    *layers = (struct dv_layers){0};
}

/* The files of an experiment as layers, the one that counts first:
 *
 *     profile of the file, of what it includes | the file | its last include, what that includes | ...
 *
 * A layer is a mapping of keys in an open document. The layers own the documents. */
#ifndef DV_HARNESS_LAYERS_H
#define DV_HARNESS_LAYERS_H

#include "harness/config/yaml.h"

struct dv_layer {
    struct dv_yaml *file;
    yaml_node_t *mapping;
};

struct dv_layers {
    struct dv_layer *item;
    size_t count;
    size_t file_count; /* the last ones are files, those before them profiles */
};

/* Open the file and what it includes (`include`: paths relative to the file that says so). Every
 * mapping, those of `profiles` too, has only the keys `known`. Says what is wrong. */
enum dv_status dv_layers_open(const char *path, const char *const *known,
                              struct dv_layers *layers) DV_CHECKED;
/* Put the profile of this name before the files. `origin`: where the name was given. */
enum dv_status dv_layers_add_profile(struct dv_layers *layers, const char *name,
                                     const char *origin) DV_CHECKED;
/* The value of a key in the first layer that has it, or NULL; `*file`: its document. */
yaml_node_t *dv_layers_get(const struct dv_layers *layers, const char *key, struct dv_yaml **file);
/* The file that was asked for. */
struct dv_yaml *dv_layers_main(const struct dv_layers *layers);
void dv_layers_close(struct dv_layers *layers);

#endif

/* What levels.c, levels_partner.c and levels_rs.c share. */
#ifndef DV_IMAGE_LEVELS_INTERNAL_H
#define DV_IMAGE_LEVELS_INTERNAL_H

#include "store/levels.h"

#include <stdbool.h>

/* "<node>/epochs/000007/<name>" */
void dv_level_path(const struct dv_manifest *m, uint32_t node, const char *name, char *path,
                   size_t path_bytes);
/* The path of a rank's image. */
void dv_level_image_path(const struct dv_manifest *m, uint32_t rank, char *path, size_t path_bytes);
/* Is the file at `path` the image of this rank, whole? Says what is wrong. `deep`: to its last byte. */
bool dv_level_image_is_good(const struct dv_manifest *m, uint32_t rank, const char *path,
                            bool deep);
/* The node's directory of this epoch, with all that is above it. */
enum dv_status dv_level_make_directory(const struct dv_manifest *m, uint32_t node) DV_CHECKED;
/* "node 1 (/local/b/dejavu-...), node 2 (...)" of those that are marked. */
void dv_level_name_nodes(const struct dv_manifest *m, const bool *marked, char *text,
                         size_t text_bytes);
/* fsync, close (in any case), rename `<path>.tmp` to `path`. The directory is not synced. */
enum dv_status dv_level_finish_file(int fd, const char *path) DV_CHECKED;
/* Sync the epoch's directory on each node. */
enum dv_status dv_level_sync(const struct dv_manifest *m) DV_CHECKED;

/* `good[rank]`: the image is whole. Both rebuild images for which it is not, set it, and count. */
enum dv_status dv_partner_protect(const struct dv_manifest *m) DV_CHECKED;
enum dv_status dv_partner_rebuild(const struct dv_manifest *m, bool *good, bool deep,
                                  unsigned *rebuilt) DV_CHECKED;
enum dv_status dv_rs_protect(const struct dv_manifest *m) DV_CHECKED;
enum dv_status dv_rs_rebuild(const struct dv_manifest *m, bool *good, bool deep,
                             unsigned *rebuilt) DV_CHECKED;

#endif

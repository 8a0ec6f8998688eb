/* Redundancy between nodes: made before an epoch is committed, used when images are lost.
 *
 * Blocking, from commands and from the supervisor's children; not from ranks. Files are private (0600), written under a
 * temporary name, synced and renamed. What is rebuilt is checked against the manifest, to the last byte. */
#ifndef DV_IMAGE_LEVELS_H
#define DV_IMAGE_LEVELS_H

#include "store/manifest.h"

#include <dejavu/status.h>

/* Can epochs be placed so: enough nodes, distinct ones, tmpfs for level memory ... Directories that the user named for
 * nodes are made if they are not there. DV_ERR_USAGE, reported. `named`: [place->node_count] the directories as the user
 * named them, absolute. */
enum dv_status dv_level_check(const struct dv_place *place, char *const *named) DV_CHECKED;
/* Make the job's private directories on all nodes, or check those that are there. */
enum dv_status dv_level_make_roots(const struct dv_place *place) DV_CHECKED;
/* Make an empty directory for the epoch in the job's and in all nodes' directories; what is in the way is removed. */
enum dv_status dv_level_make_epoch(const char *job, const struct dv_place *place,
                                   uint64_t epoch) DV_CHECKED;
/* Remove it again: the epoch was given up. */
enum dv_status dv_level_remove_epoch(const char *job, const struct dv_place *place,
                                     uint64_t epoch) DV_CHECKED;

/* Make what the level promises: copies, or parity. All images must be durable. `m` is what the manifest will say. */
enum dv_status dv_level_protect(const struct dv_manifest *m) DV_CHECKED;

/* Put back what is lost or damaged of a committed epoch and its ancestors, images first, then redundancy. `deep`: read all
 * data to find damage; else only files that are missing, or whose tables are damaged, are found. `rebuilt`: how many
 * files. DV_ERR_DAMAGED: more is lost than the redundancy covers; reported, with the nodes. Level shared, memory and disk
 * have nothing to rebuild from: DV_OK, and verification says what is wrong. */
enum dv_status dv_level_rebuild(const char *job, uint64_t epoch, int deep,
                                unsigned *rebuilt) DV_CHECKED;

#endif

/* Removing what nobody needs any more: old epochs, what was never committed, stale temporary files, images of earlier
 * generations, copies and parity without an epoch.
 *
 * What is kept: the newest `keep` committed epochs that are whole as far as is known, everything that they inherit from,
 * a damaged manifest newer than the oldest epoch kept (for a person to look at), and what the caller pins. A kill at any
 * point loses no epoch that should be kept. */
#ifndef DV_IMAGE_PRUNE_H
#define DV_IMAGE_PRUNE_H

#include "store/store.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dv_prune {
    unsigned keep; /* at least 1 */
    uint64_t
        pinned; /* this epoch is being synthesised anew: it, its files and its ancestors stay; 0: none */
    uint64_t writing; /* the uncommitted epoch that ranks are writing stays; 0: none */
    uint64_t
        mapped; /* images up to this epoch may be mapped by ranks that were restored from them: removed, but never
                         recycled, which would change them; 0: none */
    const uint64_t *bad; /* committed epochs known to be damaged: they do not count among `keep` */
    size_t bad_count;
    const struct dv_place
        *place;         /* nodes to look at besides those that manifests name; NULL: none */
    bool spares;        /* remove old images kept for recycling as well, and recycle none */
    bool check_writers; /* refuse (DV_ERR_BUSY) if a process still has a temporary file open */
};

struct dv_pruned {
    uint64_t epochs, files, bytes; /* what was removed; not what was kept for recycling */
};

/* Old images go to `spare` beside the epochs they come from, one per rank, for recycling. Call it only when no rank writes
 * but to `writing`. All that can be removed is; the first failure is returned. `pruned` may be NULL. */
enum dv_status dv_store_prune(const char *job, const struct dv_prune *what,
                              struct dv_pruned *pruned) DV_CHECKED;

#endif

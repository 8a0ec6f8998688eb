/* What prune.c removes files with. */
#ifndef DV_IMAGE_REMOVE_H
#define DV_IMAGE_REMOVE_H

#include "store/prune.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stdint.h>

struct dv_remove {
    const char
        *base;    /* the job's or a node's directory, which has `epochs` and `spare`; borrowed */
    bool recycle; /* images go to <base>/spare, unless there is one of the rank already */
    struct dv_pruned pruned;
};

/* A whole epoch's directory, without manifest. */
enum dv_status dv_remove_epoch(struct dv_remove *remove, const char *directory) DV_CHECKED;
/* Of an epoch that stays: temporary files, and images, copies and parity of other generations. */
enum dv_status dv_remove_stale(struct dv_remove *remove, const char *directory,
                               uint32_t generation) DV_CHECKED;
/* All of <base>/spare. */
enum dv_status dv_remove_spares(struct dv_remove *remove, const char *base) DV_CHECKED;
/* DV_ERR_BUSY, reported, if a process has a temporary file below `base` open. */
enum dv_status dv_remove_check_writers(const char *base) DV_CHECKED;

#endif

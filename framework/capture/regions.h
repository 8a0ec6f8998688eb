/* The upper half's mappings, and which of their pages hold information.
 *
 *      /proc/self/maps            struct dv_maps
 *      00400000-00452000 r-xp ... -> { PRIVATE, READ|EXEC|FILE, data_end = end of the file's pages
 * } 100080000000-...   [heap]  -> { PRIVATE, READ|WRITE|HEAP } 3ffff7c00000-...           -> {
 * PRIVATE, READ|WRITE } split at the bounds of the main stack 3fffff000000-400000021000 ---p ->
 * clipped at DV_SPLIT 4000...                    -> not ours
 *
 * Lower half, main thread. A dv_maps owns its text; regions' paths point into it. */
#ifndef DV_CAPTURE_REGIONS_H
#define DV_CAPTURE_REGIONS_H

#include <dejavu/capture.h>
#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

enum dv_map_kind {
    DV_MAP_PRIVATE = 1,     /* restored as private anonymous memory, whatever it was */
    DV_MAP_SHARED_ANON = 2, /* restored as new shared anonymous memory */
    DV_MAP_SHARED_FILE = 3, /* restored by mapping the file again, and writing the contents back */
};

struct dv_maps {
    struct dv_region *regions; /* [count] */
    uint8_t *kinds;            /* [count] enum dv_map_kind */
    size_t count, capacity;
    char *text; /* what was parsed; holds the paths */
};

/* Parse the text of a maps file (malloc'ed; owned by *maps from now on, even on failure), keeping
 * what lies below DV_SPLIT. A line that makes no sense is DV_ERR_INTERNAL. */
enum dv_status dv_maps_parse(char *text, struct dv_maps *maps) DV_CHECKED;
/* This process's. */
enum dv_status dv_maps_read(struct dv_maps *maps) DV_CHECKED;
void dv_maps_free(struct dv_maps *maps);

/* Mark [start, end), which must lie in one region, as the main thread's stack, in regions of its
 * own, with `live_from` its lowest address that holds information. */
enum dv_status dv_maps_mark_stack(struct dv_maps *maps, uint64_t start, uint64_t end,
                                  uint64_t live_from) DV_CHECKED;

/* DV_ERR_REFUSED, with dv_why() naming it, if there is a mapping that cannot be captured. */
enum dv_status dv_maps_check(const struct dv_maps *maps) DV_CHECKED;

/* The end of what can be read: the region's end, or the end of the last page of the file it maps.
 */
uint64_t dv_region_data_end(const struct dv_region *region);

/* dv_capture_core.populated. */
enum dv_status dv_region_populated(const struct dv_region *region,
                                   enum dv_status (*each)(void *arg, uint64_t start, uint64_t end),
                                   void *arg) DV_CHECKED;
/* The same with the way of asking chosen; for the test that compares them. */
enum dv_pagemap_way { DV_PAGEMAP_AUTO, DV_PAGEMAP_SCAN_IOCTL, DV_PAGEMAP_READ };
enum dv_status dv_pagemap_populated(uint64_t start, uint64_t end, enum dv_pagemap_way way,
                                    enum dv_status (*each)(void *arg, uint64_t from, uint64_t to),
                                    void *arg) DV_CHECKED;
/* In [start, end) of private mappings of files (DV_REGION_LAZY): the runs of pages that the process has written since they
 * were mapped. All others are as in the file. */
enum dv_status dv_pagemap_own(uint64_t start, uint64_t end, enum dv_pagemap_way way,
                              enum dv_status (*each)(void *arg, uint64_t from, uint64_t to),
                              void *arg) DV_CHECKED;

/* Read [address, address + length) of this process, also where the page protection forbids it;
 * never faults. `got`: bytes up to the first that cannot be read. */
enum dv_status dv_memory_read(uint64_t address, void *buffer, size_t length,
                              size_t *got) DV_CHECKED;

static inline uint64_t dv_page_floor(uint64_t address)
{
    return address & ~(uint64_t)(DV_PAGE_BYTES - 1);
}

static inline uint64_t dv_page_ceil(uint64_t address)
{
    return dv_page_floor(address + DV_PAGE_BYTES - 1);
}

#endif

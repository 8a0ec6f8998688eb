/* Sets of whole pages: what a strategy selects. */
#ifndef DV_CAPTURE_PAGE_SET_H
#define DV_CAPTURE_PAGE_SET_H

#include <dejavu/capture.h>
#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_page_set {
    struct dv_page_run *ranges; /* freed by dv_page_set_free */
    size_t count, capacity;
};

/* dv_capture_core.add. */
enum dv_status dv_page_set_add(struct dv_page_set *set, uint64_t start, uint64_t end) DV_CHECKED;
/* Sort, and join what touches or overlaps. */
void dv_page_set_normalize(struct dv_page_set *set);
/* Of a normalized set, keep what the regions hold: not the dead part of stacks, nothing behind the
 * end of a file; `data_end[i]` belongs to regions->items[i]. A page in no region is an error of the
 * strategy `name`. */
enum dv_status dv_page_set_clip(struct dv_page_set *set, const struct dv_region_list *regions,
                                const uint64_t *data_end, const char *name) DV_CHECKED;
/* Of a normalized set, the index of the first range that ends behind `address`. */
size_t dv_page_set_find(const struct dv_page_set *set, uint64_t address);
void dv_page_set_free(struct dv_page_set *set);

#endif

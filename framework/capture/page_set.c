/* Sets of whole pages; see page_set.h. */
#include "capture/page_set.h"

#include "common/fail.h"

#include <stdlib.h>

enum dv_status dv_page_set_add(struct dv_page_set *set, uint64_t start, uint64_t end)
{
    if (start % DV_PAGE_BYTES || end % DV_PAGE_BYTES || start > end)
        return dv_fail("capture", DV_ERR_INTERNAL,
                       "the capture strategy selected %#llx-%#llx, which are no whole pages",
                       (unsigned long long)start, (unsigned long long)end);
    if (start == end)
        return DV_OK;
    if (set->count > 0 && set->ranges[set->count - 1].end == start) {
        set->ranges[set->count - 1].end = end;
        return DV_OK;
    }
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 256;
        struct dv_page_run *ranges = realloc(set->ranges, capacity * sizeof *ranges);
        if (!ranges)
            return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for %zu page ranges", capacity);
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct dv_page_run){start, end};
    return DV_OK;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct dv_page_run *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

/* Strategies go through regions in order, so this is the rule. */
static int is_normal(const struct dv_page_set *set)
{
    for (size_t i = 1; i < set->count; i++)
        if (set->ranges[i].start <= set->ranges[i - 1].end)
            return 0;
    return 1;
}

void dv_page_set_normalize(struct dv_page_set *set)
{
    if (set->count == 0 || is_normal(set))
        return;
    qsort(set->ranges, set->count, sizeof *set->ranges, compare_ranges);
    size_t last = 0;
    for (size_t i = 1; i < set->count; i++) {
        if (set->ranges[i].start > set->ranges[last].end)
            set->ranges[++last] = set->ranges[i];
        else if (set->ranges[i].end > set->ranges[last].end)
            set->ranges[last].end = set->ranges[i].end;
    }
    set->count = last + 1;
}

static enum dv_status outside(const char *name, uint64_t address)
{
    return dv_fail("capture", DV_ERR_INTERNAL,
                   "capture strategy %s selected the page %#llx, which is in no mapping of the "
                   "application",
                   name, (unsigned long long)address);
}

/* Cut one range along the regions; *at is the first region that may still matter. */
static enum dv_status clip_range(struct dv_page_set *out, struct dv_page_run range,
                                 const struct dv_region_list *regions, const uint64_t *data_end,
                                 size_t *at, const char *name)
{
    while (range.start < range.end) {
        while (*at < regions->count && regions->items[*at].end <= range.start)
            ++*at;
        if (*at == regions->count || regions->items[*at].start > range.start)
            return outside(name, range.start);
        const struct dv_region *region = &regions->items[*at];
        uint64_t end = range.end < region->end ? range.end : region->end;
        uint64_t from = range.start > region->live_from ? range.start : region->live_from;
        uint64_t to = end < data_end[*at] ? end : data_end[*at];
        if (from < to) {
            enum dv_status status = dv_page_set_add(out, from, to);
            if (status != DV_OK)
                return status;
        }
        range.start = end;
    }
    return DV_OK;
}

enum dv_status dv_page_set_clip(struct dv_page_set *set, const struct dv_region_list *regions,
                                const uint64_t *data_end, const char *name)
{
    struct dv_page_set clipped = {0};
    enum dv_status status = DV_OK;
    size_t at = 0;
    for (size_t i = 0; i < set->count && status == DV_OK; i++)
        status = clip_range(&clipped, set->ranges[i], regions, data_end, &at, name);
    if (status != DV_OK) {
        dv_page_set_free(&clipped);
        return status;
    }
    dv_page_set_free(set);
    *set = clipped;
    return DV_OK;
}

size_t dv_page_set_find(const struct dv_page_set *set, uint64_t address)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->ranges[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void dv_page_set_free(struct dv_page_set *set)
{
    free(set->ranges);
    *set = (struct dv_page_set){0};
}

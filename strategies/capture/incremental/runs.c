#include "runs.h"

#include <stdlib.h>

enum dv_status runs_add(void *runs, uint64_t start, uint64_t end)
{
    struct runs *r = runs;
    if (r->count && r->items[r->count - 1].end == start) {
        r->items[r->count - 1].end = end;
        return DV_OK;
    }
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 256;
        struct dv_page_run *items = realloc(r->items, capacity * sizeof *items);
        if (!items)
            return DV_ERR_NO_MEMORY;
        r->items = items;
        r->capacity = capacity;
    }
    r->items[r->count++] = (struct dv_page_run){start, end};
    return DV_OK;
}

void runs_free(struct runs *r)
{
    free(r->items);
    *r = (struct runs){0};
}

static int by_start(const void *left, const void *right)
{
    const struct dv_page_run *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int is_normal(const struct runs *r)
{
    for (size_t i = 1; i < r->count; i++)
        if (r->items[i].start <= r->items[i - 1].end)
            return 0;
    return 1;
}

void runs_normalize(struct runs *r)
{
    if (!r->count || is_normal(r))
        return;
    qsort(r->items, r->count, sizeof *r->items, by_start);
    size_t last = 0;
    for (size_t i = 1; i < r->count; i++) {
        if (r->items[i].start > r->items[last].end)
            r->items[++last] = r->items[i];
        else if (r->items[i].end > r->items[last].end)
            r->items[last].end = r->items[i].end;
    }
    r->count = last + 1;
}

size_t runs_find(const struct dv_page_runs *list, uint64_t address)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->items[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum dv_status runs_within(const struct dv_page_runs *list, uint64_t start, uint64_t end,
                           runs_each *each, void *arg)
{
    enum dv_status status = DV_OK;
    for (size_t i = runs_find(list, start);
         i < list->count && list->items[i].start < end && status == DV_OK; i++) {
        const struct dv_page_run *run = &list->items[i];
        status =
            each(arg, run->start > start ? run->start : start, run->end < end ? run->end : end);
    }
    return status;
}

enum dv_status runs_without(const struct dv_page_runs *list, uint64_t start, uint64_t end,
                            runs_each *each, void *arg)
{
    enum dv_status status = DV_OK;
    for (size_t i = runs_find(list, start);
         i < list->count && list->items[i].start < end && status == DV_OK; i++) {
        const struct dv_page_run *run = &list->items[i];
        if (run->start > start)
            status = each(arg, start, run->start);
        if (run->end > start)
            start = run->end;
    }
    return status == DV_OK && start < end ? each(arg, start, end) : status;
}

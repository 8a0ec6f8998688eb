/* Ascending runs of pages, as lists: copy, intersect, subtract. Memory is malloc'ed and the caller's. */
#ifndef DV_INCREMENTAL_RUNS_H
#define DV_INCREMENTAL_RUNS_H

#include <dejavu/capture.h>

#include <stddef.h>

struct runs {
    struct dv_page_run *items;
    size_t count, capacity;
};

typedef enum dv_status runs_each(void *arg, uint64_t start, uint64_t end);

/* Append a run that begins behind the last one or joins it. */
enum dv_status runs_add(void *runs, uint64_t start, uint64_t end) DV_CHECKED;
void runs_free(struct runs *r);
/* Sort and join: for lists that were appended to out of order. */
void runs_normalize(struct runs *r);
/* Index of the first run of the list that ends behind `address`. */
size_t runs_find(const struct dv_page_runs *list, uint64_t address);
/* Call `each` for all that [start, end) and the list have in common. */
enum dv_status runs_within(const struct dv_page_runs *list, uint64_t start, uint64_t end,
                           runs_each *each, void *arg) DV_CHECKED;
/* Call `each` for all of [start, end) that is not in the list. */
enum dv_status runs_without(const struct dv_page_runs *list, uint64_t start, uint64_t end,
                            runs_each *each, void *arg) DV_CHECKED;

#endif

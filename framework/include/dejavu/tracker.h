/* Trackers: which pages may have been written. A tracker is a service of the framework that capture strategies use; it
 * knows addresses, not epochs.
 *
 *      arm(A..H)                               all clean from here on
 *      ... the application writes B, C, F ...
 *      collect(A..H) -> each(B..D), each(F..G) and all are clean again
 *
 * A tracker may report too many pages, never too few. All calls come from the main thread in the lower half while the
 * upper half is stopped; test() from the same thread before the application runs. */
#ifndef DEJAVU_TRACKER_H
#define DEJAVU_TRACKER_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_tracker;
struct dv_region;

/* What test() measured on this host, nanoseconds. */
struct dv_tracker_cost {
    double written_ns; /* to the application, for each page that it writes first */
    double scan_ns;    /* for each page of a range that is collected */
    double arm_ns;     /* for each page of a range that is armed */
    double reported; /* pages reported for each page written, where every third page is; 1: exact */
};

struct dv_tracker_ops {
    const char *name, *summary;
    /* Does it find, on memory of its own, exactly the pages that are written, on this kernel? DV_ERR_UNSUPPORTED: no, `why`
     * says what is missing. Fills in what it costs here. Leaves nothing behind. */
    enum dv_status (*test)(struct dv_tracker_cost *cost, char *why, size_t why_bytes);
    enum dv_status (*open)(struct dv_tracker **tracker);
    /* May pages of the region be tracked at all? 0: never (shared memory, the signal handlers' stack ...); they are dirty
     * always. */
    int (*can_track)(struct dv_tracker *tracker, const struct dv_region *region);
    /* Begin to track [start, end), mapped memory of the upper half; its pages are clean. Again on a tracked range: the same.
     * DV_ERR_UNSUPPORTED, quietly: not there. */
    enum dv_status (*arm)(struct dv_tracker *tracker, uint64_t start, uint64_t end);
    /* Stop tracking; the range becomes ordinary memory. */
    enum dv_status (*disarm)(struct dv_tracker *tracker, uint64_t start, uint64_t end);
    /* Call `each` for every maximal run of pages in [start, end) that may have been written since arm or the last collect,
     * and make them clean. `region_flags`: of the region they are in (enum dv_region_flags). DV_ERR_NOT_FOUND, quietly: a part of it is not tracked (the mapping is new, or has moved): what
     * `each` was given is void, everything in the range must be taken and armed. */
    enum dv_status (*collect)(struct dv_tracker *tracker, uint64_t start, uint64_t end,
                              uint32_t region_flags,
                              enum dv_status (*each)(void *arg, uint64_t from, uint64_t to),
                              void *arg);
    void (*close)(struct dv_tracker *tracker);
};

#endif

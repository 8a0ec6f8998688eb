/* Capture strategies: WHICH bytes belong to an epoch.
 *
 * A capture strategy runs in the lower half of each rank, on the application's main thread while the upper half is
 * stopped, and never talks to other ranks. It looks at regions and answers with a set of pages; the framework takes a
 * snapshot of those pages, writes them while the application runs, takes all timings, and owns all memory passed in.
 *
 * Order of calls, kept by the framework:
 *
 *     init -> arm -> { select -> (changed, for each page as it is written) -> committed | aborted } ... -> fini
 *                ^------------ arm again after every restore -------/
 *
 * An epoch may inherit: pages that hold information and were not selected are as in `parent_epoch`, the newest committed
 * epoch, and are not written. With `parent_epoch` 0 there is none: everything that holds information must be selected.
 *
 * Addresses and sizes are bytes; page sets are whole 4 KiB pages. */
#ifndef DEJAVU_CAPTURE_H
#define DEJAVU_CAPTURE_H

#include <dejavu/option.h>
#include <dejavu/status.h>
#include <dejavu/tracker.h>

#include <stddef.h>
#include <stdint.h>

#define DV_CAPTURE_API 2u
#define DV_PAGE_BYTES 4096u

enum dv_region_flags {
    DV_REGION_READ = 1u << 0,
    DV_REGION_WRITE = 1u << 1,
    DV_REGION_EXEC = 1u << 2,
    DV_REGION_SHARED = 1u << 3, /* MAP_SHARED: written from elsewhere too, always dirty */
    DV_REGION_FILE = 1u << 4,   /* maps a file: path, file_offset are set */
    DV_REGION_HEAP = 1u << 5,   /* the break */
    DV_REGION_STACK = 1u << 6, /* holds the main thread's stack: pages below `live_from` are dead */
    DV_REGION_GROWSDOWN = 1u << 7,
    DV_REGION_LAZY =
        1u
        << 8, /* anonymous memory that is mapped from the image it was restored from: all its pages hold
                                 information; those that were not written since are as in that image */
};

/* One mapping of the upper half. */
struct dv_region {
    uint64_t start, end; /* bytes, page aligned, end exclusive */
    uint32_t flags;      /* enum dv_region_flags */
    uint32_t reserved;
    uint64_t
        live_from; /* lowest address that holds information (== start unless DV_REGION_STACK) */
    uint64_t file_offset, device, inode;
    const char *path; /* "" if none */
    /* Of a private mapping: the name under which its file is kept in the job directory; NULL: it is not. Pages of a kept
     * file hold information of their own only once they are written. */
    const char *kept;
};

struct dv_region_list {
    const struct dv_region *items; /* ascending, not overlapping */
    size_t count;
};

struct dv_page_set; /* built with dv_capture_core.add */

struct dv_page_run {
    uint64_t start, end;
};

struct dv_page_runs {
    const struct dv_page_run *items; /* ascending, not touching */
    size_t count;
};

/* What it costs the application that pages are kept for the writer, nanoseconds for each page, as seen lately: a copy costs
 * `copy_ns` for each page that is selected; a fork `fork_ns` for each page that holds information, and `cow_ns` for each
 * that the application writes before it is stored. */
struct dv_keep_cost {
    double copy_ns, fork_ns, cow_ns;
};

/* What the framework offers to a capture strategy. */
struct dv_capture_core {
    /* Add pages [start, end) to the set; ranges may come in any order and may overlap. */
    enum dv_status (*add)(struct dv_page_set *set, uint64_t start, uint64_t end);
    /* Call `each` for every maximal run of pages of the region that hold information: resident or swapped private
     * pages, all pages of file and shared mappings; never-touched pages and the dead part of a stack are left out.
     * (Zero pages are left out later, by the writer, which reads the bytes anyway.) */
    enum dv_status (*populated)(const struct dv_region *region,
                                enum dv_status (*each)(void *arg, uint64_t start, uint64_t end),
                                void *arg);
    /* Report why an operation fails, once, by the function that knows it. */
    void (*explain)(const char *format, ...) __attribute__((format(printf, 1, 2)));
    /* Zeroed memory that `changed` may write to: a forked writer and this process share it. Pages cost nothing until they
     * are touched. NULL: none left. */
    void *(*shared_alloc)(size_t bytes);
    void (*shared_free)(void *memory, size_t bytes);
    /* XXH3-128 of `length` bytes, at memory speed. */
    void (*digest)(const void *bytes, size_t length, uint64_t digest[2]);
    /* How much of a region is mapped by huge pages, bytes. */
    uint64_t (*huge_bytes)(const struct dv_region *region);
    /* For the record of this epoch: one line "start=... mode=... reason=..." on a decision that has costs. */
    void (*decided)(const char *format, ...) __attribute__((format(printf, 1, 2)));
    void (*keep_cost)(struct dv_keep_cost *cost);
    /* All trackers (dejavu/tracker.h), ended by NULL. */
    const struct dv_tracker_ops *const *trackers;
};

struct dv_capture {
    const struct dv_capture_ops *ops;
    const struct dv_capture_core *core;
    void *state;                          /* state_size bytes, zeroed, options filled in */
    const struct dv_region_list *regions; /* the regions of the epoch being selected */
    const struct dv_page_runs
        *populated; /* and all their pages that hold information; NULL for a strategy with
                                             DV_CAPTURE_COMPLETE, which does not need them */
    uint64_t
        parent_epoch; /* that the epoch being selected may inherit from; 0: none. On arm: the epoch that was
                              restored, 0 at the first start */
};

enum dv_capture_caps {
    DV_CAPTURE_COMPLETE = 1u << 0, /* every epoch is complete by itself: no parent is ever needed */
};

struct dv_capture_ops {
    uint32_t api; /* DV_CAPTURE_API */
    const char *name, *summary;
    uint32_t caps;                   /* enum dv_capture_caps */
    const struct dv_option *options; /* NULL: none */
    size_t state_size;
    /* Once per process. May block and allocate. */
    enum dv_status (*init)(struct dv_capture *c);
    /* Begin to track the regions: at the first start (nothing has run yet) and after every restore. NULL: nothing to
     * do. */
    enum dv_status (*arm)(struct dv_capture *c, const struct dv_region_list *regions);
    /* Which pages belong to this epoch. The upper half is stopped. Required. Must not call into the upper half. */
    enum dv_status (*select)(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out);
    /* While the selected pages are written, perhaps in another process and while the application runs: is the page's
     * content other than in the parent? `bytes` NULL: it is zero. In ascending order; every selected page once. Returns 0:
     * no, it need not be stored. Must not allocate, lock, or write to memory that is not from shared_alloc. NULL: all that
     * was selected is stored. */
    int (*changed)(struct dv_capture *c, uint64_t address, const void *bytes);
    /* The epoch is durable on all ranks / was given up; exactly one of the two follows each select. NULL allowed. */
    void (*committed)(struct dv_capture *c, uint64_t epoch);
    void (*aborted)(struct dv_capture *c, uint64_t epoch);
    void (*fini)(struct dv_capture *c);
};

/* The table of all capture strategies, ended by NULL (strategies/capture/table.c: one line each). */
extern const struct dv_capture_ops *const dv_capture_table[];

#endif

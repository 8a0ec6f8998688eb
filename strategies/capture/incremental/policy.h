/* How each region is watched, and why: page tracking costs the application a fault for each page it writes first, and
 * splits huge pages; hashing costs a pass over all its pages for each epoch, all of which have to be kept for it; shared
 * memory cannot be tracked.
 *
 *      tracked  pages written, as a tracker says           written pages x (fault + keep + digest) + pages x scan
 *                                                          (+ huge pages split x repair)
 *      hashed   all pages; their contents decide           pages x (keep + digest)
 *      always   all pages; their contents decide           (no choice)
 *
 * Keeping is a copy of the pages that are taken, or a fork, which costs for all pages, and again for those that are written
 * while it lives: the cheaper one. It is most of the stall; digests are computed while the application runs, on processors
 * that it could use. A nanosecond of one is as bad as of the other.
 *
 * The cheaper of the first two by what was seen in the last epochs, with a margin and a pause so that it does not swing. A
 * zone is one mapping: parts of a mapping cannot be treated differently, because registering a part would cut the
 * application's mapping in two, which mremap notices. */
#ifndef DV_INCREMENTAL_POLICY_H
#define DV_INCREMENTAL_POLICY_H

#include <dejavu/capture.h>
#include <dejavu/tracker.h>

#include <stdint.h>

enum zone_mode { ZONE_NEW, ZONE_TRACKED, ZONE_HASHED, ZONE_ALWAYS };

struct zone {
    uint64_t start, end;
    enum zone_mode mode;
    uint64_t pages, huge_pages; /* that hold information; of these, in huge pages (4 KiB each) */
    unsigned against;           /* epochs in a row that spoke for the other mode */
    unsigned age;               /* epochs since the mode was chosen */
    struct zone_count *count;   /* what the writer of the last epoch found; shared memory */
};

/* Filled in while an epoch is written, or (dirty) while it is selected. */
struct zone_count {
    uint64_t end, pages, blocks; /* pages written or changed; blocks of 2 MiB that hold them */
    uint64_t last_block;
};

/* Nanoseconds; measured at the start, and `keep` in each epoch. */
struct policy_costs {
    struct dv_tracker_cost tracker;
    struct dv_keep_cost keep;
    double digest_ns; /* of a page */
    double split_ns;  /* of making a huge page whole again: 0.3 ms was measured (MADV_COLLAPSE) */
};

const char *zone_mode_name(enum zone_mode mode);
/* Count pages [start, end), which come in ascending order. */
void zone_count_add(struct zone_count *count, uint64_t start, uint64_t end);
/* The mode the zone should have now; `reason` is set when it is another. `seen`: written (tracked) or changed (hashed) since
 * the last epoch. Also gives both modes' cost for an epoch like the last. */
enum zone_mode policy_judge(const struct policy_costs *costs, struct zone *z,
                            const struct zone_count *seen, double *tracked_ns, double *hashed_ns,
                            const char **reason);
/* The mode of a zone that is seen first. */
enum zone_mode policy_first(const struct zone *z, const char **reason);

#endif

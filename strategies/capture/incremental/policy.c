#include "policy.h"

#define BLOCK_BYTES (2u << 20)
#define BLOCK_PAGES (BLOCK_BYTES / DV_PAGE_BYTES)
/* Smaller zones cost little either way. */
#define SMALL_PAGES 1024u
#define MARGIN 1.25
#define PATIENCE 2u /* epochs that must agree */

const char *zone_mode_name(enum zone_mode mode)
{
    static const char *const names[] = {"new", "tracked", "hashed", "always"};
    return names[mode];
}

void zone_count_add(struct zone_count *count, uint64_t start, uint64_t end)
{
    uint64_t first = start / BLOCK_BYTES + 1, last = (end - 1) / BLOCK_BYTES + 1; /* 0: none yet */
    count->pages += (end - start) / DV_PAGE_BYTES;
    if (first == count->last_block)
        first++;
    if (last >= first)
        count->blocks += last - first + 1;
    count->last_block = last;
}

/* Of `taken` pages of a zone, of which the application will write `written` again before they are stored. */
static double keep_cost(const struct dv_keep_cost *keep, const struct zone *z, uint64_t taken,
                        uint64_t written)
{
    double copy = (double)taken * keep->copy_ns,
           fork = (double)z->pages * keep->fork_ns + (double)written * keep->cow_ns;
    return copy < fork ? copy : fork;
}

static double tracked_cost(const struct policy_costs *costs, const struct zone *z,
                           const struct zone_count *seen)
{
    double huge = z->pages ? (double)z->huge_pages / (double)z->pages : 0;
    return (double)seen->pages * (costs->tracker.written_ns + costs->digest_ns) +
           (double)z->pages * costs->tracker.scan_ns +
           (double)seen->blocks * huge * costs->split_ns +
           keep_cost(&costs->keep, z, seen->pages, seen->pages);
}

static double hashed_cost(const struct policy_costs *costs, const struct zone *z,
                          const struct zone_count *seen)
{
    return (double)z->pages * costs->digest_ns + keep_cost(&costs->keep, z, z->pages, seen->pages);
}

enum zone_mode policy_first(const struct zone *z, const char **reason)
{
    *reason = "new";
    if (z->pages >= SMALL_PAGES && z->huge_pages * 2 >= z->pages) {
        *reason = "huge pages, which tracking would split";
        return ZONE_HASHED;
    }
    return ZONE_TRACKED;
}

enum zone_mode policy_judge(const struct policy_costs *costs, struct zone *z,
                            const struct zone_count *seen, double *tracked_ns, double *hashed_ns,
                            const char **reason)
{
    *tracked_ns = tracked_cost(costs, z, seen);
    *hashed_ns = hashed_cost(costs, z, seen);
    z->age++;
    if (z->pages < SMALL_PAGES || z->mode == ZONE_ALWAYS)
        return z->mode;
    int tracked = z->mode == ZONE_TRACKED;
    double mine = tracked ? *tracked_ns : *hashed_ns, other = tracked ? *hashed_ns : *tracked_ns;
    z->against = mine > other * MARGIN ? z->against + 1 : 0;
    if (z->against < PATIENCE)
        return z->mode;
    *reason = tracked ? "many pages are written" : "few pages change";
    return tracked ? ZONE_HASHED : ZONE_TRACKED;
}

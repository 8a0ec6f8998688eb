/* Capture strategy "incremental": pages written since the last committed epoch, of these the ones whose content is another.
 * See incremental.md. */
#include "hashes.h"
#include "policy.h"
#include "runs.h"

#include <dejavu/capture.h>
#include <dejavu/tracker.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_ZONES 65536u /* the kernel's own limit on mappings is about that */
#define SPLIT_NS 300e3
#define DIGEST_TRIES 64u
/* Whatever is measured is measured so often, and the least counts: more is another process's doing. */
#define CALM_TRIES 3

struct incremental {
    char tracker_name[DV_OPTION_STRING_BYTES]; /* option */
    int contents, adaptive;                    /* options */
    const struct dv_tracker_ops *ops;          /* NULL: no page tracking */
    struct dv_tracker *tracker;
    struct policy_costs costs;
    struct hashes *hashes;
    struct zone *zones; /* ascending, as of the last select */
    size_t zone_count;
    struct zone_count *counts; /* shared memory, [MOST_ZONES] */
    size_t *cursor;            /* shared memory: where `changed` is in the counts */
    struct runs selected;      /* of the epoch whose fate is open */
    struct runs redo;          /* of epochs that were given up: may differ from the parent */
    struct runs before, now;   /* populated in the parent, and in the open epoch */
};

static const struct dv_option options[] = {
    {"tracker", "auto",
     "what notes written pages: auto, wp, mprotect, or hash (nothing: contents are compared)",
     offsetof(struct incremental, tracker_name), DV_OPTION_STRING},
    {"contents", "yes", "leave pages out that were written with the bytes they held",
     offsetof(struct incremental, contents), DV_OPTION_BOOL},
    {"adaptive", "yes", "choose tracking or hashing for each region by what it costs",
     offsetof(struct incremental, adaptive), DV_OPTION_BOOL},
    {0},
};

/* ---- start --------------------------------------------------------------- */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double measure_digest(const struct dv_capture_core *core)
{
    static unsigned char page[DV_PAGE_BYTES];
    uint64_t digest[2];
    double calm = 0;
    for (unsigned try = 0; try < CALM_TRIES; try++) {
        double before = now_ns();
        for (unsigned i = 0; i < DIGEST_TRIES; i++) {
            page[i] ^= 1;
            core->digest(page, sizeof page, digest);
        }
        double once = (now_ns() - before) / DIGEST_TRIES;
        calm = try == 0 ? once : least(calm, once);
    }
    return calm;
}

static enum dv_status measure_tracker(const struct dv_tracker_ops *ops,
                                      struct dv_tracker_cost *cost, char *why, size_t why_bytes)
{
    enum dv_status status = ops->test(cost, why, why_bytes);
    for (int i = 1; i < CALM_TRIES && status == DV_OK; i++) {
        struct dv_tracker_cost once = *cost;
        status = ops->test(&once, why, why_bytes);
        cost->written_ns = least(cost->written_ns, once.written_ns);
        cost->scan_ns = least(cost->scan_ns, once.scan_ns);
        cost->arm_ns = least(cost->arm_ns, once.arm_ns);
        cost->reported = least(cost->reported, once.reported);
    }
    return status;
}

/* To the application and to the capture, for an application that writes every third page: a page that is reported although
 * it was not written is compared in vain. */
static double expected_ns(const struct policy_costs *costs)
{
    return costs->tracker.written_ns + 3 * costs->tracker.scan_ns +
           (costs->tracker.reported - 1) * costs->digest_ns;
}

static enum dv_status choose_tracker(struct dv_capture *c, struct incremental *s)
{
    int any = strcmp(s->tracker_name, "auto") == 0;
    double best = 0;
    char why[256] = "there is no tracker of that name";
    if (strcmp(s->tracker_name, "hash") == 0)
        return DV_OK;
    for (size_t i = 0; c->core->trackers[i]; i++) {
        const struct dv_tracker_ops *ops = c->core->trackers[i];
        struct policy_costs costs = s->costs;
        if (!any && strcmp(ops->name, s->tracker_name) != 0)
            continue;
        if (measure_tracker(ops, &costs.tracker, why, sizeof why) != DV_OK) {
            c->core->decided("tracker=%s usable=no reason=%s", ops->name, why);
            continue;
        }
        double expected = expected_ns(&costs);
        c->core->decided("tracker=%s usable=yes written_ns=%.0f scan_ns=%.1f arm_ns=%.1f "
                         "reported=%.1f expected_ns=%.0f digest_ns=%.0f",
                         ops->name, costs.tracker.written_ns, costs.tracker.scan_ns,
                         costs.tracker.arm_ns, costs.tracker.reported, expected, costs.digest_ns);
        if (s->ops && expected >= best)
            continue;
        best = expected;
        s->ops = ops;
        s->costs.tracker = costs.tracker;
    }
    if (s->ops)
        return s->ops->open(&s->tracker);
    if (any) {
        c->core->decided("tracker=hash reason=no page tracker works on this kernel");
        return DV_OK;
    }
    c->core->explain("capture strategy incremental: tracker=%s cannot be used: %s", s->tracker_name,
                     why);
    return DV_ERR_UNSUPPORTED;
}

/* As many pages as the host has memory, and as many again for what is in two places in the course of time. */
static uint64_t most_pages(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? 2 * (uint64_t)pages : 1u << 24;
}

static enum dv_status init(struct dv_capture *c)
{
    struct incremental *s = c->state;
    s->costs.digest_ns = measure_digest(c->core);
    s->costs.split_ns = SPLIT_NS;
    enum dv_status status = choose_tracker(c, s);
    if (status != DV_OK)
        return status;
    s->adaptive = s->adaptive && s->contents && s->ops;
    s->counts = c->core->shared_alloc(MOST_ZONES * sizeof *s->counts);
    s->cursor = c->core->shared_alloc(sizeof *s->cursor);
    int compare = s->contents || !s->ops;
    if (compare)
        s->hashes = hashes_new(c->core, most_pages());
    if (s->counts && s->cursor && (s->hashes || !compare))
        return DV_OK;
    c->core->explain("capture strategy incremental: no memory for page digests");
    return DV_ERR_NO_MEMORY;
}

static void fini(struct dv_capture *c)
{
    struct incremental *s = c->state;
    if (s->tracker)
        s->ops->close(s->tracker);
    hashes_free(s->hashes);
    if (s->counts)
        c->core->shared_free(s->counts, MOST_ZONES * sizeof *s->counts);
    if (s->cursor)
        c->core->shared_free(s->cursor, sizeof *s->cursor);
    runs_free(&s->selected);
    runs_free(&s->redo);
    runs_free(&s->before);
    runs_free(&s->now);
    free(s->zones);
}

/* ---- zones --------------------------------------------------------------- */

/* The main stack is taken as it is: pages that were dead in the parent, and so are not in it, come to life without being
 * written, and no tracker would tell. */
static int can_track(const struct incremental *s, const struct dv_region *region)
{
    return s->ops && !(region->flags & DV_REGION_STACK) && s->ops->can_track(s->tracker, region);
}

static void carry_over(const struct zone *old, struct zone *z)
{
    z->mode = old->mode;
    z->against = old->against;
    z->age = old->age;
    z->huge_pages = old->huge_pages;
}

static void count_pages(const struct dv_page_runs *populated, struct zone *z)
{
    z->pages = 0;
    for (size_t i = runs_find(populated, z->start);
         i < populated->count && populated->items[i].start < z->end; i++) {
        uint64_t start = populated->items[i].start, end = populated->items[i].end;
        z->pages +=
            ((end < z->end ? end : z->end) - (start > z->start ? start : z->start)) / DV_PAGE_BYTES;
    }
}

/* Zones after the present regions; what was known of an overlapping one is kept. */
static enum dv_status lay_out_zones(struct incremental *s, const struct dv_region_list *regions,
                                    const struct dv_page_runs *populated)
{
    struct zone *zones = calloc(regions->count ? regions->count : 1, sizeof *zones);
    if (!zones)
        return DV_ERR_NO_MEMORY;
    size_t old = 0;
    for (size_t i = 0; i < regions->count; i++) {
        const struct dv_region *region = &regions->items[i];
        struct zone *z = &zones[i];
        z->start = region->live_from;
        z->end = region->end;
        while (old < s->zone_count && s->zones[old].end <= region->start)
            old++;
        if (old < s->zone_count && s->zones[old].start < region->end)
            carry_over(&s->zones[old], z);
        if (populated)
            count_pages(populated, z);
    }
    free(s->zones);
    s->zones = zones;
    s->zone_count = regions->count;
    return DV_OK;
}

/* After a restore: everything is as in the epoch that was restored. */
static enum dv_status arm(struct dv_capture *c, const struct dv_region_list *regions)
{
    struct incremental *s = c->state;
    if (c->parent_epoch == 0)
        return DV_OK; /* the first epoch takes all, and arms */
    enum dv_status status = lay_out_zones(s, regions, NULL);
    for (size_t i = 0; i < regions->count && status == DV_OK; i++) {
        struct zone *z = &s->zones[i];
        z->mode = can_track(s, &regions->items[i]) ? ZONE_TRACKED : ZONE_ALWAYS;
        if (z->mode == ZONE_TRACKED)
            status = s->ops->arm(s->tracker, z->start, z->end);
        if (status == DV_ERR_UNSUPPORTED) {
            z->mode = ZONE_ALWAYS;
            status = DV_OK;
        }
    }
    return status;
}

/* ---- selecting ----------------------------------------------------------- */

struct selection {
    struct dv_capture *c;
    struct dv_page_set *out;
    struct zone_count *seen; /* counts what is added, or NULL */
    size_t at;               /* of the populated runs: where the tracker's reports have come to */
};

static enum dv_status add_run(void *arg, uint64_t start, uint64_t end)
{
    struct selection *selection = arg;
    struct incremental *s = selection->c->state;
    if (selection->seen)
        zone_count_add(selection->seen, start, end);
    enum dv_status status = runs_add(&s->selected, start, end);
    return status == DV_OK ? selection->c->core->add(selection->out, start, end) : status;
}

/* A tracker may report a reservation of terabytes as a whole: only what is populated counts. Runs come ascending. */
static enum dv_status add_reported(void *arg, uint64_t start, uint64_t end)
{
    struct selection *selection = arg;
    const struct dv_page_runs *populated = selection->c->populated;
    enum dv_status status = DV_OK;
    while (selection->at < populated->count && populated->items[selection->at].end <= start)
        selection->at++;
    for (size_t i = selection->at;
         i < populated->count && populated->items[i].start < end && status == DV_OK; i++) {
        const struct dv_page_run *run = &populated->items[i];
        status = add_run(selection, run->start > start ? run->start : start,
                         run->end < end ? run->end : end);
    }
    return status;
}

static enum dv_status add_all(struct selection *selection, const struct zone *z)
{
    return runs_within(selection->c->populated, z->start, z->end, add_run, selection);
}

static void report(struct dv_capture *c, const struct zone *z, const struct zone_count *seen,
                   enum zone_mode was, double tracked_ns, double hashed_ns, const char *reason)
{
    int tracked = z->mode == ZONE_TRACKED;
    c->core->decided("start=%#llx end=%#llx pages=%llu dirty=%llu mode=%s was=%s cost_ns=%.0f "
                     "other_ns=%.0f reason=%s",
                     (unsigned long long)z->start, (unsigned long long)z->end,
                     (unsigned long long)z->pages, (unsigned long long)seen->pages,
                     zone_mode_name(z->mode), zone_mode_name(was), tracked ? tracked_ns : hashed_ns,
                     tracked ? hashed_ns : tracked_ns, reason);
}

static void look_for_huge_pages(struct dv_capture *c, const struct dv_region *region,
                                struct zone *z)
{
    if (z->age % 8 == 0)
        z->huge_pages = c->core->huge_bytes(region) / DV_PAGE_BYTES;
}

/* Arm, or if the kernel will not, take all of it always. */
static enum dv_status begin_tracking(struct incremental *s, struct zone *z)
{
    enum dv_status status = s->ops->arm(s->tracker, z->start, z->end);
    if (status == DV_ERR_UNSUPPORTED) {
        z->mode = ZONE_ALWAYS;
        return DV_OK;
    }
    return status;
}

static enum dv_status ignore_run(void *arg, uint64_t start, uint64_t end)
{
    (void)arg;
    (void)start;
    (void)end;
    return DV_OK;
}

/* What is tracked already only has to be clean again, which costs far less than arming it. */
static enum dv_status go_on_tracking(struct incremental *s, const struct dv_region *region,
                                     struct zone *z)
{
    enum dv_status status =
        s->ops->collect(s->tracker, z->start, z->end, region->flags, ignore_run, NULL);
    return status == DV_ERR_NOT_FOUND ? begin_tracking(s, z) : status;
}

/* A zone that is seen for the first time, or for which there is no parent: all of it, and tracking begins. */
static enum dv_status select_new(struct selection *selection, const struct dv_region *region,
                                 struct zone *z)
{
    struct incremental *s = selection->c->state;
    const char *reason = "cannot be tracked";
    enum zone_mode was = z->mode;
    struct zone_count none = {0};
    enum dv_status status = DV_OK;
    if (z->mode == ZONE_NEW) {
        look_for_huge_pages(selection->c, region, z);
        z->mode = can_track(s, region) ? policy_first(z, &reason) : ZONE_ALWAYS;
        if (z->mode == ZONE_HASHED && !s->adaptive)
            z->mode = ZONE_TRACKED;
    }
    if (z->mode == ZONE_TRACKED)
        status = was == ZONE_TRACKED ? go_on_tracking(s, region, z) : begin_tracking(s, z);
    if (was != z->mode && (z->mode == ZONE_HASHED || z->pages >= 1024))
        report(selection->c, z, &none, was, 0, 0, reason);
    return status == DV_OK ? add_all(selection, z) : status;
}

static enum dv_status change_mode(struct selection *selection, struct zone *z, enum zone_mode mode)
{
    struct incremental *s = selection->c->state;
    enum zone_mode was = z->mode;
    z->mode = mode;
    z->against = z->age = 0;
    if (was == ZONE_TRACKED)
        return s->ops->disarm(s->tracker, z->start, z->end);
    return begin_tracking(s, z);
}

static enum dv_status adapt(struct selection *selection, const struct dv_region *region,
                            struct zone *z, const struct zone_count *seen)
{
    struct incremental *s = selection->c->state;
    double tracked_ns, hashed_ns;
    const char *reason = "";
    if (!s->adaptive || !can_track(s, region))
        return DV_OK;
    look_for_huge_pages(selection->c, region, z);
    enum zone_mode was = z->mode,
                   mode = policy_judge(&s->costs, z, seen, &tracked_ns, &hashed_ns, &reason);
    if (mode == was)
        return DV_OK;
    enum dv_status status = change_mode(selection, z, mode);
    report(selection->c, z, seen, was, tracked_ns, hashed_ns, reason);
    return status;
}

static enum dv_status select_zone(struct selection *selection, const struct dv_region *region,
                                  struct zone *z)
{
    struct incremental *s = selection->c->state;
    struct zone_count seen = {.end = z->end};
    /* Other memory, shared memory perhaps, may be there by now. */
    if (z->mode == ZONE_TRACKED && !can_track(s, region))
        z->mode = ZONE_NEW;
    if (selection->c->parent_epoch == 0 || z->mode == ZONE_NEW)
        return select_new(selection, region, z);
    enum dv_status status;
    if (z->mode == ZONE_TRACKED) {
        selection->seen = &seen;
        status =
            s->ops->collect(s->tracker, z->start, z->end, region->flags, add_reported, selection);
        selection->seen = NULL;
        if (status == DV_ERR_NOT_FOUND)
            return select_new(selection, region, z);
    } else {
        status = add_all(selection, z);
        if (z->count)
            seen = *z->count;
    }
    return status == DV_OK ? adapt(selection, region, z, &seen) : status;
}

/* ---- what the digests may be believed of ---------------------------------- */

static enum dv_status forget_run(void *arg, uint64_t start, uint64_t end)
{
    struct incremental *s = arg;
    if (s->hashes)
        hashes_forget(s->hashes, start, end);
    return DV_OK;
}

/* The parent says that pages which it did not hold are zero, whatever they held before. */
static enum dv_status forget_gone(struct incremental *s, const struct dv_page_runs *populated)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < s->before.count && status == DV_OK; i++)
        status = runs_without(populated, s->before.items[i].start, s->before.items[i].end,
                              forget_run, s);
    return status;
}

static enum dv_status add_redo(struct selection *selection)
{
    struct incremental *s = selection->c->state;
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < s->redo.count && status == DV_OK; i++)
        status = runs_within(selection->c->populated, s->redo.items[i].start, s->redo.items[i].end,
                             add_run, selection);
    return status;
}

static enum dv_status keep_populated(struct incremental *s, const struct dv_page_runs *populated)
{
    enum dv_status status = DV_OK;
    s->now.count = 0;
    for (size_t i = 0; i < populated->count && status == DV_OK; i++)
        status = runs_add(&s->now, populated->items[i].start, populated->items[i].end);
    return status;
}

/* Counts start anew for the epoch that will be written. */
static void reset_counts(struct incremental *s)
{
    *s->cursor = 0;
    for (size_t i = 0; i < s->zone_count && i < MOST_ZONES; i++) {
        s->counts[i] = (struct zone_count){.end = s->zones[i].end};
        s->zones[i].count = NULL;
    }
}

/* The writer's counts of the last epoch belong to its zones; they are moved to the present ones before new ones begin. */
static void hand_over_counts(const struct incremental *s, const struct zone_count *last,
                             size_t last_count)
{
    size_t at = 0;
    for (size_t i = 0; i < s->zone_count; i++) {
        while (at < last_count && last[at].end <= s->zones[i].start)
            at++;
        if (at < last_count && last[at].end == s->zones[i].end)
            s->zones[i].count = (struct zone_count *)&last[at];
    }
}

static enum dv_status select_zones(struct selection *selection)
{
    struct dv_capture *c = selection->c;
    struct incremental *s = c->state;
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < s->zone_count && status == DV_OK; i++)
        status = select_zone(selection, &c->regions->items[i], &s->zones[i]);
    if (status == DV_OK && c->parent_epoch)
        status = add_redo(selection);
    return status;
}

static enum dv_status select_pages(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out)
{
    struct incremental *s = c->state;
    struct selection selection = {.c = c, .out = out};
    size_t last_count = s->zone_count < MOST_ZONES ? s->zone_count : MOST_ZONES;
    struct zone_count *last = malloc((last_count ? last_count : 1) * sizeof *last);
    (void)epoch;
    s->selected.count = 0;
    if (!last)
        return DV_ERR_NO_MEMORY;
    memcpy(last, s->counts, last_count * sizeof *last);
    enum dv_status status = lay_out_zones(s, c->regions, c->populated);
    if (status == DV_OK) {
        hand_over_counts(s, last, last_count);
        status = forget_gone(s, c->populated);
    }
    if (status == DV_OK)
        status = keep_populated(s, c->populated);
    if (status == DV_OK) {
        c->core->keep_cost(&s->costs.keep);
        status = select_zones(&selection);
    }
    runs_normalize(&s->selected);
    /* What the tracker reported may be lost after a failure: then all zones are new to the next epoch. */
    if (status == DV_OK)
        reset_counts(s);
    else
        s->zone_count = 0;
    free(last);
    if (status == DV_ERR_NO_MEMORY)
        c->core->explain("capture strategy incremental: no memory for lists of pages");
    return status;
}

/* ---- while it is written, and after --------------------------------------- */

/* Pages come in ascending order, and so do the counts. */
static int changed(struct dv_capture *c, uint64_t address, const void *bytes)
{
    struct incremental *s = c->state;
    int is_new = s->hashes ? hashes_changed(s->hashes, address, bytes) : 1;
    size_t at = *s->cursor;
    while (at < s->zone_count && at < MOST_ZONES && s->counts[at].end <= address)
        at++;
    *s->cursor = at;
    if (is_new && at < s->zone_count && at < MOST_ZONES)
        zone_count_add(&s->counts[at], address, address + DV_PAGE_BYTES);
    return is_new;
}

static void committed(struct dv_capture *c, uint64_t epoch)
{
    struct incremental *s = c->state;
    struct runs spare = s->before;
    (void)epoch;
    s->before = s->now;
    s->now = spare;
    s->selected.count = s->redo.count = 0;
}

/* The tracker has forgotten what it reported, and digests may be of what was never committed. */
static void aborted(struct dv_capture *c, uint64_t epoch)
{
    struct incremental *s = c->state;
    (void)epoch;
    for (size_t i = 0; i < s->selected.count; i++) {
        const struct dv_page_run *run = &s->selected.items[i];
        (void)forget_run(s, run->start, run->end);
        if (runs_add(&s->redo, run->start, run->end) != DV_OK)
            s->zone_count = 0; /* no memory: all zones are new to the next epoch */
    }
    runs_normalize(&s->redo);
    s->selected.count = 0;
}

extern const struct dv_capture_ops dv_capture_incremental;
const struct dv_capture_ops dv_capture_incremental = {
    .api = DV_CAPTURE_API,
    .name = "incremental",
    .summary = "pages whose content has changed since the last committed epoch",
    .options = options,
    .state_size = sizeof(struct incremental),
    .init = init,
    .arm = arm,
    .select = select_pages,
    .changed = changed,
    .committed = committed,
    .aborted = aborted,
    .fini = fini,
};

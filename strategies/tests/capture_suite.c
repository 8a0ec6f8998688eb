/* The conformance suite of capture strategies; see capture_suite.h. */
#include "capture_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 32u /* of each region */
#define REGION_BYTES ((size_t)PAGES * DV_PAGE_BYTES)

enum { HEAP, STACK, HIDDEN, SHARED, EMPTY, LATE, REGIONS };
#define STACK_DEAD 20u /* pages of the stack below its live part */

struct dv_page_set {
    struct suite *suite;
    unsigned char selected[REGIONS][PAGES];
    size_t ranges;
    size_t fail_at; /* the add() that fails, counted from 1; 0: none */
    int failed;
};

struct suite {
    const struct dv_capture_ops *ops;
    struct dv_capture capture;
    void *state;
    char *memory[REGIONS];
    int mapped[REGIONS];
    struct dv_region regions[REGIONS];
    struct dv_region_list list;
    uint32_t truth[REGIONS][PAGES], store[REGIONS][PAGES], next[REGIONS][PAGES];
    uint32_t written; /* counts, so that every write is another value */
    unsigned char dirty[REGIONS][PAGES], tracked[REGIONS]; /* the scripted tracker's notes */
    uint64_t epoch, committed, parent;                     /* 0: none */
    int without_parent; /* the framework wants a complete epoch */
    struct dv_page_run populated[REGIONS * PAGES];
    size_t populated_count;
    const char *scenario;
    char why[512]; /* of the first finding */
};

static void find_fault(struct suite *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void find_fault(struct suite *s, const char *format, ...)
{
    if (s->why[0])
        return;
    int used = snprintf(s->why, sizeof s->why, "%s: ", s->scenario);
    va_list args;
    va_start(args, format);
    vsnprintf(s->why + used, sizeof s->why - (size_t)used, format, args);
    va_end(args);
}

static uint64_t address_of(const struct suite *s, int region)
{
    return (uint64_t)(uintptr_t)s->memory[region];
}

/* --- the scripted core --- */

static int mark_page(struct dv_page_set *set, uint64_t address)
{
    struct suite *s = set->suite;
    for (size_t i = 0; i < s->list.count; i++) {
        const struct dv_region *region = &s->list.items[i];
        if (address < region->start || address >= region->end)
            continue;
        for (int r = 0; r < REGIONS; r++)
            if (address_of(s, r) == region->start)
                set->selected[r][(address - region->start) / DV_PAGE_BYTES] = 1;
        return 1;
    }
    return 0;
}

static enum dv_status core_add(struct dv_page_set *set, uint64_t start, uint64_t end)
{
    struct suite *s = set->suite;
    if (++set->ranges == set->fail_at) {
        set->failed = 1;
        return DV_ERR_NO_MEMORY;
    }
    if (start % DV_PAGE_BYTES || end % DV_PAGE_BYTES || start > end) {
        find_fault(s, "added %#llx-%#llx, which are no whole pages", (unsigned long long)start,
                   (unsigned long long)end);
        return DV_ERR_INTERNAL;
    }
    for (uint64_t at = start; at < end; at += DV_PAGE_BYTES)
        if (!mark_page(set, at)) {
            find_fault(s, "added page %#llx, which is in no region", (unsigned long long)at);
            return DV_ERR_INTERNAL;
        }
    return DV_OK;
}

static struct suite *current; /* core_populated is given no context */

static enum dv_status
core_populated(const struct dv_region *region,
               enum dv_status (*each)(void *arg, uint64_t start, uint64_t end), void *arg)
{
    struct suite *s = current;
    int r = 0;
    while (r < REGIONS && address_of(s, r) != region->start)
        r++;
    if (r == REGIONS) {
        find_fault(s, "asked for the pages of a region that does not exist");
        return DV_ERR_INTERNAL;
    }
    enum dv_status status = DV_OK;
    uint64_t at = region->live_from;
    while (at < region->end && status == DV_OK) {
        uint64_t end = at;
        while (end < region->end && ((region->flags & DV_REGION_SHARED) ||
                                     s->truth[r][(end - region->start) / DV_PAGE_BYTES]))
            end += DV_PAGE_BYTES;
        if (end > at)
            status = each(arg, at, end);
        at = end + DV_PAGE_BYTES;
    }
    return status;
}

static void core_explain(const char *format, ...)
{
    (void)format;
}

static void core_keep_cost(struct dv_keep_cost *cost)
{
    *cost = (struct dv_keep_cost){.copy_ns = 330, .fork_ns = 100, .cow_ns = 2200};
}

static void *core_shared_alloc(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void core_shared_free(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}

/* Pages of the suite hold one number only. */
static void core_digest(const void *bytes, size_t length, uint64_t digest[2])
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    digest[0] = word;
    digest[1] = length;
}

static uint64_t core_huge_bytes(const struct dv_region *region)
{
    (void)region;
    return 0;
}

/* --- the scripted tracker --- */

static int region_of(uint64_t address)
{
    for (int r = 0; r < REGIONS; r++)
        if (current->mapped[r] && address >= address_of(current, r) &&
            address < address_of(current, r) + REGION_BYTES)
            return r;
    return REGIONS;
}

static enum dv_status tracker_test(struct dv_tracker_cost *cost, char *why, size_t why_bytes)
{
    *cost = (struct dv_tracker_cost){.written_ns = 1, .scan_ns = 1, .arm_ns = 1, .reported = 1};
    snprintf(why, why_bytes, "%s", "");
    return DV_OK;
}

static enum dv_status tracker_open(struct dv_tracker **tracker)
{
    *tracker = (struct dv_tracker *)current;
    memset(current->tracked, 0, sizeof current->tracked);
    return DV_OK;
}

static int tracker_can_track(struct dv_tracker *tracker, const struct dv_region *region)
{
    (void)tracker;
    return !(region->flags & DV_REGION_SHARED);
}

static enum dv_status tracker_arm(struct dv_tracker *tracker, uint64_t start, uint64_t end)
{
    (void)tracker;
    int r = region_of(start);
    if (r == REGIONS || end > address_of(current, r) + REGION_BYTES) {
        find_fault(current, "armed what is not mapped");
        return DV_ERR_INTERNAL;
    }
    current->tracked[r] = 1;
    memset(current->dirty[r], 0, PAGES);
    return DV_OK;
}

static enum dv_status tracker_disarm(struct dv_tracker *tracker, uint64_t start, uint64_t end)
{
    (void)tracker;
    (void)end;
    current->tracked[region_of(start)] = 0;
    return DV_OK;
}

static enum dv_status tracker_collect(struct dv_tracker *tracker, uint64_t start, uint64_t end,
                                      uint32_t region_flags,
                                      enum dv_status (*each)(void *arg, uint64_t from, uint64_t to),
                                      void *arg)
{
    (void)region_flags;
    (void)tracker;
    int r = region_of(start);
    if (r == REGIONS || !current->tracked[r])
        return DV_ERR_NOT_FOUND;
    enum dv_status status = DV_OK;
    for (uint64_t at = start; at < end && status == DV_OK; at += DV_PAGE_BYTES) {
        unsigned char *dirty = &current->dirty[r][(at - address_of(current, r)) / DV_PAGE_BYTES];
        if (*dirty)
            status = each(arg, at, at + DV_PAGE_BYTES);
        *dirty = 0;
    }
    return status;
}

static void tracker_close(struct dv_tracker *tracker)
{
    (void)tracker;
}

static const struct dv_tracker_ops scripted = {
    "scripted",  "for tests",    tracker_test,    tracker_open,  tracker_can_track,
    tracker_arm, tracker_disarm, tracker_collect, tracker_close,
};
static const struct dv_tracker_ops *const trackers[] = {&scripted, NULL};

static const struct dv_capture_core core = {
    .add = core_add,
    .populated = core_populated,
    .explain = core_explain,
    .shared_alloc = core_shared_alloc,
    .shared_free = core_shared_free,
    .digest = core_digest,
    .huge_bytes = core_huge_bytes,
    .decided = core_explain,
    .keep_cost = core_keep_cost,
    .trackers = trackers,
};

/* --- the scripted application --- */

static void write_value(struct suite *s, int region, unsigned page, uint32_t value)
{
    uint32_t *words = (uint32_t *)(void *)(s->memory[region] + (size_t)page * DV_PAGE_BYTES);
    for (size_t i = 0; i < DV_PAGE_BYTES / sizeof *words; i++)
        words[i] = value;
    s->truth[region][page] = value;
    s->dirty[region][page] = 1;
}

static void write_page(struct suite *s, int region, unsigned page)
{
    write_value(s, region, page, ++s->written);
}

/* The page is given back; it is zero from now on. */
static void drop_page(struct suite *s, int region, unsigned page)
{
    if (madvise(s->memory[region] + (size_t)page * DV_PAGE_BYTES, DV_PAGE_BYTES, MADV_DONTNEED) !=
        0)
        find_fault(s, "the suite cannot give memory back");
    s->truth[region][page] = 0;
}

/* Tell the strategy's next call what there is, in ascending order. */
static int compare_regions(const void *left, const void *right)
{
    const struct dv_region *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static void list_regions(struct suite *s)
{
    static const uint32_t flags[REGIONS] = {
        [HEAP] = DV_REGION_READ | DV_REGION_WRITE | DV_REGION_HEAP,
        [STACK] = DV_REGION_READ | DV_REGION_WRITE | DV_REGION_STACK,
        [HIDDEN] = 0,
        [SHARED] = DV_REGION_READ | DV_REGION_WRITE | DV_REGION_SHARED,
        [EMPTY] = DV_REGION_READ | DV_REGION_WRITE,
        [LATE] = DV_REGION_READ | DV_REGION_WRITE,
    };
    size_t count = 0;
    for (int r = 0; r < REGIONS; r++) {
        if (!s->mapped[r])
            continue;
        uint64_t start = address_of(s, r);
        s->regions[count++] = (struct dv_region){
            .start = start,
            .end = start + REGION_BYTES,
            .flags = flags[r],
            .live_from = start + (r == STACK ? (uint64_t)STACK_DEAD * DV_PAGE_BYTES : 0),
            .path = ""};
    }
    qsort(s->regions, count, sizeof s->regions[0], compare_regions);
    s->list = (struct dv_region_list){s->regions, count};
}

static int make_region(struct suite *s, int region)
{
    int flags = (region == SHARED ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
    void *memory = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        find_fault(s, "the suite has no memory");
        return -1;
    }
    s->memory[region] = memory;
    s->mapped[region] = 1;
    s->tracked[region] = 0;
    return 0;
}

static void remove_region(struct suite *s, int region)
{
    if (s->memory[region])
        munmap(s->memory[region], REGION_BYTES);
    s->memory[region] = NULL;
    s->mapped[region] = 0;
    memset(s->truth[region], 0, sizeof s->truth[region]);
    memset(s->store[region], 0, sizeof s->store[region]);
}

/* --- playing the framework --- */

static void arm(struct suite *s)
{
    list_regions(s);
    s->capture.parent_epoch = s->committed;
    if (s->ops->arm && s->ops->arm(&s->capture, &s->list) != DV_OK)
        find_fault(s, "arm failed");
}

/* What the writer does with a selected page: 1 if it stores it. */
static int is_stored(struct suite *s, int region, unsigned page)
{
    uint32_t words[DV_PAGE_BYTES / sizeof(uint32_t)];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        words[i] = s->truth[region][page];
    if (!s->ops->changed)
        return 1;
    int changed =
        s->ops->changed(&s->capture, address_of(s, region) + (uint64_t)page * DV_PAGE_BYTES,
                        s->truth[region][page] ? words : NULL);
    return changed || !s->parent || s->truth[region][page] == 0;
}

/* Work out what a restore of this epoch would give for one page. */
static uint32_t restored(struct suite *s, const struct dv_page_set *set, int region, unsigned page)
{
    int inherits = s->parent && !(s->ops->caps & DV_CAPTURE_COMPLETE);
    if (set->selected[region][page] && is_stored(s, region, page))
        return s->truth[region][page];
    int populated = region == SHARED || s->truth[region][page] != 0;
    return populated && inherits ? s->store[region][page] : 0;
}

/* It must be the truth. Pages ascend, as for a writer. */
static void check_epoch(struct suite *s, const struct dv_page_set *set)
{
    memset(s->next, 0, sizeof s->next);
    for (size_t i = 0; i < s->list.count; i++) {
        int r = region_of(s->regions[i].start);
        for (unsigned page = 0; page < PAGES; page++) {
            if (r == STACK && page < STACK_DEAD)
                continue;
            s->next[r][page] = restored(s, set, r, page);
            if (s->next[r][page] != s->truth[r][page])
                find_fault(s, "epoch %llu would restore page %u of region %d as it was before",
                           (unsigned long long)s->epoch, page, r);
        }
    }
}

static enum dv_status add_populated(void *arg, uint64_t start, uint64_t end)
{
    struct suite *s = arg;
    s->populated[s->populated_count++] = (struct dv_page_run){start, end};
    return DV_OK;
}

static enum dv_status select_pages(struct suite *s, struct dv_page_set *set, size_t fail_at)
{
    list_regions(s);
    *set = (struct dv_page_set){.suite = s, .fail_at = fail_at};
    s->populated_count = 0;
    for (size_t i = 0; i < s->list.count; i++)
        (void)core_populated(&s->regions[i], add_populated, s);
    const struct dv_page_runs populated = {s->populated, s->populated_count};
    s->parent = s->without_parent ? 0 : s->committed;
    s->capture.regions = &s->list;
    s->capture.populated = &populated;
    s->capture.parent_epoch = s->parent;
    s->epoch++;
    enum dv_status status = s->ops->select(&s->capture, s->epoch, set);
    s->capture.regions = NULL;
    s->capture.populated = NULL;
    return status;
}

static void commit(struct suite *s)
{
    if (s->ops->committed)
        s->ops->committed(&s->capture, s->epoch);
    s->committed = s->epoch;
    memcpy(s->store, s->next, sizeof s->store);
}

static void give_up(struct suite *s)
{
    if (s->ops->aborted)
        s->ops->aborted(&s->capture, s->epoch);
}

/* Select and check; the caller commits or gives up. */
static size_t take_epoch(struct suite *s)
{
    struct dv_page_set set;
    if (select_pages(s, &set, 0) != DV_OK)
        find_fault(s, "select failed");
    check_epoch(s, &set);
    return set.ranges;
}

/* --- scenarios --- */

static void begin(struct suite *s, const char *scenario)
{
    s->scenario = scenario;
}

static void touch_some(struct suite *s)
{
    for (unsigned page = 3; page < PAGES; page += 5) {
        write_page(s, HEAP, page);
        write_page(s, STACK, page);
        write_page(s, SHARED, page);
    }
}

static void first_epochs(struct suite *s)
{
    begin(s, "first epoch");
    touch_some(s);
    write_page(s, HIDDEN, 7);
    if (mprotect(s->memory[HIDDEN], REGION_BYTES, PROT_NONE) != 0)
        find_fault(s, "the suite cannot protect memory");
    arm(s);
    take_epoch(s);
    commit(s);
    begin(s, "epoch in which nothing was written");
    take_epoch(s);
    commit(s);
    begin(s, "pages written again and for the first time");
    touch_some(s);
    write_page(s, HEAP, 0);
    write_page(s, HEAP, PAGES - 1);
    write_page(s, EMPTY, 30);
    take_epoch(s);
    commit(s);
}

static void aborted_epochs(struct suite *s)
{
    begin(s, "epoch after an aborted one");
    touch_some(s);
    take_epoch(s);
    give_up(s);
    take_epoch(s);
    commit(s);
    begin(s, "epoch after two aborted ones with writes in between");
    write_page(s, HEAP, 1);
    take_epoch(s);
    give_up(s);
    write_page(s, HEAP, 2);
    take_epoch(s);
    give_up(s);
    write_page(s, SHARED, 1);
    take_epoch(s);
    commit(s);
    begin(s, "writes between select and committed");
    write_page(s, HEAP, 10);
    take_epoch(s);
    write_page(s, HEAP, 10);
    write_page(s, HEAP, 11);
    commit(s);
    take_epoch(s);
    commit(s);
}

static void failing_add(struct suite *s)
{
    begin(s, "no memory for the page set");
    touch_some(s);
    struct dv_page_set set;
    for (size_t fail_at = 1; fail_at < 1000; fail_at++) {
        enum dv_status status = select_pages(s, &set, fail_at);
        if (set.failed && status == DV_OK)
            find_fault(s, "select did not report that add failed");
        give_up(s);
        if (!set.failed)
            break;
    }
    begin(s, "epoch after a select that failed");
    take_epoch(s);
    commit(s);
}

static void arming_again(struct suite *s)
{
    begin(s, "armed twice in a row");
    arm(s);
    arm(s);
    touch_some(s);
    take_epoch(s);
    commit(s);
    begin(s, "writes since the last epoch, then armed as after a restore");
    write_page(s, HEAP, 4);
    memcpy(s->store, s->truth, sizeof s->store);
    arm(s);
    write_page(s, HEAP, 5);
    take_epoch(s);
    commit(s);
    begin(s, "armed between select and aborted");
    write_page(s, HEAP, 6);
    take_epoch(s);
    arm(s);
    give_up(s);
    take_epoch(s);
    commit(s);
}

static void complete_epochs(struct suite *s)
{
    begin(s, "an epoch without a parent, among others");
    s->without_parent = 1;
    write_page(s, HEAP, 3);
    take_epoch(s);
    commit(s);
    s->without_parent = 0;
    write_page(s, HEAP, 4);
    take_epoch(s);
    commit(s);
}

static void returning_contents(struct suite *s)
{
    uint32_t value = s->truth[HEAP][8];
    begin(s, "a page written with what it held");
    write_value(s, HEAP, 8, value);
    take_epoch(s);
    commit(s);
    begin(s, "a page given back, and written again with what it held two epochs ago");
    write_page(s, HEAP, 8);
    value = s->truth[HEAP][8];
    take_epoch(s);
    commit(s);
    drop_page(s, HEAP, 8);
    take_epoch(s);
    commit(s);
    write_value(s, HEAP, 8, value);
    take_epoch(s);
    commit(s);
    begin(s, "a page that holds again what it held before an aborted epoch");
    write_page(s, HEAP, 8);
    take_epoch(s);
    give_up(s);
    write_value(s, HEAP, 8, value);
    take_epoch(s);
    commit(s);
}

/* Nearly all pages are written, then nearly none: a strategy may change its ways. */
static void changing_habits(struct suite *s)
{
    begin(s, "many pages are written in every epoch");
    for (int epoch = 0; epoch < 6; epoch++) {
        for (unsigned page = 0; page < PAGES; page++)
            write_page(s, HEAP, page);
        take_epoch(s);
        if (epoch == 3)
            give_up(s);
        else
            commit(s);
    }
    begin(s, "few pages are written after many");
    for (int epoch = 0; epoch < 6; epoch++) {
        write_page(s, HEAP, 5);
        take_epoch(s);
        commit(s);
    }
}

static void changing_regions(struct suite *s)
{
    begin(s, "a mapping that is new since the last epoch");
    if (make_region(s, LATE) != 0)
        return;
    write_page(s, LATE, 9);
    take_epoch(s);
    commit(s);
    write_page(s, LATE, 8);
    take_epoch(s);
    commit(s);
    begin(s, "a mapping that is gone");
    remove_region(s, LATE);
    remove_region(s, SHARED);
    write_page(s, HEAP, 12);
    take_epoch(s);
    give_up(s);
    take_epoch(s);
    commit(s);
    begin(s, "no mapping at all");
    for (int r = 0; r < REGIONS; r++)
        remove_region(s, r);
    if (take_epoch(s) != 0)
        find_fault(s, "pages were selected although there is no mapping");
    commit(s);
    arm(s);
}

/* --- one instance from init to fini --- */

static int is_option_sane(const struct dv_option *option, size_t state_size)
{
    return option->default_value && option->help && option->help[0] &&
           option->offset < state_size && option->name[strcspn(option->name, "=, ")] == 0;
}

static void check_table(struct suite *s)
{
    const struct dv_capture_ops *ops = s->ops;
    begin(s, "table");
    if (ops->api != DV_CAPTURE_API)
        find_fault(s, "api is %u, not DV_CAPTURE_API", ops->api);
    if (!ops->name || !ops->name[0] ||
        strspn(ops->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(ops->name))
        find_fault(s, "the name must be lower-case letters, digits and dashes");
    if (!ops->summary || !ops->summary[0] || !ops->select)
        find_fault(s, "summary and select are required");
    for (const struct dv_option *option = ops->options; option && option->name; option++)
        if (!is_option_sane(option, ops->state_size))
            find_fault(s, "option %s lacks a default, a help text or a place", option->name);
}

static void start(struct suite *s, const char *options)
{
    static const struct dv_option none[] = {{0}};
    char why[256] = "";
    begin(s, "start");
    s->state = calloc(1, s->ops->state_size + 1);
    if (!s->state || dv_options_apply(s->ops->options ? s->ops->options : none, options, s->state,
                                      why, sizeof why) != DV_OK)
        find_fault(s, "the options cannot be applied: %s", why);
    s->capture = (struct dv_capture){.ops = s->ops, .core = &core, .state = s->state};
    for (int r = 0; r < LATE; r++)
        if (make_region(s, r) != 0)
            return;
}

int dv_capture_conforms(const struct dv_capture_ops *ops, const char *options, char *why,
                        size_t why_bytes)
{
    static void (*const scenarios[])(struct suite *) = {
        first_epochs,    aborted_epochs,     failing_add,     arming_again,
        complete_epochs, returning_contents, changing_habits, changing_regions};
    struct suite *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, why_bytes, "the suite has no memory");
        return -1;
    }
    s->ops = ops;
    current = s;
    check_table(s);
    if (!s->why[0])
        start(s, options);
    int initialized = 0;
    if (!s->why[0] && ops->init && ops->init(&s->capture) != DV_OK)
        find_fault(s, "init failed");
    else
        initialized = !s->why[0];
    /* After a finding the rest would only repeat it. */
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0] && !s->why[0]; i++)
        scenarios[i](s);
    if (initialized && ops->fini)
        ops->fini(&s->capture);
    for (int r = 0; r < REGIONS; r++)
        remove_region(s, r);
    snprintf(why, why_bytes, "%s", s->why);
    int result = s->why[0] ? -1 : 0;
    free(s->state);
    free(s);
    return result;
}

/* Every capture strategy of the table, and the skeleton, pass the suite; with every yes/no option
 * both ways. Strategies that are broken on purpose do not: the suite can fail. */
#include "capture_suite.h"

#include <dejavu/log.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int faults;

static void expect_conforms(const struct dv_capture_ops *ops, const char *options)
{
    char why[512];
    int result = dv_capture_conforms(ops, options, why, sizeof why);
    printf("%s %s%s%s%s%s\n", result == 0 ? "ok    " : "FAILED", ops->name, options[0] ? " " : "",
           options, why[0] ? ": " : "", why);
    faults += result != 0;
}

static void check_strategy(const struct dv_capture_ops *ops)
{
    expect_conforms(ops, "");
    expect_conforms(ops, ""); /* a second life in the same process */
    for (const struct dv_option *option = ops->options; option && option->name; option++)
        if (strcmp(option->name, "tracker") == 0)
            expect_conforms(ops, "tracker=hash");
    for (const struct dv_option *option = ops->options; option && option->name; option++) {
        if (option->type != DV_OPTION_BOOL)
            continue;
        char text[128];
        snprintf(text, sizeof text, "%s=yes", option->name);
        expect_conforms(ops, text);
        snprintf(text, sizeof text, "%s=no", option->name);
        expect_conforms(ops, text);
    }
}

/* --- a small incremental strategy that compares with copies, and ways of getting it wrong --- */

enum bug {
    NO_BUG,
    FORGETS_ON_ABORT,   /* takes an epoch for done when it is selected */
    KEEPS_LATE_WRITES,  /* takes what is there at `committed` for what was written */
    MISSES_NEW_REGIONS, /* looks only at what was there when it was armed */
    IGNORES_FAILED_ADD,
    LEAVES_OUT_HIDDEN, /* skips what cannot be read */
    SELECTS_BEYOND,    /* one page more than there is */
    SELECTS_BYTES,     /* ranges that are no whole pages */
    FAILS_ON_NOTHING,  /* an empty list of regions is an error to it */
    CLAIMS_COMPLETE,   /* says that its epochs need no parent */
    IGNORES_NO_PARENT, /* leaves pages out although there is no epoch to inherit them from */
    TRUSTS_GONE_PAGES, /* takes a page that was given back for what it was before */
    BUGS
};

static enum bug bug;

#define COPIES_MAX 1024u

struct page_copy {
    uint64_t address;
    unsigned char then[DV_PAGE_BYTES], selected[DV_PAGE_BYTES];
    int is_selected, is_committed, is_seen;
};

struct copies {
    struct page_copy *pages;
    size_t count;
};

static struct page_copy *copy_of(struct copies *state, uint64_t address)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->pages[i].address == address)
            return &state->pages[i];
    if (state->count == COPIES_MAX)
        abort();
    struct page_copy *copy = &state->pages[state->count++];
    memset(copy, 0, sizeof *copy);
    copy->address = address;
    return copy;
}

static enum dv_status copies_init(struct dv_capture *c)
{
    struct copies *state = c->state;
    state->pages = malloc(COPIES_MAX * sizeof *state->pages);
    return state->pages ? DV_OK : DV_ERR_NO_MEMORY;
}

static uint64_t armed_until;

/* Nothing is known of the past: everything counts as written. */
static enum dv_status copies_arm(struct dv_capture *c, const struct dv_region_list *regions)
{
    struct copies *state = c->state;
    state->count = 0;
    armed_until = regions->count;
    return DV_OK;
}

static enum dv_status add_page(struct dv_capture *c, struct dv_page_set *out, uint64_t address)
{
    uint64_t end = address + DV_PAGE_BYTES;
    if (bug == SELECTS_BEYOND)
        end += 100 * DV_PAGE_BYTES;
    if (bug == SELECTS_BYTES)
        end -= 8;
    enum dv_status status = c->core->add(out, address, end);
    return bug == IGNORES_FAILED_ADD ? DV_OK : status;
}

struct look {
    struct dv_capture *c;
    struct dv_page_set *out;
    int readable;
};

static enum dv_status look_at_run(void *arg, uint64_t start, uint64_t end)
{
    const struct look *look = arg;
    enum dv_status status = DV_OK;
    for (uint64_t at = start; at < end && status == DV_OK; at += DV_PAGE_BYTES) {
        if (!look->readable) { /* cannot be compared: always */
            status = add_page(look->c, look->out, at);
            continue;
        }
        const void *now = (const void *)(uintptr_t)at;
        struct page_copy *copy = copy_of(look->c->state, at);
        int has_parent = look->c->parent_epoch != 0 || bug == IGNORES_NO_PARENT;
        copy->is_seen = 1;
        copy->is_selected =
            !has_parent || !copy->is_committed || memcmp(copy->then, now, DV_PAGE_BYTES) != 0;
        if (!copy->is_selected)
            continue;
        memcpy(copy->selected, now, DV_PAGE_BYTES);
        if (bug == FORGETS_ON_ABORT) {
            memcpy(copy->then, now, DV_PAGE_BYTES);
            copy->is_committed = 1;
        }
        status = add_page(look->c, look->out, at);
    }
    return status;
}

static enum dv_status copies_select(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out)
{
    struct copies *state = c->state;
    (void)epoch;
    if (bug == FAILS_ON_NOTHING && c->regions->count == 0)
        return DV_ERR_INTERNAL;
    for (size_t i = 0; i < state->count; i++)
        state->pages[i].is_selected = state->pages[i].is_seen = 0;
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < c->regions->count && status == DV_OK; i++) {
        const struct dv_region *region = &c->regions->items[i];
        struct look look = {c, out, (region->flags & DV_REGION_READ) != 0};
        if ((bug == MISSES_NEW_REGIONS && c->regions->count > armed_until) ||
            (bug == LEAVES_OUT_HIDDEN && !look.readable))
            continue;
        status = c->core->populated(region, look_at_run, &look);
    }
    return status;
}

static void copies_committed(struct dv_capture *c, uint64_t epoch)
{
    struct copies *state = c->state;
    (void)epoch;
    for (size_t i = 0; i < state->count; i++) {
        struct page_copy *copy = &state->pages[i];
        if (!copy->is_seen && bug != TRUSTS_GONE_PAGES)
            copy->is_committed = 0;
        if (!copy->is_selected)
            continue;
        memcpy(copy->then,
               bug == KEEPS_LATE_WRITES ? (const void *)(uintptr_t)copy->address : copy->selected,
               DV_PAGE_BYTES);
        copy->is_committed = 1;
    }
}

static void copies_fini(struct dv_capture *c)
{
    struct copies *state = c->state;
    free(state->pages);
}

static const struct dv_capture_ops copies_ops = {
    .api = DV_CAPTURE_API,
    .name = "copies",
    .summary = "incremental, by comparing with copies",
    .state_size = sizeof(struct copies),
    .init = copies_init,
    .arm = copies_arm,
    .select = copies_select,
    .committed = copies_committed,
    .fini = copies_fini,
};

static void check_that_the_suite_can_fail(void)
{
    bug = NO_BUG;
    expect_conforms(&copies_ops, "");
    for (bug = NO_BUG + 1; bug < BUGS; bug++) {
        struct dv_capture_ops ops = copies_ops;
        if (bug == CLAIMS_COMPLETE)
            ops.caps |= DV_CAPTURE_COMPLETE;
        char why[512];
        int result = dv_capture_conforms(&ops, "", why, sizeof why);
        printf("%s broken strategy %d: %s\n", result != 0 ? "ok    " : "FAILED", (int)bug,
               result != 0 ? why : "the suite did not notice");
        faults += result == 0;
    }
    struct dv_capture_ops nameless = copies_ops, outdated = copies_ops;
    char why[512];
    bug = NO_BUG;
    nameless.name = "Not A Name";
    outdated.api = DV_CAPTURE_API + 1;
    faults += dv_capture_conforms(&nameless, "", why, sizeof why) == 0;
    faults += dv_capture_conforms(&outdated, "", why, sizeof why) == 0;
}

extern const struct dv_capture_ops dv_capture_skeleton;

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    dv_log_setup(open("/dev/null", O_WRONLY), -1, DV_LOG_WARN);
    for (size_t i = 0; dv_capture_table[i]; i++)
        check_strategy(dv_capture_table[i]);
    check_strategy(&dv_capture_skeleton);
    check_that_the_suite_can_fail();
    if (faults)
        printf("%d faults\n", faults);
    return faults != 0;
}

/* A capture strategy to start from: copy this folder, rename, fill in, then
 *
 *   1. add the source to strategies/capture/module.mk,
 *   2. add one line to strategies/capture/table.c,
 *   3. `make check-unit` runs the conformance suite over everything in the table.
 *
 * This one is correct but simple: it selects whole regions. It is compiled and tested, and not in
 * the table. Include public headers only; the framework owns all memory passed in, takes all
 * timings, and calls one function at a time, on the application's main thread, in the lower half.
 */
#include <dejavu/capture.h>

/* The state is allocated and zeroed by the framework, options filled in, before init(). */
struct skeleton {
    int64_t example; /* option */
    uint64_t epoch;  /* what is being captured, 0: nothing */
};

/* One table for the parser, --help, the manual and --show-config. Every option has a default. */
static const struct dv_option options[] = {
    {"example", "1", "a number that this strategy does not need",
     offsetof(struct skeleton, example), DV_OPTION_INT},
    {0},
};

/* Once per process, also in one that is going to restore. May block and allocate. Explain a failure
 * through core->explain where its cause is known, then return the status. */
static enum dv_status init(struct dv_capture *c)
{
    const struct skeleton *state = c->state;
    if (state->example < 0) {
        c->core->explain("skeleton: example is %lld; it must not be negative",
                         (long long)state->example);
        return DV_ERR_USAGE;
    }
    return DV_OK;
}

/* Begin to track: after init, and again after every restore (what the kernel tracked is gone then). After a restore memory
 * is as in c->parent_epoch, the epoch that was restored; at the first start that is 0. May be called twice in a row. */
static enum dv_status arm(struct dv_capture *c, const struct dv_region_list *regions)
{
    (void)c;
    (void)regions; /* valid during this call only */
    return DV_OK;
}

/* core->populated calls back with every run of pages; this hands one on to core->add. */
struct target {
    const struct dv_capture_core *core;
    struct dv_page_set *set;
};

static enum dv_status add_run(void *arg, uint64_t start, uint64_t end)
{
    const struct target *target = arg;
    return target->core->add(target->set, start, end);
}

/* Name the pages of this epoch: c->regions lists what there is, core->populated finds the pages of
 * a region that hold information, core->add adds to the set. The upper half is stopped.
 *
 * This strategy is DV_CAPTURE_COMPLETE. One that is not may leave pages out: those of c->populated that it does not select
 * are taken from c->parent_epoch, the newest committed epoch. It must select everything when that is 0. A page that was not
 * in c->populated then counts as zero in that epoch. For "is this page new?" while it is written, fill in .changed; see
 * strategies/capture/incremental. */
static enum dv_status select_pages(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out)
{
    struct skeleton *state = c->state;
    state->epoch = epoch;
    struct target target = {c->core, out};
    for (size_t i = 0; i < c->regions->count; i++) {
        const struct dv_region *region = &c->regions->items[i];
        /* What can be read is taken whole; of the rest, which is mostly reservations, what is
         * there. */
        enum dv_status status = region->flags & DV_REGION_READ
                                    ? c->core->add(out, region->live_from, region->end)
                                    : c->core->populated(region, add_run, &target);
        if (status != DV_OK)
            return status;
    }
    return DV_OK;
}

/* Exactly one of these two follows each select: the epoch is durable on all ranks, and what it
 * holds need not be written again ... */
static void committed(struct dv_capture *c, uint64_t epoch)
{
    struct skeleton *state = c->state;
    if (state->epoch == epoch)
        state->epoch = 0;
}

/* ... or it was given up, and everything selected for it must be selected again next time. */
static void aborted(struct dv_capture *c, uint64_t epoch)
{
    committed(c, epoch);
}

/* Once, at the end. The state itself is freed by the framework. */
static void fini(struct dv_capture *c)
{
    (void)c;
}

extern const struct dv_capture_ops dv_capture_skeleton;
const struct dv_capture_ops dv_capture_skeleton = {
    .api = DV_CAPTURE_API, /* checked: a strategy built for another interface is refused */
    .name = "skeleton",
    .summary = "whole mappings, in every epoch; an example",
    .caps = DV_CAPTURE_COMPLETE, /* every epoch is complete by itself */
    .options = options,
    .state_size = sizeof(struct skeleton),
    .init = init,
    .arm = arm,
    .select = select_pages,
    .committed = committed,
    .aborted = aborted,
    .fini = fini,
};

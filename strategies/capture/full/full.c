/* Capture strategy "full": every epoch holds every page that holds information. See full.md. */
#include <dejavu/capture.h>

struct full {
    int untouched; /* option: pages that were never touched are looked at too */
};

static const struct dv_option options[] = {
    {"untouched", "no",
     "also read private pages that were never touched, as a checkpointer must that cannot ask the "
     "kernel which pages exist; they are zero, so the image stays the same",
     offsetof(struct full, untouched), DV_OPTION_BOOL},
    {0},
};

/* Where the runs of pages go. */
struct target {
    const struct dv_capture_core *core;
    struct dv_page_set *set;
};

static enum dv_status add_run(void *arg, uint64_t start, uint64_t end)
{
    const struct target *target = arg;
    return target->core->add(target->set, start, end);
}

/* Reservations are never readable; everything else might have been touched. */
static int is_plain_memory(const struct dv_region *region)
{
    return (region->flags & DV_REGION_READ) &&
           !(region->flags & (DV_REGION_FILE | DV_REGION_SHARED));
}

static enum dv_status select_all(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out)
{
    const struct full *state = c->state;
    struct target target = {c->core, out};
    (void)epoch;
    for (size_t i = 0; i < c->regions->count; i++) {
        const struct dv_region *region = &c->regions->items[i];
        enum dv_status status = state->untouched && is_plain_memory(region)
                                    ? c->core->add(out, region->live_from, region->end)
                                    : c->core->populated(region, add_run, &target);
        if (status != DV_OK)
            return status;
    }
    return DV_OK;
}

extern const struct dv_capture_ops dv_capture_full;
const struct dv_capture_ops dv_capture_full = {
    .api = DV_CAPTURE_API,
    .name = "full",
    .summary = "every page that holds information, in every epoch",
    .caps = DV_CAPTURE_COMPLETE,
    .options = options,
    .state_size = sizeof(struct full),
    .select = select_all,
};

/* The trackers that strategies can ask for: one line each, the one to prefer first. */
#include "capture/trackers.h"

#include <stddef.h>

extern const struct dv_tracker_ops dv_tracker_wp, dv_tracker_mprotect;

const struct dv_tracker_ops *const dv_trackers[] = {
    &dv_tracker_wp,
    &dv_tracker_mprotect,
    NULL,
};

/* The table of trackers (dejavu/tracker.h), ended by NULL; one file each. */
#ifndef DV_CAPTURE_TRACKERS_H
#define DV_CAPTURE_TRACKERS_H

#include <dejavu/tracker.h>

extern const struct dv_tracker_ops *const dv_trackers[];

#endif

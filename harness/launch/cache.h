/* The page cache before a run. */
#ifndef DV_HARNESS_CACHE_H
#define DV_HARNESS_CACHE_H

#include <dejavu/status.h>

/* Can it be dropped here? Says why not. */
enum dv_status dv_cache_check(void) DV_CHECKED;
/* Write everything back and drop clean pages, dentries and inodes: sync(2), then 3 into
 * /proc/sys/vm/drop_caches (Linux, Documentation/admin-guide/sysctl/vm.rst). */
enum dv_status dv_cache_drop(void) DV_CHECKED;

#endif

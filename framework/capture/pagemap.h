/* The ioctl PAGEMAP_SCAN (Linux 6.7): runs of pages by what the kernel knows of them. Debian 12's headers are older, so
 * its definitions are carried here; see Documentation/admin-guide/mm/pagemap.rst in the kernel. Lower half. */
#ifndef DV_CAPTURE_PAGEMAP_H
#define DV_CAPTURE_PAGEMAP_H

#include <dejavu/status.h>

#include <stdint.h>

enum dv_pagemap_category {
    DV_PAGE_IS_WRITTEN = 1u << 1, /* since it was last write-protected (WP_ASYNC) */
    DV_PAGE_IS_FILE = 1u << 2,
    DV_PAGE_IS_PRESENT = 1u << 3,
    DV_PAGE_IS_SWAPPED = 1u << 4,
    DV_PAGE_IS_PFNZERO = 1u << 5, /* the kernel's zero page */
    DV_PAGE_IS_HUGE = 1u << 6,
    DV_PAGE_IS_GUARD = 1u << 8, /* Linux 6.15: any access is a fault (MADV_GUARD_INSTALL) */
};

enum dv_pagemap_flags {
    DV_SCAN_PROTECT = 1u << 0,     /* write-protect what is found (PM_SCAN_WP_MATCHING) */
    DV_SCAN_CHECK_ASYNC = 1u << 1, /* fail where memory is not registered for WP_ASYNC */
};

struct dv_pagemap_scan {
    uint64_t start, end; /* addresses, page aligned */
    uint64_t flags;      /* enum dv_pagemap_flags */
    /* enum dv_pagemap_category: pages that have all of `all_of` and one of `any_of`, those in `inverted` negated. */
    uint64_t inverted, all_of, any_of;
    uint64_t refused; /* if such a page is among them: DV_ERR_REFUSED, quietly, with its address */
};

/* Call `each` for every maximal run of pages that match. `fd`: /proc/self/pagemap, open for reading. DV_ERR_UNSUPPORTED
 * (quietly): not on this kernel. DV_ERR_NOT_FOUND (quietly), with DV_SCAN_CHECK_ASYNC: a part of it is not registered; what
 * `each` was given before is void. Allocates nothing. */
enum dv_status dv_pagemap_scan(int fd, const struct dv_pagemap_scan *scan,
                               enum dv_status (*each)(void *arg, uint64_t start, uint64_t end),
                               void *arg) DV_CHECKED;

#endif

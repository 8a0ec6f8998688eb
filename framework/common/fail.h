/* Report a failure once: the message is logged as an error, kept as this thread's last text, and
 * the status handed on.
 *
 *     return dv_fail("image", DV_ERR_DAMAGED, "%s: footer checksum is wrong", path);
 *
 * Lower half or commands (uses thread-local memory of the calling half); takes no lock, allocates
 * nothing. */
#ifndef DV_COMMON_FAIL_H
#define DV_COMMON_FAIL_H

#include <dejavu/status.h>

/* Log "format" at level error, remember it for dv_why(), return `status`. Keeps errno. */
enum dv_status dv_fail(const char *module, enum dv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same without logging: for causes that the caller may find harmless. */
enum dv_status dv_fail_quietly(enum dv_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The last text on this thread, "" if none. Valid until the next failure on this thread. */
const char *dv_why(void);
/* The status that fits an errno value: ENOSPC, EDQUOT, EFBIG: no space; EIO: i/o error; ENOENT: not
 * found ... */
enum dv_status dv_status_from_errno(int error);

/* The text of an errno value, never NULL. Unlike strerror it takes no lock and allocates nothing. */
const char *dv_errno_text(int error);

#endif

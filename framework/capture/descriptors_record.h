/* What a descriptor's record in an image begins with, and its kinds; between descriptors_capture.c
 * and descriptors_restore.c.
 *
 *      | fd u32 | close_on_exec u32 | same_as u32 | kind u32 | flags u32 | ... by kind |
 *
 * With same_as != DV_FD_NONE the record ends there: a duplicate of a descriptor named earlier. */
#ifndef DV_CAPTURE_DESCRIPTORS_RECORD_H
#define DV_CAPTURE_DESCRIPTORS_RECORD_H

#include <fcntl.h>

#define DV_FD_NONE UINT32_MAX
#define DV_FD_CONTENT_MAX (64u << 20)
#define DV_FD_COUNT_MAX (1u << 20)

enum dv_fd_kind {
    DV_FD_INHERITED = 1, /* which u32 */
    DV_FD_FILE,          /* path, position u64, size u64, locks */
    DV_FD_UNNAMED_FILE,  /* path, position, content_of u32 (DV_FD_NONE: content bytes follow), locks
                          */
    DV_FD_REOPENED,      /* path, position: directories, files of /proc, null, tty ... */
    DV_FD_PIPE,          /* number u64, write_end u32, capacity u32, content bytes */
    DV_FD_EVENTFD,       /* count u64, semaphore u32 */
    DV_FD_TIMERFD,       /* clock u32, ticks u64, value s+ns u64, interval s+ns u64 */
    DV_FD_SIGNALFD,      /* mask u64 */
    DV_FD_EPOLL,         /* count u32, targets: fd u32, events u32, data u64 */
};

/* Flags that open() is given again; not those that act only once. */
#define DV_FD_OPEN_FLAGS                                                                           \
    (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_NOATIME | O_PATH |        \
     O_DIRECTORY | O_NOFOLLOW)

enum dv_fd_lock_kind { DV_FD_LOCK_FLOCK = 1, DV_FD_LOCK_POSIX, DV_FD_LOCK_OFD };
/* Locks: count u32; each: kind u32, exclusive u32, start u64, end u64 (UINT64_MAX: end of file). */
#define DV_FD_LOCKS_MAX 4096u

#endif

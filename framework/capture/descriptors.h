/* The upper half's descriptors: section DV_SECTION_DESCRIPTORS.
 *
 * A descriptor is one record; records that share an open file description (dup, fcntl) name the
 * first of them. Lower half, application's main thread.
 *
 *      kind                    captured                                    restored
 *      inherited 0, 1, 2       which one                                   the new process's
 *      regular file            path, flags, position, size                 opened again, cut to
 * size file without a name     the same, and contents up to 64 MiB         a new file without a
 * name directory, null, tty..  path, flags, position                       opened again pipe, both
 * ends ours    capacity, unread bytes                      a new pipe eventfd, timerfd, signalfd,
 * epoll: as /proc/self/fdinfo shows them sockets, devices, all else: refused, with its name */
#ifndef DV_CAPTURE_DESCRIPTORS_H
#define DV_CAPTURE_DESCRIPTORS_H

#include "capture/blob.h"
#include "capture/capture_engine.h"

#include <dejavu/status.h>

/* Check all, and if `out` is not NULL, write them into it. DV_ERR_REFUSED names the descriptor. */
enum dv_status dv_descriptors_capture(int lower_fd_base, const struct dv_fd_identity *stdio,
                                      struct dv_blob *out) DV_CHECKED;
enum dv_status dv_descriptors_restore(struct dv_blob_reader *in, int lower_fd_base,
                                      const struct dv_fd_identity *stdio) DV_CHECKED;

#endif

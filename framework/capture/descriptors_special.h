/* Descriptors that are no files: pipes, eventfd, timerfd, signalfd, epoll, sockets. Between
 * descriptors_capture.c, descriptors_special.c and descriptors_restore.c. */
#ifndef DV_CAPTURE_DESCRIPTORS_SPECIAL_H
#define DV_CAPTURE_DESCRIPTORS_SPECIAL_H

#include "capture/blob.h"

#include <dejavu/status.h>

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

/* A descriptor as the capture found it. */
struct dv_open_fd {
    int fd, flags, close_on_exec;
    uint32_t same_as; /* an earlier descriptor with the same open file description, or DV_FD_NONE */
    struct stat info;
    char link[PATH_MAX + 16]; /* what /proc/self/fd says it is */
};

/* DV_ERR_REFUSED with a text naming the descriptor. */
enum dv_status dv_fd_refuse(const struct dv_open_fd *open_fd, const char *what);
enum dv_status dv_fd_refuse_socket(const struct dv_open_fd *open_fd);
enum dv_status dv_fd_info_read(const struct dv_open_fd *open_fd, char **text) DV_CHECKED;

/* Check descriptor `at` of the list; write kind, flags and what belongs to the kind if `out` is not
 * NULL. */
enum dv_status dv_fd_put_pipe(const struct dv_open_fd *list, size_t count, size_t at,
                              struct dv_blob *out) DV_CHECKED;
enum dv_status dv_fd_put_special(const struct dv_open_fd *list, size_t count, size_t at,
                                 struct dv_blob *out) DV_CHECKED;

/* Make the object again from the rest of its record; the descriptor is any free number. Epoll: made
 * empty, its targets are added by dv_fd_fill_epoll once all descriptors are there. */
enum dv_status dv_fd_get_eventfd(struct dv_blob_reader *in, uint32_t flags, int *fd) DV_CHECKED;
enum dv_status dv_fd_get_timerfd(struct dv_blob_reader *in, uint32_t flags, int *fd) DV_CHECKED;
enum dv_status dv_fd_get_signalfd(struct dv_blob_reader *in, uint32_t flags, int *fd) DV_CHECKED;
enum dv_status dv_fd_fill_epoll(struct dv_blob_reader in, int fd) DV_CHECKED;

#endif

/* Files and descriptors: whole reads and writes, durable files, private directories, the clock.
 *
 * Functions that take a descriptor retry EINTR and short transfers, report nothing, and leave errno
 * set for the caller, who knows the file's name. Functions that take a path report their failure
 * once (common/fail.h) except DV_ERR_NOT_FOUND, which callers often expect; the text is then in
 * dv_why(). No locks; any thread of either half. */
#ifndef DV_COMMON_IO_H
#define DV_COMMON_IO_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC. */
uint64_t dv_now_ns(void);

enum dv_status dv_write_all(int fd, const void *buffer, size_t length) DV_CHECKED;
enum dv_status dv_pwrite_all(int fd, const void *buffer, size_t length, uint64_t offset) DV_CHECKED;
/* Read until `length` bytes or the end of the file; `*got` says how many (not NULL). */
enum dv_status dv_read_full(int fd, void *buffer, size_t length, size_t *got) DV_CHECKED;
enum dv_status dv_pread_full(int fd, void *buffer, size_t length, uint64_t offset,
                             size_t *got) DV_CHECKED;

/* The contents of a regular file of at most `max_bytes`, in malloc'ed memory with a NUL behind
 * them. A larger file is DV_ERR_DAMAGED. `length` may be NULL. */
enum dv_status dv_read_file(const char *path, size_t max_bytes, char **bytes,
                            size_t *length) DV_CHECKED;
/* Write `<directory>/<name>` so that it is there whole or not at all: `<name>.tmp`, fsync, rename,
 * fsync directory. */
enum dv_status dv_write_file_durably(const char *directory, const char *name, const void *bytes,
                                     size_t length, mode_t mode) DV_CHECKED;
/* fsync a directory, so that names created, renamed or removed in it last. */
enum dv_status dv_sync_directory(const char *path) DV_CHECKED;
/* Make `path` (its parent must exist), or check the one that is there: a directory, not a symbolic
 * link, owned by the caller and closed to others (0700). */
enum dv_status dv_make_directory_private(const char *path) DV_CHECKED;
/* Remove a file or a directory with all that is in it, following no symbolic link. Nothing there:
 * DV_OK. */
enum dv_status dv_remove_tree(const char *path) DV_CHECKED;

#endif

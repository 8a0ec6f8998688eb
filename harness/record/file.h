/* Files of a campaign: whole or not at all. Functions report their failure once. */
#ifndef DV_HARNESS_FILE_H
#define DV_HARNESS_FILE_H

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>

/* mkdir -p. */
enum dv_status dv_file_make_directories(const char *path) DV_CHECKED;
/* Write to `path`.tmp, fsync, rename, fsync the directory. */
enum dv_status dv_file_write_durably(const char *path, const char *bytes, size_t length) DV_CHECKED;
enum dv_status dv_file_sync(const char *path) DV_CHECKED; /* a file or a directory */
/* The whole file with a NUL behind it, malloc'ed. DV_ERR_NOT_FOUND is not reported. */
enum dv_status dv_file_read(const char *path, char **text, size_t *length) DV_CHECKED;
/* Remove a tree; nothing there is fine. Follows no symbolic link. */
enum dv_status dv_file_remove_tree(const char *path) DV_CHECKED;
bool dv_file_exists(const char *path);
/* Cut a file to its first `head` and last `tail` bytes with a line between that says so. */
enum dv_status dv_file_shorten(const char *path, size_t head, size_t tail) DV_CHECKED;

#endif

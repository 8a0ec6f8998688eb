/* Files that the application maps privately (its program, its libraries), kept once for all epochs and ranks:
 *
 *      JOB/files/0123456789abcdef0123456789abcdef-1922136      <XXH3-128 of the contents>-<bytes>
 *
 * Pages that are as in the file need not be in any image then, and a restart needs neither the same files nor the same
 * versions of them. A kept file is never changed; it is written like an image: temporary name, fsync, rename. No state; any
 * thread of the lower half or of commands. */
#ifndef DV_IMAGE_FILES_H
#define DV_IMAGE_FILES_H

#include <dejavu/status.h>

#include <stddef.h>

#define DV_FILE_NAME_BYTES 64

/* Keep what is in the regular file open at `fd`, unless it is kept already; `path` is for messages. `*name`: under which
 * name. The contents must not change meanwhile, which the caller checks. */
enum dv_status dv_files_keep(const char *job, int fd, const char *path,
                             char name[DV_FILE_NAME_BYTES]) DV_CHECKED;
/* Open a kept file for reading; the caller closes *fd. It is checked to be what its name says; if it is not, or is gone, the
 * file that it was copied from takes its place (and is copied again), if that is as it was; `original` NULL or "": unknown.
 * DV_ERR_DAMAGED, reported: neither. */
enum dv_status dv_files_open(const char *job, const char *name, const char *original,
                             int *fd) DV_CHECKED;

/* Are all the kept files there, and if `deep`, whole, that an image needs? `list`: DV_SECTION_FILES. DV_ERR_DAMAGED,
 * reported. */
enum dv_status dv_files_check(const char *job, const char *list, size_t length,
                              int deep) DV_CHECKED;

#endif

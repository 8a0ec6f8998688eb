/* Images on tmpfs that stay mapped between epochs.
 *
 * Copying into a mapped file whose pages are there already runs at memcpy speed, about twice as
 * fast as pwrite, which looks up every 4 KiB page. Mapping and unmapping cost as much as is gained,
 * so a mapping is made once, after an image is committed (while the application runs), and found
 * again when the same file is recycled for a later epoch.
 *
 * Only tmpfs: there a page that exists can be stored to without fail, whereas a store into a hole,
 * or into a page that another file system cannot write back, would be a SIGBUS instead of an error.
 * Mappings are of this process only, are not inherited by fork, and are dropped once their file has
 * no name any more. All functions may be called from any thread of the lower half; one small mutex
 * inside. */
#ifndef DV_IMAGE_MAPPING_H
#define DV_IMAGE_MAPPING_H

#include <stddef.h>
#include <stdint.h>

/* The mapping of the file behind `fd` if there is one, and how many bytes from its start exist and
 * may be stored to
 * (`*usable`). NULL: none; use pwrite. It stays until dv_mapping_release; the caller holds the
 * file's lock (flock). */
void *dv_mapping_take(int fd, size_t *usable);
void dv_mapping_release(void *base);
/* Map `fd` (or more of it), if it is on tmpfs, for later epochs. No effect on failure. */
void dv_mapping_keep(int fd);
/* Unmap files that have been removed. */
void dv_mapping_trim(void);
/* Unmap everything that no writer is using. */
void dv_mapping_drop_all(void);

#endif

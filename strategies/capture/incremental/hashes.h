/* What each page held in the parent epoch: 128-bit digests in memory that a forked writer shares with the process.
 *
 *      directory (open addressing)          slabs of 1024 digests: 4 MiB of addresses each
 *      [ 0x3fff_8000_0000 | slab 1 ]  --->  [ unknown | digest | zero | digest | ... ]
 *      [        ...       |        ]
 *
 * An entry is unknown until the page has been written into an image. Whoever is in doubt makes it unknown again: that
 * costs one page in the next image, and never a wrong byte. Two users, never at once: the writer of an epoch (changed), and
 * the main thread between epochs (forget). 16 bytes per page that was ever captured: 0.4 %. */
#ifndef DV_INCREMENTAL_HASHES_H
#define DV_INCREMENTAL_HASHES_H

#include <dejavu/capture.h>

#include <stddef.h>
#include <stdint.h>

struct hashes;

/* NULL: no memory. `most_pages`: how many pages can be remembered. */
struct hashes *hashes_new(const struct dv_capture_core *core, uint64_t most_pages);
void hashes_free(struct hashes *h);
/* Note what the page holds now (NULL: zeros). 1: it is other than what was noted, or nothing was, or the table is full. */
int hashes_changed(struct hashes *h, uint64_t address, const void *bytes);
/* Pages [start, end) become unknown. */
void hashes_forget(struct hashes *h, uint64_t start, uint64_t end);

#endif

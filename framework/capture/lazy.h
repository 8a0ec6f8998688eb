/* Lazy restore: memory that is mapped from image files, and read when the application touches it.
 *
 *      region of the application   |  anonymous (made first)                                    |
 *      the image stores                 |#########################|   |###| |###############|
 *      becomes                     |anon| MAP_PRIVATE of the image |  anon  | MAP_PRIVATE    |anon|
 *                                       piece                       loaded    piece
 *
 * Only pieces that are long and stored as they are get mapped; packed, short and surplus ones are loaded. Such mappings
 * stand for anonymous memory: dv_maps_read() gives them as such, with DV_REGION_LAZY. In a lazy region every page holds
 * information, and a page that the process has not written since is exactly as in the image it was restored from:
 * dv_pagemap_own() lists the others. What anonymous memory does otherwise than a private mapping of a file (mremap over
 * several mappings, MADV_DONTNEED ...) is the business of rank/lazy_calls.c.
 *
 * An image file that is mapped must not be overwritten: each is held open with flock(LOCK_SH) from before the first
 * mapping to the end of the process, and whoever recycles image files needs LOCK_EX. Renaming and removing do no harm.
 *
 * The blocks behind the mappings are checked in the background after the application has gone on. Until that is over
 * nothing that follows from the memory may be made durable: dv_lazy_wait(). */
#ifndef DV_CAPTURE_LAZY_H
#define DV_CAPTURE_LAZY_H

#include "image/image.h"

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_lazy_piece {
    uint64_t address, length, offset;
    int fd;      /* the chain's; not after dv_lazy_register */
    size_t file; /* index into the files that this process holds */
};

/* What of one restoration is mapped. */
struct dv_lazy {
    struct dv_lazy_piece *pieces; /* [count], ascending */
    size_t count, capacity;
    uint64_t bytes; /* mapped so far */
};

/* Add what of [start, end), whole pages of private memory, can be mapped. Locks the image files. Ascending calls. */
enum dv_status dv_lazy_plan(struct dv_lazy *lazy, struct dv_image_chain *chain, uint64_t start,
                            uint64_t end) DV_CHECKED;
/* Keep the longest pieces, as many as this kernel's limit of mappings lets one spend on this. After all plan calls. */
void dv_lazy_choose(struct dv_lazy *lazy);
/* Bytes of [start, end) that will be mapped. */
uint64_t dv_lazy_planned(const struct dv_lazy *lazy, uint64_t start, uint64_t end);
/* Fill the mapping [start, end), which is there and anonymous: map its pieces, load the rest of what the chain stores with
 * `threads` threads. A piece that the system will not map is loaded, with a warning. Adds to *loaded_bytes. */
enum dv_status dv_lazy_fill(struct dv_lazy *lazy, struct dv_image_chain *chain, uint64_t start,
                            uint64_t end, int protection, unsigned threads) DV_CHECKED;
/* After the last fill: from now on mappings of these files are known by dv_lazy_is_image. */
enum dv_status dv_lazy_register(const struct dv_lazy *lazy) DV_CHECKED;
void dv_lazy_free(struct dv_lazy *lazy); /* the mappings stay */

/* Is this file, as /proc/self/maps names it, an image that memory of this process was mapped from? Takes no lock. */
int dv_lazy_is_image(uint64_t device, uint64_t inode);

/* Check all blocks behind the mappings in a thread of its own, slowly enough to leave the processor to the application;
 * takes over `lazy` and `chain`. `ended` is called on that thread at the end: DV_OK, or what is wrong and the text. */
enum dv_status dv_lazy_verify(struct dv_lazy *lazy, struct dv_image_chain *chain,
                              void (*ended)(enum dv_status status, const char *why)) DV_CHECKED;
/* Wait until that is over, and make it hurry. DV_OK at once if nothing is (or was) being checked; else its result, the
 * failure not reported again. Any thread of the lower half. */
enum dv_status dv_lazy_wait(void) DV_CHECKED;
/* Make it hurry, without waiting; takes no lock, allocates nothing. */
void dv_lazy_hurry(void);

#endif

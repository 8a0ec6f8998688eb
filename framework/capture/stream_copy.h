/* Copying pages that are not to be looked at soon. */
#ifndef DV_CAPTURE_STREAM_COPY_H
#define DV_CAPTURE_STREAM_COPY_H

#include <stddef.h>

/* Copy `bytes` (whole pages) past the cache, which here takes three quarters of memcpy's time: the destination is not read
 * first, and the next page is fetched while one is copied, also across the border of pages, where processors do not by
 * themselves. `to` is 16 byte aligned. `next`: what will be copied after this, or NULL. */
void dv_stream_copy(void *to, const void *from, size_t bytes, const void *next);

#endif

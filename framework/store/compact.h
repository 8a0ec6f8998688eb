/* Synthesis: an epoch that inherits from others is made complete, without the application.
 *
 *      epoch 7      A B C D      rank-0.dvi                        rank-0.dvi       A B C D     (pruned, if nobody else
 *      epoch 8      = b = =      rank-0.dvi     -- compact 9 -->   rank-0.dvi       = b = =      needs them)
 *      epoch 9      = = = d      rank-0.dvi                        rank-0.g1.dvi    A b C d     origin: digest of rank-0.dvi
 *      epoch 10     a = = =      rank-0.dvi                        rank-0.dvi       a = = =     names the digest of 9's
 *                                                                                               rank-0.dvi: the origin fits
 *
 * All images are written complete under the names of the next generation, made durable, and protected as the epoch's level
 * demands; then the manifest is replaced, by one rename. Until then the epoch is what it was; from then on it needs no
 * other. What is left over by a kill is used by the next attempt, or removed by the next prune; so are the old images.
 *
 * Blocking; in commands and in children of the supervisor. Not while another process does the same in this job. */
#ifndef DV_IMAGE_COMPACT_H
#define DV_IMAGE_COMPACT_H

#include "image/image.h"

#include <dejavu/status.h>

#include <stdint.h>

struct dv_compacted {
    uint64_t written_bytes; /* of the new images */
    uint32_t images;        /* how long the epoch's chain was */
};

/* DV_ERR_NOTHING, quietly: the epoch is complete already. DV_ERR_DAMAGED: it, or what it inherits from, is. `result` may be
 * NULL. */
enum dv_status dv_compact_epoch(const char *job, uint64_t epoch, enum dv_codec codec,
                                struct dv_compacted *result) DV_CHECKED;

#endif

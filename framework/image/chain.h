/* The chain's object, shared by chain.c (opening, resolving) and load.c (reading).
 *
 * Which image a page comes from is decided once, at opening: each image's blocks are cut into pieces, of which those are kept
 * that no younger image stores or leaves zero:
 *
 *      epoch 9   = = = d 0 0     pieces of 9:  d
 *      epoch 8   = b = = e 0     pieces of 8:  b          (what 9 inherits: A..C; of these, 8 has b, and inherits A and C)
 *      epoch 7   A B C D E F     pieces of 7:  A, C
 *      by address                A b C d */
#ifndef DV_IMAGE_CHAIN_H
#define DV_IMAGE_CHAIN_H

#include "image/reader.h"

struct dv_chain_piece {
    uint64_t address, run; /* run: index in its image */
    uint32_t length, image;
};

/* images[0] is the head. Its pieces are pieces[first .. first + count), ascending. */
struct dv_chain_image {
    struct dv_image_reader *reader;
    size_t first, count;
};

struct dv_image_chain {
    struct dv_chain_image *images;
    size_t image_count;
    struct dv_chain_piece *pieces; /* image by image */
    uint32_t *sorted;              /* their indices by address */
    size_t piece_count, piece_capacity;
    struct dv_disk_span *ranges; /* neighbouring pieces joined */
    size_t range_count;
};

/* The first of `count` pieces, ascending, that ends behind `address`. */
size_t dv_chain_first_after(const struct dv_chain_piece *pieces, size_t count, uint64_t address);

#endif

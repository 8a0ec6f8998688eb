/* Packing and unpacking of data blocks, at most DV_IMAGE_BLOCK_BYTES each.
 *
 * A packer has all the memory that it needs from the beginning: using it allocates nothing and takes no lock, so that a
 * forked child can do it. An unpacker gets memory as it needs it. Both are for one thread at a time. */
#ifndef DV_IMAGE_CODEC_H
#define DV_IMAGE_CODEC_H

#include "image/image.h"

struct dv_packer;
struct dv_unpacker;

/* For `codec`, or for all of them (DV_CODEC_AUTO). DV_ERR_NO_MEMORY, not reported. */
enum dv_status dv_packer_new(enum dv_codec codec, struct dv_packer **packer) DV_CHECKED;
/* Packs `length` bytes (whole pages). Returns how many bytes `*packed` has, which are valid until the next call; 0: it does
 * not shrink by a sixteenth at least, and `*packed` stays what it was. */
size_t dv_pack(struct dv_packer *packer, enum dv_codec codec, const void *bytes, size_t length,
               const void **packed);
void dv_packer_free(struct dv_packer *packer);

/* The model by which DV_CODEC_AUTO chooses: storing a byte costs the time to pack it and the time to store what is left of it.
 * With 500 ps/byte (a disk of 2 GB/s) shuffle-lz4 pays below a ratio of about 0.24: indices, but no doubles; with 2000 (a
 * file system shared with others) below 0.8; with 200 (tmpfs) nothing ever does, and nothing is sampled. */
/* What it costs to store bytes, in picoseconds per byte: with a ratio of packed to plain bytes of `ratio`, on a file system
 * that takes `store_ps` for a byte. */
double dv_codec_cost_ps(enum dv_codec codec, double ratio, double store_ps);
/* The codec that stores pages like `sample` at the least cost. */
enum dv_codec dv_codec_choose(struct dv_packer *packer, const void *sample, size_t length,
                              double store_ps);

/* Unpack exactly `length` bytes from `stored` ones. DV_ERR_DAMAGED: they are something else; DV_ERR_UNSUPPORTED: no such
 * codec; DV_ERR_NO_MEMORY. None is reported. */
enum dv_status dv_unpack(struct dv_unpacker *unpacker, uint32_t codec, const void *stored,
                         size_t stored_length, void *bytes, size_t length) DV_CHECKED;
struct dv_unpacker *dv_unpacker_new(void); /* NULL: out of memory */
void dv_unpacker_free(struct dv_unpacker *unpacker);

/* The bytes of the 8-byte words of `from` sorted by their place in the word, and back. `length`: a multiple of 128. */
void dv_shuffle(const void *from, void *to, size_t length);
void dv_unshuffle(const void *from, void *to, size_t length);

#endif

/* The reader's object, shared by reader.c (header, footer, tables), block.c (data blocks) and the chain. */
#ifndef DV_IMAGE_READER_H
#define DV_IMAGE_READER_H

#include "image/codec.h"
#include "image/format.h"
#include "image/image.h"

#include <limits.h>

struct dv_image_reader {
    int fd;
    char path[PATH_MAX];
    struct dv_disk_header header;
    struct dv_disk_footer footer;
    struct dv_disk_run *runs;   /* checked: ascending, in bounds, back to back in the file */
    struct dv_disk_span *spans; /* checked: ascending, apart from each other and the runs */
    void *sections[DV_DISK_MAX_SECTIONS];
    struct dv_image_identity identity;
    struct dv_image_stats stats;
};

/* A failure found by any thread, reported by the caller's. */
struct dv_block_fault {
    enum dv_status status;
    int error; /* errno, or 0: the checksum is wrong, the file too short, or it cannot be unpacked */
    int undamaged;  /* the checksum is right, but it does not unpack to what it should */
    uint64_t index; /* of the block */
};

/* What a thread needs to read blocks: a window of the file, and room to unpack. One image at a time. */
struct dv_block_reader {
    const struct dv_image_reader *image;
    struct dv_unpacker *unpacker; /* NULL until needed */
    char *window, *plain; /* DV_BLOCK_WINDOW_BYTES, DV_IMAGE_BLOCK_BYTES; NULL until needed */
    uint64_t window_offset;
    size_t window_used;
    struct dv_block_fault fault; /* of the last failure */
};

#define DV_BLOCK_WINDOW_BYTES (1u << 20)

void dv_block_reader_free(struct dv_block_reader *b);
/* Read, check and unpack block `index` to `destination`, run.length bytes. `read_ahead`: up to which offset the file will be
 * read next, so that small blocks need not be fetched one by one (0: just this block). */
enum dv_status dv_block_read(struct dv_block_reader *b, uint64_t index, uint64_t read_ahead,
                             void *destination) DV_CHECKED;
/* The same; the bytes are somewhere in `b` until its next use. */
enum dv_status dv_block_fetch(struct dv_block_reader *b, uint64_t index, uint64_t read_ahead,
                              const char **bytes) DV_CHECKED;
/* Report what went wrong. */
enum dv_status dv_block_report(const struct dv_image_reader *r, const struct dv_block_fault *fault);

#endif

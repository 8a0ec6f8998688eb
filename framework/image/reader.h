/* The reader's object, shared by reader.c (header, footer, tables) and load.c (data blocks). */
#ifndef DV_IMAGE_READER_H
#define DV_IMAGE_READER_H

#include "image/format.h"
#include "image/image.h"

#include <limits.h>

struct dv_image_range {
    uint64_t address, length;
};

struct dv_image_reader {
    int fd;
    char path[PATH_MAX];
    struct dv_disk_header header;
    struct dv_disk_footer footer;
    struct dv_disk_run *runs;      /* checked: ascending, in bounds, back to back in the file */
    struct dv_image_range *ranges; /* neighbouring runs joined */
    size_t range_count;
    void *sections[DV_DISK_MAX_SECTIONS];
    struct dv_image_identity identity;
    struct dv_image_stats stats;
};

#endif

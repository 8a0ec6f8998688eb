/* Section DV_SECTION_REGIONS: the mappings to be made again.
 *
 *      | heap_start u64 | heap_end u64 | count u32 | count records, ascending |
 *      record: kind u32, flags u32, start, end, data_end, file_offset u64, path, kept,
 *              own: (start, end) u64 [], of a mapping of a kept file the pages that are not the file's any more; those of
 *              them that no image holds are zero */
#ifndef DV_CAPTURE_MEMORY_SECTION_H
#define DV_CAPTURE_MEMORY_SECTION_H

#include "capture/blob.h"
#include "capture/regions.h"

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_memory_record {
    uint32_t kind, flags; /* enum dv_map_kind, enum dv_region_flags */
    uint64_t start, end, data_end, file_offset;
    const char *path; /* in the section's bytes */
    const char
        *kept; /* in the section's bytes; "": its file is not kept, all its pages are in images */
    const void *own; /* in the section's bytes: struct dv_page_run [own_count], not aligned */
    size_t own_count;
};

struct dv_memory_section {
    uint64_t heap_start, heap_end;
    struct dv_memory_record *records; /* [count], freed by dv_memory_section_free */
    size_t count;
};

/* Asks the kernel for the own pages of mappings of kept files. */
enum dv_status dv_memory_section_write(struct dv_blob *out, const struct dv_maps *maps,
                                       const uint64_t *data_end, uint64_t heap_start,
                                       uint64_t heap_end) DV_CHECKED;
/* Everything is checked: bounds, order, alignment, kinds. DV_ERR_DAMAGED. */
enum dv_status dv_memory_section_read(const void *bytes, size_t length,
                                      struct dv_memory_section *section) DV_CHECKED;
void dv_memory_section_free(struct dv_memory_section *section);

#endif

/* Section DV_SECTION_REGIONS; see memory_section.h. */
#include "capture/memory_section.h"

#include "common/fail.h"
#include "gate/gate.h"

#include <stdlib.h>

void dv_memory_section_write(struct dv_blob *out, const struct dv_maps *maps,
                             const uint64_t *data_end, uint64_t heap_start, uint64_t heap_end)
{
    dv_blob_put_u64(out, heap_start);
    dv_blob_put_u64(out, heap_end);
    dv_blob_put_u32(out, (uint32_t)maps->count);
    for (size_t i = 0; i < maps->count; i++) {
        const struct dv_region *region = &maps->regions[i];
        dv_blob_put_u32(out, maps->kinds[i]);
        dv_blob_put_u32(out, region->flags & ~(uint32_t)DV_REGION_LAZY); /* of this process only */
        dv_blob_put_u64(out, region->start);
        dv_blob_put_u64(out, region->end);
        dv_blob_put_u64(out, data_end[i]);
        dv_blob_put_u64(out, region->file_offset);
        dv_blob_put_string(out, region->path);
        dv_blob_put_string(out, region->kept ? region->kept : "");
    }
}

static int is_page_aligned(uint64_t address)
{
    return address % DV_PAGE_BYTES == 0;
}

static int is_sane(const struct dv_memory_record *record, uint64_t from)
{
    return record->kind >= DV_MAP_PRIVATE && record->kind <= DV_MAP_SHARED_FILE &&
           is_page_aligned(record->start) && is_page_aligned(record->end) &&
           is_page_aligned(record->data_end) && is_page_aligned(record->file_offset) &&
           record->start >= from && record->start < record->end && record->end <= DV_SPLIT &&
           record->data_end >= record->start && record->data_end <= record->end;
}

enum dv_status dv_memory_section_read(const void *bytes, size_t length,
                                      struct dv_memory_section *section)
{
    struct dv_blob_reader in = {.at = bytes, .end = (const uint8_t *)bytes + length};
    *section = (struct dv_memory_section){0};
    section->heap_start = dv_blob_get_u64(&in);
    section->heap_end = dv_blob_get_u64(&in);
    uint32_t count = dv_blob_get_u32(&in);
    /* A record has at least 44 bytes: a count beyond that is damage, not a reason to allocate. */
    if (in.failed || count > length / 44)
        goto out_damaged;
    section->records = calloc(count ? count : 1, sizeof *section->records);
    if (!section->records)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a list of %u mappings", count);
    uint64_t from = DV_PAGE_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        struct dv_memory_record *record = &section->records[i];
        record->kind = dv_blob_get_u32(&in);
        record->flags = dv_blob_get_u32(&in);
        record->start = dv_blob_get_u64(&in);
        record->end = dv_blob_get_u64(&in);
        record->data_end = dv_blob_get_u64(&in);
        record->file_offset = dv_blob_get_u64(&in);
        record->path = dv_blob_get_string(&in);
        record->kept = dv_blob_get_string(&in);
        if (in.failed || !is_sane(record, from))
            goto out_damaged;
        from = record->end;
    }
    if (in.at != in.end || section->heap_start > section->heap_end || section->heap_end > DV_SPLIT)
        goto out_damaged;
    section->count = count;
    return DV_OK;

out_damaged:
    dv_memory_section_free(section);
    return dv_fail("capture", DV_ERR_DAMAGED, "the image's list of mappings is damaged");
}

void dv_memory_section_free(struct dv_memory_section *section)
{
    free(section->records);
    *section = (struct dv_memory_section){0};
}

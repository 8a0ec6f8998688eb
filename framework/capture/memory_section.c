/* Section DV_SECTION_REGIONS; see memory_section.h. */
#include "capture/memory_section.h"

#include "capture/page_set.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <stdlib.h>
#include <string.h>

static enum dv_status add_own(void *set, uint64_t start, uint64_t end)
{
    return dv_page_set_add(set, start, end);
}

static enum dv_status write_own(struct dv_blob *out, const struct dv_region *region)
{
    struct dv_page_set own = {0};
    enum dv_status status = region->kept ? dv_region_populated(region, add_own, &own) : DV_OK;
    dv_blob_put_bytes(out, own.ranges, own.count * sizeof *own.ranges);
    dv_page_set_free(&own);
    return status;
}

enum dv_status dv_memory_section_write(struct dv_blob *out, const struct dv_maps *maps,
                                       const uint64_t *data_end, uint64_t heap_start,
                                       uint64_t heap_end)
{
    enum dv_status status = DV_OK;
    dv_blob_put_u64(out, heap_start);
    dv_blob_put_u64(out, heap_end);
    dv_blob_put_u32(out, (uint32_t)maps->count);
    for (size_t i = 0; i < maps->count && status == DV_OK; i++) {
        const struct dv_region *region = &maps->regions[i];
        dv_blob_put_u32(out, maps->kinds[i]);
        dv_blob_put_u32(out, region->flags & ~(uint32_t)DV_REGION_LAZY); /* of this process only */
        dv_blob_put_u64(out, region->start);
        dv_blob_put_u64(out, region->end);
        dv_blob_put_u64(out, data_end[i]);
        dv_blob_put_u64(out, region->file_offset);
        dv_blob_put_string(out, region->path);
        dv_blob_put_string(out, region->kept ? region->kept : "");
        status = write_own(out, region);
    }
    return status;
}

static int is_page_aligned(uint64_t address)
{
    return address % DV_PAGE_BYTES == 0;
}

static int has_sane_own(const struct dv_memory_record *record)
{
    uint64_t from = record->start;
    for (size_t i = 0; i < record->own_count; i++) {
        struct dv_page_run run;
        memcpy(&run, (const char *)record->own + i * sizeof run, sizeof run);
        if (!is_page_aligned(run.start) || !is_page_aligned(run.end) || run.start < from ||
            run.start >= run.end || run.end > record->end)
            return 0;
        from = run.end;
    }
    return 1;
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
        size_t own_bytes = 0;
        record->own = dv_blob_get_bytes(&in, &own_bytes);
        record->own_count = own_bytes / sizeof(struct dv_page_run);
        if (in.failed || own_bytes % sizeof(struct dv_page_run) != 0 || !is_sane(record, from) ||
            !has_sane_own(record))
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

/* The writer's pages: each becomes part of a block, part of a span, or nothing. */
#include "common/fail.h"
#include "image/checksum.h"
#include "image/writer.h"

#include <string.h>

#define MODULE "image"
/* Samples are taken at up to so many places, a few neighbouring pages at each. */
#define SAMPLE_PLACES 8u
#define SAMPLE_PIECE_BYTES (DV_WRITER_SAMPLE_BYTES / SAMPLE_PLACES)

static enum dv_status refuse(struct dv_image_writer *w, const char *what, uint64_t address,
                             uint64_t length)
{
    return w->status =
               dv_fail(MODULE, DV_ERR_INTERNAL, "%s: pages [%#llx, +%#llx) %s", w->temporary,
                       (unsigned long long)address, (unsigned long long)length, what);
}

/* The pages that a call gives, whichever way: in order, aligned, at the right time. */
static enum dv_status accept_pages(struct dv_image_writer *w, uint64_t address, uint64_t length)
{
    enum dv_status status = dv_writer_check(w);
    if (status)
        return status;
    if (w->fd < 0 || w->finished)
        return refuse(w, "not between begin and finish", address, length);
    if (address % DV_DISK_PAGE || length % DV_DISK_PAGE || address < w->next_address ||
        address + length < address)
        return refuse(w, "out of order or unaligned", address, length);
    w->next_address = address + length;
    return DV_OK;
}

static enum dv_status inherit(struct dv_image_writer *w, uint64_t address, uint64_t length)
{
    struct dv_disk_span *last = w->span_count ? &w->spans[w->span_count - 1] : NULL;
    w->footer.inherited_bytes += length;
    if (last && last->address + last->length == address) {
        last->length += length;
        return DV_OK;
    }
    if (w->header.parent_epoch == 0)
        return refuse(w, "cannot be inherited: there is no parent", address, length);
    if (w->span_count == w->most_pages)
        return refuse(w, "are more than were announced", address, length);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    w->spans[w->span_count++] = (struct dv_disk_span){address, length};
    return DV_OK;
}

enum dv_status dv_image_write_inherited(struct dv_image_writer *w, uint64_t address,
                                        uint64_t length)
{
    enum dv_status status = accept_pages(w, address, length);
    if (!status && length)
        status = inherit(w, address, length);
    return status;
}

void dv_image_writer_filter(struct dv_image_writer *w, dv_image_filter *filter, void *arg)
{
    w->filter = filter;
    w->filter_arg = arg;
}

void dv_image_writer_next_region(struct dv_image_writer *w)
{
    w->codec = w->wanted;
}

/* A call's pages, and how far they have been looked at. */
struct pages {
    uint64_t address, length, done;
    const char *source;
};

/* Choose by pages from all over what is to come; zero pages say nothing. */
static void choose_codec(struct dv_image_writer *w, const struct pages *p, uint64_t from)
{
    size_t used = 0;
    uint64_t left = p->length - from;
    uint64_t stride = left / SAMPLE_PLACES / DV_DISK_PAGE * DV_DISK_PAGE;
    if (stride < SAMPLE_PIECE_BYTES)
        stride = SAMPLE_PIECE_BYTES;
    for (uint64_t place = from; place < p->length; place += stride) {
        for (uint64_t at = place; at < p->length && at < place + SAMPLE_PIECE_BYTES;
             at += DV_DISK_PAGE) {
            if (used == DV_WRITER_SAMPLE_BYTES)
                break;
            if (dv_page_is_zero(p->source + at))
                continue;
            memcpy(w->sample + used, p->source + at, DV_DISK_PAGE);
            used += DV_DISK_PAGE;
        }
    }
    w->codec = used ? dv_codec_choose(w->packer, w->sample, used, w->store_ps) : DV_CODEC_NONE;
}

/* Pages that belong to one block. The checksum comes before the copy: it brings the block into the cache. */
static enum dv_status write_block(struct dv_image_writer *w, uint64_t address, size_t length,
                                  const char *bytes)
{
    if (w->run_count == w->most_pages)
        return refuse(w, "are more than were announced", address, length);
    const void *stored = bytes;
    enum dv_codec codec = w->codec;
    size_t packed = dv_pack(w->packer, codec, bytes, length, &stored);
    if (!packed)
        codec = DV_CODEC_NONE;
    uint64_t offset = dv_disk_block_offset(w->offset, codec);
    struct dv_disk_run *run = &w->runs[w->run_count];
    *run = (struct dv_disk_run){.address = address,
                                .offset = offset,
                                .length = (uint32_t)length,
                                .stored = (uint32_t)(packed ? packed : length),
                                .codec = codec};
    run->checksum = dv_checksum64(stored, run->stored);
    enum dv_status status = dv_writer_pad(w, offset);
    if (!status)
        status = dv_writer_put(w, stored, run->stored);
    if (status)
        return status;
    w->run_count++;
    w->footer.data_bytes += length;
    return DV_OK;
}

enum fate { ZERO, SAME, STORED };

/* What becomes of a page. Processors do not fetch across the end of a page by themselves. */
static enum fate examine(struct dv_image_writer *w, uint64_t address, const char *page)
{
    __builtin_prefetch(page + DV_DISK_PAGE);
    int zero = dv_page_is_zero(page);
    int same = w->filter && !w->filter(w->filter_arg, address, zero ? NULL : page);
    if (zero)
        return ZERO;
    return same ? SAME : STORED;
}

/* The block that begins at `done`, if there is one, and what ends it. */
static enum dv_status next_block(struct dv_image_writer *w, struct pages *p)
{
    uint64_t from = p->done;
    size_t length = 0;
    enum fate fate = STORED;
    while (length < DV_IMAGE_BLOCK_BYTES && p->done < p->length && fate == STORED) {
        fate = examine(w, p->address + p->done, p->source + p->done);
        p->done += DV_DISK_PAGE;
        if (fate == STORED)
            length += DV_DISK_PAGE;
    }
    enum dv_status status = DV_OK;
    if (length) {
        if (w->codec == DV_CODEC_AUTO)
            choose_codec(w, p, from);
        status = write_block(w, p->address + from, length, p->source + from);
    }
    if (!status && fate == ZERO)
        w->footer.zero_bytes += DV_DISK_PAGE;
    if (!status && fate == SAME) {
        w->footer.same_bytes += DV_DISK_PAGE;
        status = inherit(w, p->address + p->done - DV_DISK_PAGE, DV_DISK_PAGE);
    }
    return status;
}

enum dv_status dv_image_write_pages(struct dv_image_writer *w, uint64_t address, uint64_t length,
                                    const void *source)
{
    struct pages p = {.address = address, .length = length, .source = source};
    enum dv_status status = accept_pages(w, address, length);
    if (!status)
        w->footer.examined_bytes += length;
    while (!status && p.done < length) {
        status = next_block(w, &p);
        if (!status)
            status = dv_writer_check(w);
    }
    return status;
}

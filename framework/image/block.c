/* Data blocks: read, checked and unpacked one by one, while they are in the cache. */
#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "image/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "image"
/* Blocks at least so large are read by themselves. */
#define DIRECT_BYTES (64u << 10)

void dv_block_reader_free(struct dv_block_reader *b)
{
    dv_unpacker_free(b->unpacker);
    free(b->window);
    free(b->plain);
}

static enum dv_status fail_with(struct dv_block_reader *b, enum dv_status status, int error)
{
    b->fault.error = error;
    return b->fault.status = status;
}

static enum dv_status read_bytes(struct dv_block_reader *b, void *buffer, size_t length,
                                 uint64_t offset, size_t *got)
{
    if (dv_pread_full(b->image->fd, buffer, length, offset, got) == DV_OK)
        return DV_OK;
    /* EFAULT: the destination cannot be written, which is the caller's mistake. */
    return fail_with(b, errno == EFAULT ? DV_ERR_INTERNAL : DV_ERR_IO, errno);
}

/* The stored bytes of a block in the window, together with what follows up to `read_ahead`. */
static enum dv_status fetch_stored(struct dv_block_reader *b, const struct dv_disk_run *run,
                                   uint64_t read_ahead, const char **stored)
{
    uint64_t end = run->offset + run->stored;
    if (!b->window && !(b->window = malloc(DV_BLOCK_WINDOW_BYTES)))
        return fail_with(b, DV_ERR_NO_MEMORY, 0);
    if (run->offset < b->window_offset || end > b->window_offset + b->window_used) {
        if (read_ahead < end || run->stored >= DIRECT_BYTES)
            read_ahead = end;
        size_t length = DV_BLOCK_WINDOW_BYTES;
        if (read_ahead - run->offset < length)
            length = (size_t)(read_ahead - run->offset);
        b->window_used = 0;
        b->window_offset = run->offset;
        if (read_bytes(b, b->window, length, run->offset, &b->window_used))
            return b->fault.status;
        if (b->window_used < run->stored)
            return fail_with(b, DV_ERR_DAMAGED, 0);
    }
    *stored = b->window + (run->offset - b->window_offset);
    if (dv_checksum64(*stored, run->stored) != run->checksum)
        return fail_with(b, DV_ERR_DAMAGED, 0);
    return DV_OK;
}

static enum dv_status unpack(struct dv_block_reader *b, const struct dv_disk_run *run,
                             const char *stored, void *destination)
{
    if (!b->unpacker && !(b->unpacker = dv_unpacker_new()))
        return fail_with(b, DV_ERR_NO_MEMORY, 0);
    enum dv_status status =
        dv_unpack(b->unpacker, run->codec, stored, run->stored, destination, run->length);
    b->fault.undamaged = status != DV_OK;
    return status ? fail_with(b, status, 0) : DV_OK;
}

enum dv_status dv_block_fetch(struct dv_block_reader *b, uint64_t index, uint64_t read_ahead,
                              const char **bytes)
{
    const struct dv_disk_run *run = &b->image->runs[index];
    const char *stored = NULL;
    b->fault = (struct dv_block_fault){.index = index};
    if (fetch_stored(b, run, read_ahead, &stored))
        return b->fault.status;
    *bytes = stored;
    if (run->codec == DV_CODEC_NONE)
        return DV_OK;
    if (!b->plain && !(b->plain = malloc(DV_IMAGE_BLOCK_BYTES)))
        return fail_with(b, DV_ERR_NO_MEMORY, 0);
    *bytes = b->plain;
    return unpack(b, run, stored, b->plain);
}

enum dv_status dv_block_read(struct dv_block_reader *b, uint64_t index, uint64_t read_ahead,
                             void *destination)
{
    const struct dv_disk_run *run = &b->image->runs[index];
    const char *stored = NULL;
    b->fault = (struct dv_block_fault){.index = index};
    if (run->codec == DV_CODEC_NONE && run->stored >= DIRECT_BYTES) {
        size_t got = 0;
        if (read_bytes(b, destination, run->stored, run->offset, &got))
            return b->fault.status;
        if (got != run->stored || dv_checksum64(destination, got) != run->checksum)
            return fail_with(b, DV_ERR_DAMAGED, 0);
        return DV_OK;
    }
    if (fetch_stored(b, run, read_ahead, &stored))
        return b->fault.status;
    if (run->codec != DV_CODEC_NONE)
        return unpack(b, run, stored, destination);
    memcpy(destination, stored, run->length);
    return DV_OK;
}

enum dv_status dv_block_report(const struct dv_image_reader *r, const struct dv_block_fault *fault)
{
    const struct dv_disk_run *run = &r->runs[fault->index];
    unsigned long long index = fault->index, offset = run->offset, address = run->address;
    if (fault->status == DV_ERR_NO_MEMORY)
        return dv_fail(MODULE, fault->status, "cannot read %s: out of memory", r->path);
    if (fault->error)
        return dv_fail(MODULE, fault->status, "cannot read %s (block %llu at offset %llu): %s",
                       r->path, index, offset, dv_errno_text(fault->error));
    if (fault->undamaged)
        return dv_fail(MODULE, fault->status,
                       "%s is damaged: block %llu at offset %llu (pages at %#llx) does not unpack "
                       "to its length",
                       r->path, index, offset, address);
    return dv_fail(
        MODULE, fault->status,
        "%s is damaged: the checksum of block %llu at offset %llu (pages at %#llx) is wrong",
        r->path, index, offset, address);
}

enum dv_status dv_image_reader_verify(struct dv_image_reader *r)
{
    struct dv_block_reader b = {.image = r};
    uint64_t data_end = r->footer.runs_offset;
    enum dv_status status = DV_OK;
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (uint64_t i = 0; i < r->footer.run_count && !status; i++) {
        const char *bytes;
        status = dv_block_fetch(&b, i, data_end, &bytes);
    }
    if (status)
        status = dv_block_report(r, &b.fault);
    dv_block_reader_free(&b);
    return status;
}

/* Image reader: opens a file that may hold anything, and believes nothing that a checksum and a
 * bound do not back. */
#include "image/reader.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "image"

static enum dv_status damaged(const struct dv_image_reader *r, const char *what)
{
    return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: %s", r->path, what);
}

static enum dv_status read_at(const struct dv_image_reader *r, void *buffer, size_t length,
                              uint64_t offset, const char *what)
{
    size_t got = 0;
    if (dv_pread_full(r->fd, buffer, length, offset, &got)) {
        int error = errno;
        return dv_fail(MODULE, DV_ERR_IO, "cannot read %s (%s at offset %llu): %s", r->path, what,
                       (unsigned long long)offset, strerror(error));
    }
    if (got != length)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: it ends within its %s", r->path,
                       what);
    return DV_OK;
}

/* Read `length` bytes, which the caller has bounded by the file's size, into new memory. */
static enum dv_status read_new(const struct dv_image_reader *r, uint64_t length, uint64_t offset,
                               const char *what, void **bytes)
{
    void *buffer = malloc(length ? length : 1);
    if (!buffer)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY,
                       "cannot read %s: no memory for its %s (%llu bytes)", r->path, what,
                       (unsigned long long)length);
    enum dv_status status = read_at(r, buffer, length, offset, what);
    if (status) {
        free(buffer);
        return status;
    }
    *bytes = buffer;
    return DV_OK;
}

/* Restoring an image runs what is in it: it must be a file that only its owner can have written. */
static enum dv_status check_file(const struct dv_image_reader *r, uint64_t *size)
{
    struct stat st;
    if (fstat(r->fd, &st) < 0)
        return dv_fail(MODULE, DV_ERR_IO, "cannot examine %s: %s", r->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return damaged(r, "it is not a regular file");
    if (geteuid() != 0 && st.st_uid != geteuid() && st.st_uid != 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s belongs to user %u, not to you", r->path,
                       (unsigned)st.st_uid);
    if (st.st_mode & 022)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "%s can be written by other users (mode %04o); chmod 600 it if you trust it",
                       r->path, (unsigned)st.st_mode & 07777u);
    if (st.st_size < 2 * (off_t)DV_DISK_PAGE)
        return damaged(r, "it is shorter than a header and a footer");
    *size = (uint64_t)st.st_size;
    return DV_OK;
}

static enum dv_status check_header(const struct dv_image_reader *r)
{
    const struct dv_disk_header *h = &r->header;
    if (h->magic != DV_DISK_HEADER_MAGIC)
        return damaged(r, "it does not begin as an image does");
    if (h->checksum != dv_checksum64(h, offsetof(struct dv_disk_header, checksum)))
        return damaged(r, "the header's checksum is wrong");
    if (h->format != DV_IMAGE_FORMAT)
        return dv_fail(MODULE, DV_ERR_UNSUPPORTED, "%s has format %u; this DejaVu reads format %u",
                       r->path, h->format, DV_IMAGE_FORMAT);
    if (!memchr(h->program, 0, sizeof h->program) || !memchr(h->strategy, 0, sizeof h->strategy))
        return damaged(r, "a string in the header has no end");
    return DV_OK;
}

static enum dv_status check_footer(const struct dv_image_reader *r, uint64_t size)
{
    const struct dv_disk_footer *f = &r->footer;
    if (f->magic != DV_DISK_FOOTER_MAGIC)
        return damaged(r, "it does not end as an image does (was it cut short?)");
    if (f->checksum != dv_checksum64(f, offsetof(struct dv_disk_footer, checksum)))
        return damaged(r, "the footer's checksum is wrong");
    if (f->format != r->header.format)
        return damaged(r, "header and footer are of different formats");
    if (f->file_bytes != size)
        return damaged(r, "its length is not the one its footer says");
    uint64_t tables_end = size - DV_DISK_PAGE;
    if (f->runs_offset < DV_DISK_PAGE || f->runs_offset > tables_end ||
        f->run_count > (tables_end - f->runs_offset) / sizeof(struct dv_disk_run) ||
        f->runs_offset + f->run_count * sizeof(struct dv_disk_run) != tables_end)
        return damaged(r, "the run table is out of bounds");
    if (f->run_count > (f->runs_offset - DV_DISK_PAGE) / DV_DISK_PAGE)
        return damaged(r, "the run table is longer than its blocks allow");
    if (f->section_count > DV_DISK_MAX_SECTIONS)
        return damaged(r, "it has too many sections");
    if (f->data_bytes > size || f->zero_bytes > f->examined_bytes ||
        f->examined_bytes - f->zero_bytes != f->data_bytes)
        return damaged(r, "its totals do not add up");
    return DV_OK;
}

/* One run: where the one before it ended, in the file and in memory, decides what it may be. */
static const char *run_fault(const struct dv_disk_run *run, uint64_t offset, uint64_t address)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    if (run->length == 0 || run->length > DV_IMAGE_BLOCK_BYTES || run->length % DV_DISK_PAGE)
        return "a block's length is out of bounds";
    if (run->address % DV_DISK_PAGE || run->address < address ||
        run->address > UINT64_MAX - run->length)
        return "a block's address is out of order";
    if (run->offset != offset)
        return "a block is not where the one before it ends";
    if (run->codec == DV_CODEC_NONE && run->stored != run->length)
        return "a block's stored length is wrong";
    return NULL;
}

/* Check the run table; `*data_end` is where the sections must begin. */
static enum dv_status check_runs(const struct dv_image_reader *r, uint64_t *data_end)
{
    const struct dv_disk_footer *f = &r->footer;
    uint64_t offset = DV_DISK_PAGE, address = 0, data_bytes = 0;
    for (uint64_t i = 0; i < f->run_count; i++) {
        const struct dv_disk_run *run = &r->runs[i];
        const char *fault = run_fault(run, offset, address);
        if (fault)
            return damaged(r, fault);
        if (run->codec != DV_CODEC_NONE)
            return dv_fail(MODULE, DV_ERR_UNSUPPORTED,
                           "%s is packed in a way (%u) that this DejaVu does not know", r->path,
                           run->codec);
        offset += run->stored;
        address = run->address + run->length;
        data_bytes += run->length;
        if (offset > f->runs_offset)
            return damaged(r, "a block is out of bounds");
    }
    if (data_bytes != f->data_bytes)
        return damaged(r, "its blocks do not add up");
    *data_end = offset;
    return DV_OK;
}

static enum dv_status read_sections(struct dv_image_reader *r, uint64_t offset)
{
    const struct dv_disk_footer *f = &r->footer;
    for (uint32_t i = 0; i < f->section_count; i++) {
        const struct dv_disk_section *s = &f->sections[i];
        if (s->offset != offset || s->length > f->runs_offset - offset ||
            s->length > DV_DISK_MAX_SECTION_BYTES)
            return damaged(r, "a section is out of bounds");
        for (uint32_t j = 0; j < i; j++)
            if (f->sections[j].kind == s->kind)
                return damaged(r, "a section is there twice");
        enum dv_status status = read_new(r, s->length, offset, "section", &r->sections[i]);
        if (status)
            return status;
        if (dv_checksum64(r->sections[i], s->length) != s->checksum)
            return damaged(r, "a section's checksum is wrong");
        offset += s->length;
    }
    if (offset != f->runs_offset)
        return damaged(r, "there is a gap before the run table");
    return DV_OK;
}

static enum dv_status read_tables(struct dv_image_reader *r)
{
    const struct dv_disk_footer *f = &r->footer;
    uint64_t table_bytes = f->run_count * sizeof *r->runs, data_end = 0;
    void *table = NULL;
    enum dv_status status = read_new(r, table_bytes, f->runs_offset, "run table", &table);
    if (status)
        return status;
    r->runs = table;
    if (dv_checksum64(r->runs, table_bytes) != f->runs_checksum)
        return damaged(r, "the run table's checksum is wrong");
    uint8_t digest[16];
    dv_disk_digest(&r->header, r->runs, f->run_count, f, digest);
    if (memcmp(digest, f->digest, sizeof digest) != 0)
        return damaged(r, "header, tables and footer do not belong together");
    status = check_runs(r, &data_end);
    if (!status)
        status = read_sections(r, data_end);
    return status;
}

static enum dv_status join_runs(struct dv_image_reader *r)
{
    size_t count = 0;
    for (uint64_t i = 0; i < r->footer.run_count; i++)
        count += i == 0 || r->runs[i].address != r->runs[i - 1].address + r->runs[i - 1].length;
    r->ranges = calloc(count ? count : 1, sizeof *r->ranges);
    if (!r->ranges)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", r->path);
    for (uint64_t i = 0; i < r->footer.run_count; i++) {
        const struct dv_disk_run *run = &r->runs[i];
        struct dv_image_range *last = r->range_count ? &r->ranges[r->range_count - 1] : NULL;
        if (last && last->address + last->length == run->address)
            last->length += run->length;
        else
            r->ranges[r->range_count++] = (struct dv_image_range){run->address, run->length};
    }
    return DV_OK;
}

static void fill_identity(struct dv_image_reader *r)
{
    const struct dv_disk_header *h = &r->header;
    struct dv_image_identity *id = &r->identity;
    id->epoch = h->epoch;
    id->parent_epoch = h->parent_epoch;
    memcpy(id->parent_digest, h->parent_digest, sizeof id->parent_digest);
    id->rank = h->rank;
    id->size = h->size;
    id->gate_abi = h->gate_abi;
    id->page_bytes = h->page_bytes;
    id->cpu_features = h->cpu_features;
    memcpy(id->program_digest, h->program_digest, sizeof id->program_digest);
    memcpy(id->program, h->program, sizeof id->program);
    memcpy(id->strategy, h->strategy, sizeof id->strategy);
    const struct dv_disk_footer *f = &r->footer;
    r->stats = (struct dv_image_stats){.examined_bytes = f->examined_bytes,
                                       .zero_bytes = f->zero_bytes,
                                       .data_bytes = f->data_bytes,
                                       .file_bytes = f->file_bytes};
    memcpy(r->stats.digest, f->digest, sizeof r->stats.digest);
}

static enum dv_status read_all_tables(struct dv_image_reader *r)
{
    uint64_t size = 0;
    enum dv_status status = check_file(r, &size);
    if (!status)
        status = read_at(r, &r->header, sizeof r->header, 0, "header");
    if (!status)
        status = check_header(r);
    if (!status)
        status = read_at(r, &r->footer, sizeof r->footer, size - DV_DISK_PAGE, "footer");
    if (!status)
        status = check_footer(r, size);
    if (!status)
        status = read_tables(r);
    if (!status)
        status = join_runs(r);
    return status;
}

enum dv_status dv_image_reader_open(const char *path, struct dv_image_reader **reader)
{
    struct dv_image_reader *r = calloc(1, sizeof *r);
    if (!r)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", path);
    enum dv_status status;
    snprintf(r->path, sizeof r->path, "%s", path);
    /* O_NONBLOCK: a FIFO in the image's place must not hold us. */
    r->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0) {
        int error = errno;
        status = error == ELOOP ? damaged(r, "it is a symbolic link")
                                : dv_fail(MODULE, dv_status_from_errno(error),
                                          "cannot open image %s: %s", path, strerror(error));
        goto out_close;
    }
    status = read_all_tables(r);
    if (status)
        goto out_close;
    fill_identity(r);
    *reader = r;
    return DV_OK;
out_close:
    dv_image_reader_close(r);
    return status;
}

const struct dv_image_identity *dv_image_reader_identity(const struct dv_image_reader *r)
{
    return &r->identity;
}

const struct dv_image_stats *dv_image_reader_stats(const struct dv_image_reader *r)
{
    return &r->stats;
}

enum dv_status dv_image_reader_section(const struct dv_image_reader *r, enum dv_image_section kind,
                                       const void **bytes, size_t *length)
{
    for (uint32_t i = 0; i < r->footer.section_count; i++) {
        if (r->footer.sections[i].kind != (uint32_t)kind)
            continue;
        *bytes = r->sections[i];
        *length = r->footer.sections[i].length;
        return DV_OK;
    }
    return dv_fail_quietly(DV_ERR_NOT_FOUND, "%s has no section %d", r->path, (int)kind);
}

int dv_image_reader_run(const struct dv_image_reader *r, size_t index, uint64_t *address,
                        uint64_t *length)
{
    if (index >= r->range_count)
        return 0;
    *address = r->ranges[index].address;
    *length = r->ranges[index].length;
    return 1;
}

void dv_image_reader_close(struct dv_image_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    for (uint32_t i = 0; i < DV_DISK_MAX_SECTIONS; i++)
        free(r->sections[i]);
    free(r->ranges);
    free(r->runs);
    free(r);
}

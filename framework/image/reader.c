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
                       (unsigned long long)offset, dv_errno_text(error));
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
        return dv_fail(MODULE, DV_ERR_IO, "cannot examine %s: %s", r->path, dv_errno_text(errno));
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
        return dv_fail(
            MODULE, DV_ERR_UNSUPPORTED, "%s has format %u; this DejaVu reads format %u%s", r->path,
            h->format, DV_IMAGE_FORMAT,
            h->format < DV_IMAGE_FORMAT ? "; restart it with the DejaVu that wrote it" : "");
    if (!memchr(h->program, 0, sizeof h->program) || !memchr(h->strategy, 0, sizeof h->strategy))
        return damaged(r, "a string in the header has no end");
    return DV_OK;
}

/* Can the tables be where the footer says, so that memory for them is bounded by the file's size? */
static const char *footer_fault(const struct dv_disk_footer *f, uint64_t size)
{
    uint64_t tables_end = size - DV_DISK_PAGE;
    if (f->file_bytes != size)
        return "its length is not the one its footer says";
    if (f->runs_offset < DV_DISK_PAGE || f->runs_offset > tables_end ||
        f->run_count > (tables_end - f->runs_offset) / sizeof(struct dv_disk_run))
        return "the run table is out of bounds";
    uint64_t spans_offset = f->runs_offset + f->run_count * sizeof(struct dv_disk_run);
    if (f->span_count > (tables_end - spans_offset) / sizeof(struct dv_disk_span) ||
        spans_offset + f->span_count * sizeof(struct dv_disk_span) != tables_end)
        return "the tables do not end where the footer begins";
    if (f->section_count > DV_DISK_MAX_SECTIONS)
        return "it has too many sections";
    if (f->zero_bytes > f->examined_bytes || f->same_bytes > f->examined_bytes - f->zero_bytes ||
        f->examined_bytes - f->zero_bytes - f->same_bytes != f->data_bytes ||
        f->same_bytes > f->inherited_bytes)
        return "its totals do not add up";
    return NULL;
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
    const char *fault = footer_fault(f, size);
    return fault ? damaged(r, fault) : DV_OK;
}

/* One run: where the one before it ended, in the file and in memory, decides what it may be. */
static const char *run_fault(const struct dv_disk_run *run, uint64_t end, uint64_t address)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    if (run->length == 0 || run->length > DV_IMAGE_BLOCK_BYTES || run->length % DV_DISK_PAGE)
        return "a block's length is out of bounds";
    if (run->address % DV_DISK_PAGE || run->address < address ||
        run->address > UINT64_MAX - run->length)
        return "a block's address is out of order";
    if (run->offset != dv_disk_block_offset(end, run->codec))
        return "a block is not where the one before it ends";
    if (run->codec == DV_CODEC_NONE ? run->stored != run->length
                                    : run->stored == 0 || run->stored >= run->length)
        return "a block's stored length is wrong";
    return NULL;
}

/* Check the run table; `*data_end` is where the sections must begin. */
static enum dv_status check_runs(const struct dv_image_reader *r, uint64_t *data_end)
{
    const struct dv_disk_footer *f = &r->footer;
    uint64_t end = DV_DISK_PAGE, address = 0, data_bytes = 0;
    for (uint64_t i = 0; i < f->run_count; i++) {
        const struct dv_disk_run *run = &r->runs[i];
        const char *fault = run_fault(run, end, address);
        if (fault)
            return damaged(r, fault);
        if (run->codec >= DV_CODEC_COUNT)
            return dv_fail(MODULE, DV_ERR_UNSUPPORTED,
                           "%s is packed in a way (%u) that this DejaVu does not know", r->path,
                           run->codec);
        end = run->offset + run->stored;
        address = run->address + run->length;
        data_bytes += run->length;
        if (end > f->runs_offset)
            return damaged(r, "a block is out of bounds");
    }
    if (data_bytes != f->data_bytes)
        return damaged(r, "its blocks do not add up");
    *data_end = end;
    return DV_OK;
}

/* Spans ascend, and keep clear of the runs. */
static enum dv_status check_spans(const struct dv_image_reader *r)
{
    const struct dv_disk_footer *f = &r->footer;
    uint64_t address = 0, bytes = 0, run = 0;
    for (uint64_t i = 0; i < f->span_count; i++) {
        const struct dv_disk_span *s = &r->spans[i];
        if (s->length == 0 || s->length % DV_DISK_PAGE || s->address % DV_DISK_PAGE ||
            s->address < address || s->address > UINT64_MAX - s->length)
            return damaged(r, "a span of inherited pages is out of order");
        address = s->address + s->length;
        bytes += s->length;
        while (run < f->run_count && r->runs[run].address + r->runs[run].length <= s->address)
            run++;
        if (run < f->run_count && r->runs[run].address < address)
            return damaged(r, "pages are both stored and inherited");
    }
    if (bytes != f->inherited_bytes)
        return damaged(r, "its inherited pages do not add up");
    const struct dv_disk_header *h = &r->header;
    static const uint8_t none[sizeof h->parent_digest];
    if (f->span_count ? h->parent_epoch == 0 || h->parent_epoch >= h->epoch
                      : h->parent_epoch || memcmp(h->parent_digest, none, sizeof none) != 0)
        return damaged(r, f->span_count ? "it inherits from no earlier epoch"
                                        : "it names a parent that it inherits nothing from");
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

static enum dv_status read_table(const struct dv_image_reader *r, uint64_t bytes, uint64_t offset,
                                 uint64_t checksum, const char *what, void **table)
{
    enum dv_status status = read_new(r, bytes, offset, what, table);
    if (!status && dv_checksum64(*table, bytes) != checksum)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: the checksum of its %s is wrong",
                       r->path, what);
    return status;
}

static enum dv_status read_tables(struct dv_image_reader *r)
{
    const struct dv_disk_footer *f = &r->footer;
    uint64_t runs_bytes = f->run_count * sizeof *r->runs, data_end = 0;
    uint64_t spans_bytes = f->span_count * sizeof *r->spans;
    void *table = NULL;
    enum dv_status status =
        read_table(r, runs_bytes, f->runs_offset, f->runs_checksum, "run table", &table);
    r->runs = table;
    table = NULL;
    if (!status)
        status = read_table(r, spans_bytes, f->runs_offset + runs_bytes, f->spans_checksum,
                            "table of spans", &table);
    r->spans = table;
    if (status)
        return status;
    uint8_t digest[16];
    dv_disk_digest(&r->header, r->runs, f->run_count, r->spans, f->span_count, f, digest);
    if (memcmp(digest, f->digest, sizeof digest) != 0)
        return damaged(r, "header, tables and footer do not belong together");
    status = check_runs(r, &data_end);
    if (!status)
        status = check_spans(r);
    if (!status)
        status = read_sections(r, data_end);
    return status;
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
                                       .same_bytes = f->same_bytes,
                                       .data_bytes = f->data_bytes,
                                       .inherited_bytes = f->inherited_bytes,
                                       .file_bytes = f->file_bytes,
                                       .parent_epoch = h->parent_epoch};
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
                                          "cannot open image %s: %s", path, dv_errno_text(error));
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

const uint8_t *dv_image_reader_origin(const struct dv_image_reader *r)
{
    static const uint8_t none[sizeof r->header.origin_digest];
    return memcmp(r->header.origin_digest, none, sizeof none) != 0 ? r->header.origin_digest : NULL;
}

void dv_image_reader_close(struct dv_image_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    for (uint32_t i = 0; i < DV_DISK_MAX_SECTIONS; i++)
        free(r->sections[i]);
    free(r->spans);
    free(r->runs);
    free(r);
}

/* Makes forged images consistent, without which a fuzzer would not come past the first checksum. */
#include "fuzz_image.h"
#include "image/checksum.h"
#include "image/format.h"

#include <stdlib.h>
#include <string.h>

/* Tables as they are in memory, aligned. */
struct tables {
    struct dv_disk_header header;
    struct dv_disk_footer footer;
    struct dv_disk_run *runs;
    struct dv_disk_span *spans;
    int found;
};

static void find_tables(const uint8_t *image, size_t bytes, struct tables *t)
{
    memcpy(&t->header, image, sizeof t->header);
    memcpy(&t->footer, image + bytes - sizeof t->footer, sizeof t->footer);
    const struct dv_disk_footer *f = &t->footer;
    uint64_t end = bytes - sizeof *f;
    t->found = f->runs_offset >= DV_DISK_PAGE && f->runs_offset <= end &&
               f->run_count <= (end - f->runs_offset) / sizeof *t->runs;
    uint64_t runs_bytes = t->found ? f->run_count * sizeof *t->runs : 0;
    t->found = t->found && f->span_count <= (end - f->runs_offset - runs_bytes) / sizeof *t->spans;
    if (!t->found)
        return;
    uint64_t spans_bytes = f->span_count * sizeof *t->spans;
    t->runs = malloc(runs_bytes + 1);
    t->spans = malloc(spans_bytes + 1);
    memcpy(t->runs, image + f->runs_offset, runs_bytes);
    memcpy(t->spans, image + f->runs_offset + runs_bytes, spans_bytes);
}

static void repair_totals(struct tables *t)
{
    struct dv_disk_footer *f = &t->footer;
    f->data_bytes = f->inherited_bytes = 0;
    for (uint64_t i = 0; i < f->run_count; i++)
        f->data_bytes += t->runs[i].length;
    for (uint64_t i = 0; i < f->span_count; i++)
        f->inherited_bytes += t->spans[i].length;
    if (f->same_bytes > f->inherited_bytes)
        f->same_bytes = f->inherited_bytes;
    f->examined_bytes = f->zero_bytes + f->same_bytes + f->data_bytes;
}

static void repair_tables(uint8_t *image, size_t bytes, struct tables *t)
{
    struct dv_disk_footer *f = &t->footer;
    uint64_t runs_bytes = f->run_count * sizeof *t->runs;
    uint64_t spans_bytes = f->span_count * sizeof *t->spans;
    for (uint64_t i = 0; i < f->run_count; i++) {
        struct dv_disk_run *run = &t->runs[i];
        if (run->offset <= bytes && run->stored <= bytes - run->offset)
            run->checksum = dv_checksum64(image + run->offset, run->stored);
    }
    for (uint32_t i = 0; i < f->section_count && i < DV_DISK_MAX_SECTIONS; i++) {
        struct dv_disk_section *s = &f->sections[i];
        if (s->offset <= bytes && s->length <= bytes - s->offset)
            s->checksum = dv_checksum64(image + s->offset, s->length);
    }
    f->runs_checksum = dv_checksum64(t->runs, runs_bytes);
    f->spans_checksum = dv_checksum64(t->spans, spans_bytes);
    memcpy(image + f->runs_offset, t->runs, runs_bytes);
    memcpy(image + f->runs_offset + runs_bytes, t->spans, spans_bytes);
}

/* What must hold besides the checksums. */
static void repair_sense(struct tables *t, size_t bytes)
{
    t->header.magic = DV_DISK_HEADER_MAGIC;
    t->header.format = t->footer.format = DV_IMAGE_FORMAT;
    t->footer.magic = DV_DISK_FOOTER_MAGIC;
    t->footer.file_bytes = bytes;
    if (!t->found)
        return;
    repair_totals(t);
    if (t->footer.span_count == 0) {
        t->header.parent_epoch = 0;
        memset(t->header.parent_digest, 0, sizeof t->header.parent_digest);
    }
}

void fuzz_repair(uint8_t *image, size_t bytes, int sums_only)
{
    struct tables t = {.found = 0};
    if (bytes < 2 * (size_t)DV_DISK_PAGE)
        return;
    find_tables(image, bytes, &t);
    if (!sums_only)
        repair_sense(&t, bytes);
    t.header.checksum = dv_checksum64(&t.header, offsetof(struct dv_disk_header, checksum));
    if (t.found) {
        repair_tables(image, bytes, &t);
        dv_disk_digest(&t.header, t.runs, t.footer.run_count, t.spans, t.footer.span_count,
                       &t.footer, t.footer.digest);
    }
    t.footer.checksum = dv_checksum64(&t.footer, offsetof(struct dv_disk_footer, checksum));
    memcpy(image, &t.header, sizeof t.header);
    memcpy(image + bytes - sizeof t.footer, &t.footer, sizeof t.footer);
    free(t.runs);
    free(t.spans);
}

void fuzz_link(struct fuzz_input *in)
{
    struct dv_disk_header child, parent;
    struct dv_disk_footer footer;
    if (in->first_bytes < 2 * sizeof child || in->second_bytes < 2 * sizeof parent)
        return;
    memcpy(&child, in->first, sizeof child);
    memcpy(&parent, in->second, sizeof parent);
    memcpy(&footer, in->second + in->second_bytes - sizeof footer, sizeof footer);
    if (child.epoch <= parent.epoch)
        child.epoch = parent.epoch + 1;
    child.parent_epoch = parent.epoch;
    child.rank = parent.rank;
    child.size = parent.size;
    memcpy(child.parent_digest, footer.digest, sizeof child.parent_digest);
    memcpy(in->first, &child, sizeof child);
    fuzz_repair(in->first, in->first_bytes, 0);
}

/* libFuzzer's custom mutator: bytes of one part of an image are changed, a field of one of its structures is, or blocks and
 * spans come and go; mostly, checksums are made right afterwards. */
#include "fuzz_image.h"
#include "image/format.h"

#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t any(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (state >> 11) % below : 0;
}

static uint64_t interesting(uint64_t value)
{
    static const uint64_t values[] = {
        0,         1,          2,          3,          4095,       4096,
        4097,      8192,       65536,      262144,     266240,     1u << 20,
        1u << 31,  UINT32_MAX, 1ull << 32, 1ull << 47, 1ull << 63, UINT64_MAX - 4095,
        UINT64_MAX};
    switch (any(7)) {
    case 0:
        return values[any(sizeof values / sizeof *values)];
    case 1:
        return value + 1;
    case 2:
        return value - 1;
    case 3:
        return value + DV_DISK_PAGE;
    case 4:
        return value - DV_DISK_PAGE;
    case 5:
        return value ^ (1ull << any(64));
    default:
        return value * 2;
    }
}

/* Change a 4- or 8-byte field at a place that is a multiple of 4. */
static void change_field(uint8_t *structure, size_t bytes)
{
    size_t width = any(2) ? 8 : 4;
    if (bytes < width)
        return;
    size_t at = any((bytes - width) / 4 + 1) * 4;
    uint64_t value = 0;
    memcpy(&value, structure + at, width);
    value = interesting(value);
    memcpy(structure + at, &value, width);
}

struct place {
    uint64_t at, bytes;
};

/* Where the structures and data of an image are. */
static struct place choose_place(const uint8_t *image, size_t bytes)
{
    struct dv_disk_footer f;
    memcpy(&f, image + bytes - sizeof f, sizeof f);
    uint64_t end = bytes - sizeof f, runs = f.runs_offset, runs_bytes = 0, spans_bytes = 0;
    if (runs > end)
        runs = end;
    runs_bytes = f.run_count < 10000 ? f.run_count * sizeof(struct dv_disk_run) : 0;
    if (runs_bytes > end - runs)
        runs_bytes = end - runs;
    spans_bytes = end - runs - runs_bytes;
    switch (any(8)) {
    case 0:
        return (struct place){0, 112};
    case 1:
        return (struct place){0, sizeof(struct dv_disk_header)};
    case 2:
        return (struct place){end, 104};
    case 3:
        return (struct place){end + 104, sizeof f.sections};
    case 4:
    case 5:
        return (struct place){runs, runs_bytes};
    case 6:
        return (struct place){runs + runs_bytes, spans_bytes};
    default:
        return (struct place){DV_DISK_PAGE, runs > DV_DISK_PAGE ? runs - DV_DISK_PAGE : 0};
    }
}

static void change_place(uint8_t *image, size_t bytes)
{
    struct place p = choose_place(image, bytes);
    if (p.bytes == 0 || p.at > bytes || p.bytes > bytes - p.at)
        return;
    if (any(3) && p.at != DV_DISK_PAGE) {
        change_field(image + p.at, p.bytes);
        return;
    }
    /* A stretch of bytes, whose number stays. */
    size_t from = any(p.bytes), length = any(64) + 1;
    if (length > p.bytes - from)
        length = p.bytes - from;
    LLVMFuzzerMutate(image + p.at + from, length, length);
}

struct parts {
    uint8_t *image;
    size_t bytes;
    struct dv_disk_footer f;
};

/* The image anew, with blocks and spans dropped, doubled, cut or moved. Returns its bytes, 0: cannot be. */
static size_t rebuild(const struct parts *p, uint8_t *out, size_t room)
{
    const struct dv_disk_footer *f = &p->f;
    uint64_t tables = p->bytes - sizeof *f, run_count = 0, span_count = 0, address = 0;
    struct dv_disk_run runs[128];
    struct dv_disk_span spans[128];
    if (f->runs_offset > tables || f->run_count > 64 || f->span_count > 64 ||
        f->run_count * sizeof *runs + f->span_count * sizeof *spans > tables - f->runs_offset ||
        room < 2 * (size_t)DV_DISK_PAGE)
        return 0;
    uint64_t end = DV_DISK_PAGE;
    memcpy(out, p->image, DV_DISK_PAGE);
    for (uint64_t i = 0; i < f->run_count; i++) {
        struct dv_disk_run run;
        memcpy(&run, p->image + f->runs_offset + i * sizeof run, sizeof run);
        if (any(12) == 0 || run.offset > p->bytes || run.stored > p->bytes - run.offset)
            continue;
        uint64_t from = run.offset;
        if (any(12) == 0)
            run.codec = (uint32_t)any(DV_CODEC_COUNT);
        if (any(12) == 0)
            run.length = (uint32_t)(any(64) + 1) * DV_DISK_PAGE;
        if (any(16) == 0 && run.stored)
            run.stored = (uint32_t)any(run.stored) + 1;
        if (run.codec == DV_CODEC_NONE)
            run.length = run.stored = run.stored & ~(DV_DISK_PAGE - 1);
        if (any(12) == 0)
            run.address += any(8) * DV_DISK_PAGE;
        run.offset = dv_disk_block_offset(end, run.codec);
        if (run.length == 0 || run.offset + run.stored > room - DV_DISK_PAGE)
            continue;
        memset(out + end, 0, run.offset - end);
        memcpy(out + run.offset, p->image + from, run.stored);
        end = run.offset + run.stored;
        runs[run_count++] = run;
    }
    for (uint64_t i = 0; i < f->span_count + 1; i++) {
        struct dv_disk_span span = {address + any(4) * DV_DISK_PAGE, (any(4) + 1) * DV_DISK_PAGE};
        if (i < f->span_count)
            memcpy(&span, p->image + f->runs_offset + f->run_count * sizeof *runs + i * sizeof span,
                   sizeof span);
        else if (any(4))
            break;
        if (any(12) == 0)
            continue;
        if (any(12) == 0)
            span.length = (any(16) + 1) * DV_DISK_PAGE;
        address = span.address + span.length;
        spans[span_count++] = span;
    }
    struct dv_disk_footer footer = *f;
    uint64_t sections = 0;
    for (uint32_t i = 0; i < f->section_count && i < DV_DISK_MAX_SECTIONS; i++) {
        struct dv_disk_section s = f->sections[i];
        if (any(12) == 0 || s.offset > p->bytes || s.length > p->bytes - s.offset ||
            end + s.length > room - DV_DISK_PAGE)
            continue;
        memcpy(out + end, p->image + s.offset, s.length);
        s.offset = end;
        end += s.length;
        footer.sections[sections++] = s;
    }
    footer.section_count = (uint32_t)sections;
    footer.runs_offset = end;
    footer.run_count = run_count;
    footer.span_count = span_count;
    uint64_t runs_bytes = run_count * sizeof *runs, spans_bytes = span_count * sizeof *spans;
    if (end + runs_bytes + spans_bytes + sizeof footer > room)
        return 0;
    memcpy(out + end, runs, runs_bytes);
    memcpy(out + end + runs_bytes, spans, spans_bytes);
    end += runs_bytes + spans_bytes;
    memcpy(out + end, &footer, sizeof footer);
    return end + sizeof footer;
}

/* Rebuild one of the two images of an input. */
static size_t rebuild_input(uint8_t *data, size_t size, size_t max_size, int second)
{
    struct fuzz_input in = fuzz_parse(data, size);
    struct parts p = {.image = second ? in.second : in.first,
                      .bytes = second ? in.second_bytes : in.first_bytes};
    size_t other = size - p.bytes;
    uint8_t *out = malloc(max_size);
    memcpy(&p.f, p.image + p.bytes - sizeof p.f, sizeof p.f);
    size_t bytes = max_size > other ? rebuild(&p, out, max_size - other) : 0;
    if (bytes) {
        memmove(p.image + bytes, p.image + p.bytes, (size_t)(data + size - p.image) - p.bytes);
        memcpy(p.image, out, bytes);
        size = size - p.bytes + bytes;
        if (!second) {
            uint32_t first = (uint32_t)bytes;
            memcpy(data, &first, sizeof first);
        }
    }
    free(out);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    for (int i = 0; i < 4; i++)
        any(2);
    struct fuzz_input in = fuzz_parse(data, size);
    int second = any(3) == 0 && in.second_bytes >= 2 * (size_t)DV_DISK_PAGE;
    if (in.first_bytes < 2 * (size_t)DV_DISK_PAGE || any(64) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if (any(8) == 0)
        data[4] = (uint8_t)any(8);
    if (any(3) == 0)
        size = rebuild_input(data, size, max_size, second);
    in = fuzz_parse(data, size);
    for (uint64_t i = any(3); i < 3; i++)
        change_place(second ? in.second : in.first, second ? in.second_bytes : in.first_bytes);
    if (any(16) == 0)
        return size;
    fuzz_repair(in.first, in.first_bytes);
    fuzz_repair(in.second, in.second_bytes);
    if (any(4))
        fuzz_link(&in);
    return size;
}

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

/* An image that is written anew: where from, where to, and the tables so far. */
struct build {
    const uint8_t *image;
    size_t bytes, room;
    struct dv_disk_footer f;
    uint8_t *out;
    uint64_t end, run_count, span_count;
    struct dv_disk_run runs[65];
    struct dv_disk_span spans[65];
};

/* A block is dropped, moved, cut, or said to be of another length or codec. */
static void build_run(struct build *b, struct dv_disk_run run)
{
    uint64_t from = run.offset;
    if (any(12) == 0 || from > b->bytes || run.stored > b->bytes - from)
        return;
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
    run.offset = dv_disk_block_offset(b->end, run.codec);
    if (run.length == 0 || run.offset + run.stored > b->room - DV_DISK_PAGE)
        return;
    memset(b->out + b->end, 0, run.offset - b->end);
    memcpy(b->out + run.offset, b->image + from, run.stored);
    b->end = run.offset + run.stored;
    b->runs[b->run_count++] = run;
}

/* Spans are dropped and stretched; now and then there is one more. */
static void build_spans(struct build *b, uint64_t offset)
{
    uint64_t address = 0, count = b->f.span_count;
    for (uint64_t i = 0; i < count + (any(4) == 0); i++) {
        struct dv_disk_span span = {address + any(4) * DV_DISK_PAGE, (any(4) + 1) * DV_DISK_PAGE};
        if (i < count)
            memcpy(&span, b->image + offset + i * sizeof span, sizeof span);
        if (any(12) == 0 || b->span_count == sizeof b->spans / sizeof *b->spans)
            continue;
        if (any(12) == 0)
            span.length = (any(16) + 1) * DV_DISK_PAGE;
        address = span.address + span.length;
        b->spans[b->span_count++] = span;
    }
}

static void build_sections(struct build *b)
{
    uint32_t count = b->f.section_count, kept = 0;
    for (uint32_t i = 0; i < count && i < DV_DISK_MAX_SECTIONS; i++) {
        struct dv_disk_section s = b->f.sections[i];
        if (any(12) == 0 || s.offset > b->bytes || s.length > b->bytes - s.offset ||
            b->end + s.length > b->room - DV_DISK_PAGE)
            continue;
        memcpy(b->out + b->end, b->image + s.offset, s.length);
        s.offset = b->end;
        b->end += s.length;
        b->f.sections[kept++] = s;
    }
    b->f.section_count = kept;
}

/* Returns its bytes, 0: cannot be. */
static size_t rebuild(struct build *b)
{
    const uint64_t offset = b->f.runs_offset, runs = b->f.run_count;
    uint64_t tables = b->bytes - sizeof b->f;
    if (offset > tables || runs > 64 || b->f.span_count > 64 ||
        b->room < 2 * (size_t)DV_DISK_PAGE ||
        runs * sizeof *b->runs + b->f.span_count * sizeof *b->spans > tables - offset)
        return 0;
    b->end = DV_DISK_PAGE;
    memcpy(b->out, b->image, DV_DISK_PAGE);
    for (uint64_t i = 0; i < runs; i++) {
        struct dv_disk_run run;
        memcpy(&run, b->image + offset + i * sizeof run, sizeof run);
        build_run(b, run);
    }
    build_spans(b, offset + runs * sizeof *b->runs);
    build_sections(b);
    uint64_t runs_bytes = b->run_count * sizeof *b->runs;
    uint64_t spans_bytes = b->span_count * sizeof *b->spans;
    b->f.runs_offset = b->end;
    b->f.run_count = b->run_count;
    b->f.span_count = b->span_count;
    if (b->end + runs_bytes + spans_bytes + sizeof b->f > b->room)
        return 0;
    memcpy(b->out + b->end, b->runs, runs_bytes);
    memcpy(b->out + b->end + runs_bytes, b->spans, spans_bytes);
    b->end += runs_bytes + spans_bytes;
    memcpy(b->out + b->end, &b->f, sizeof b->f);
    return b->end + sizeof b->f;
}

/* Rebuild one of the two images of an input. */
static size_t rebuild_input(uint8_t *data, size_t size, size_t max_size, int second)
{
    struct fuzz_input in = fuzz_parse(data, size);
    uint8_t *image = second ? in.second : in.first;
    static struct build b;
    b = (struct build){.image = image, .bytes = second ? in.second_bytes : in.first_bytes};
    size_t other = size - b.bytes, bytes = 0;
    b.out = malloc(max_size);
    memcpy(&b.f, image + b.bytes - sizeof b.f, sizeof b.f);
    if (b.out && max_size > other) {
        b.room = max_size - other;
        bytes = rebuild(&b);
    }
    if (bytes) {
        memmove(image + bytes, image + b.bytes, (size_t)(data + size - image) - b.bytes);
        memcpy(image, b.out, bytes);
        size = other + bytes;
        if (!second) {
            uint32_t first = (uint32_t)bytes;
            memcpy(data, &first, sizeof first);
        }
    }
    free(b.out);
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
    int sums_only = any(6) == 0;
    fuzz_repair(in.first, in.first_bytes, sums_only);
    fuzz_repair(in.second, in.second_bytes, 0);
    if (any(4) && !sums_only)
        fuzz_link(&in);
    return size;
}

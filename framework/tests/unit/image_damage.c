/* Unit test: no damage to an image goes unnoticed, and none crashes the reader. */
#include "image/checksum.h"
#include "image_support.h"

#define PAGES 150u
#define STORED 100u /* the rest is inherited */

/* A sound image, of blocks packed and as they are, and its bytes; and its parent. */
struct sound {
    char directory[PATH_MAX], path[PATH_MAX + 8], parent[PATH_MAX + 8];
    const char *damaged; /* the one that errors are to name */
    char *memory, *bytes;
    size_t length;
};

static struct sound sound;

static enum dv_status write_parent(struct dv_image_identity *child)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_stats stats;
    struct dv_image_writer *w = NULL;
    id.epoch = child->epoch - 1;
    enum dv_status status = begin_image(sound.directory, "p", NULL, &id, &w);
    if (!status)
        status = fill_and_commit(w, sound.memory, PAGES, &stats);
    child->parent_epoch = id.epoch;
    memcpy(child->parent_digest, stats.digest, sizeof stats.digest);
    return status;
}

static enum dv_status write_child(const struct dv_image_identity *id)
{
    struct dv_image_spec spec = {.directory = sound.directory,
                                 .name = "i",
                                 .identity = id,
                                 .most_pages = PAGES,
                                 .codec = DV_CODEC_SHUFFLE_LZ4};
    struct dv_image_writer *w = NULL;
    enum dv_status status = dv_image_writer_new(&spec, &w);
    if (!status)
        status = dv_image_write_section(w, DV_SECTION_REGIONS, "regions of it", 14);
    if (!status)
        status = dv_image_write_section(w, DV_SECTION_CONTEXT, "ctx", 3);
    if (!status)
        status = dv_image_writer_begin(w);
    if (!status)
        status = dv_image_write_pages(w, BASE, STORED * PAGE, sound.memory);
    if (!status)
        status = dv_image_write_inherited(w, BASE + STORED * PAGE, 30 * PAGE);
    if (!status)
        status = dv_image_write_inherited(w, BASE + (STORED + 31) * PAGE, 19 * PAGE);
    if (!status)
        status = dv_image_writer_finish(w, NULL);
    return status ? status : dv_image_writer_commit(w);
}

static int make_sound(void **state)
{
    void *directory;
    struct dv_image_identity id = test_identity();
    (void)state;
    if (check_make_directory(&directory))
        return -1;
    snprintf(sound.directory, sizeof sound.directory, "%s", (char *)directory);
    snprintf(sound.path, sizeof sound.path, "%s/i", sound.directory);
    snprintf(sound.parent, sizeof sound.parent, "%s/p", sound.directory);
    sound.damaged = sound.path;
    sound.memory = test_pages(PAGES, 9, 42);
    /* Pages that can be packed, in blocks of their own. */
    for (size_t p = 20; p < 60; p++)
        for (size_t i = 0; i < PAGE; i += 8)
            sound.memory[p * PAGE + i] = (char)(1 + i / 8),
                                    memset(sound.memory + p * PAGE + i + 1, 3, 7);
    for (size_t p = 19; p <= 60; p += 41)
        memset(sound.memory + p * PAGE, 0, PAGE);
    memset(sound.memory + (STORED + 30) * PAGE, 0, PAGE);
    if (write_parent(&id) || write_child(&id) ||
        dv_read_file(sound.path, 1u << 30, &sound.bytes, &sound.length))
        return -1;
    return 0;
}

static int free_sound(void **state)
{
    (void)state;
    free(sound.memory);
    free(sound.bytes);
    return dv_remove_tree(sound.directory) ? -1 : 0;
}

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    const struct dv_image_identity id = test_identity();
    (void)arg;
    (void)rank;
    snprintf(path, path_bytes, "%s", epoch == id.epoch ? sound.path : sound.parent);
    return DV_OK;
}

static void put_file(const char *bytes, size_t length)
{
    int fd = open(sound.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, bytes, length), DV_OK);
    close(fd);
}

/* What opening and then verifying and loading say; all must agree, and nothing wrong may be
 * accepted. */
static enum dv_status outcome(void)
{
    const struct dv_image_identity id = test_identity();
    struct dv_image_chain *c = NULL;
    enum dv_status status = dv_image_chain_open(locate, NULL, id.epoch, id.rank, &c);
    if (status) {
        assert_null(c);
        assert_non_null(strstr(dv_image_why(), sound.damaged));
        return status;
    }
    char *loaded = calloc(PAGES, PAGE);
    status = dv_image_chain_load(c, BASE, BASE + PAGES * PAGE, loaded, 2);
    if (!status)
        assert_memory_equal(loaded, sound.memory, PAGES * PAGE);
    else
        assert_non_null(strstr(dv_image_why(), sound.damaged));
    /* Pages of the parent that are stored here need not be sound there, but verifying finds it. */
    enum dv_status verified = dv_image_chain_verify(c);
    assert_true(verified == status || (!status && sound.damaged == sound.parent));
    if (verified)
        assert_non_null(strstr(dv_image_why(), sound.damaged));
    free(loaded);
    dv_image_chain_close(c);
    return verified;
}

static void cut_or_extended(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 64; i++) {
        put_file(sound.bytes, sound.length * i / 64);
        assert_int_equal(outcome(), DV_ERR_DAMAGED);
    }
    for (size_t cut = 1; cut <= 3 * PAGE; cut += cut < 50 ? 1 : 311) {
        put_file(sound.bytes, sound.length - cut);
        assert_int_equal(outcome(), DV_ERR_DAMAGED);
    }
    char *longer = calloc(1, sound.length + 2 * PAGE);
    memcpy(longer, sound.bytes, sound.length);
    put_file(longer, sound.length + 1);
    assert_int_equal(outcome(), DV_ERR_DAMAGED);
    /* The footer once more behind the end. */
    memcpy(longer + sound.length, sound.bytes + sound.length - PAGE, PAGE);
    put_file(longer, sound.length + PAGE);
    assert_int_equal(outcome(), DV_ERR_DAMAGED);
    free(longer);
    put_file(sound.bytes, sound.length);
    assert_int_equal(outcome(), DV_OK);
}

/* Between a packed block and one that begins at a multiple of 4096, zeros that nobody reads. */
static int is_padding(size_t at)
{
    struct dv_disk_footer f;
    struct dv_disk_run run;
    size_t end = PAGE;
    memcpy(&f, sound.bytes + sound.length - PAGE, sizeof f);
    for (uint64_t i = 0; i < f.run_count; i++) {
        memcpy(&run, sound.bytes + f.runs_offset + i * sizeof run, sizeof run);
        if (at >= end && at < run.offset)
            return 1;
        end = run.offset + run.stored;
    }
    return 0;
}

static void flip(size_t at, int bit)
{
    char byte = (char)(sound.bytes[at] ^ (1 << bit));
    int fd = open(sound.path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(dv_pwrite_all(fd, &byte, 1, at), DV_OK);
    assert_int_equal(outcome(), is_padding(at) ? DV_OK : DV_ERR_DAMAGED);
    assert_int_equal(dv_pwrite_all(fd, &sound.bytes[at], 1, at), DV_OK);
    close(fd);
}

static void flipped_bits(void **unused)
{
    uint64_t seed = 7;
    (void)unused;
    put_file(sound.bytes, sound.length);
    struct dv_disk_footer f;
    memcpy(&f, sound.bytes + sound.length - PAGE, sizeof f);
    /* Every byte of the header, of sections, tables and footer; any bit of it. */
    for (size_t i = 0; i < PAGE; i++)
        flip(i, (int)(next_random(&seed) % 8));
    for (size_t i = f.sections[0].offset; i < sound.length; i++)
        flip(i, (int)(next_random(&seed) % 8));
    for (int i = 0; i < 2000; i++)
        flip(next_random(&seed) % sound.length, (int)(next_random(&seed) % 8));
    assert_int_equal(outcome(), DV_OK);
}

static void noise(void **unused)
{
    uint64_t seed = 8;
    (void)unused;
    put_file("", 0);
    assert_int_equal(outcome(), DV_ERR_DAMAGED);
    char *bytes = malloc(64 * PAGE);
    for (int i = 0; i < 50; i++) {
        for (size_t j = 0; j < 8 * PAGE; j++)
            ((uint64_t *)(void *)bytes)[j] = next_random(&seed);
        put_file(bytes, next_random(&seed) % (64 * PAGE));
        assert_int_equal(outcome(), DV_ERR_DAMAGED);
    }
    memset(bytes, 0, 64 * PAGE);
    put_file(bytes, 64 * PAGE);
    assert_int_equal(outcome(), DV_ERR_DAMAGED);
    free(bytes);
}

/* Forgeries: all checksums right, contents absurd. */
struct forgery {
    struct dv_disk_header *header;
    struct dv_disk_run *runs;
    struct dv_disk_span *spans;
    struct dv_disk_footer *footer;
    size_t run_count, span_count, packed,
        raw; /* packed: index of such a block; raw: of one behind the first */
    char *bytes;
};

static void open_forgery(struct forgery *f)
{
    size_t runs_bytes = f->run_count * sizeof *f->runs,
           spans_bytes = f->span_count * sizeof *f->spans;
    f->runs = malloc(runs_bytes);
    f->spans = malloc(spans_bytes);
    memcpy(f->runs, f->bytes + f->footer->runs_offset, runs_bytes);
    memcpy(f->spans, f->bytes + f->footer->runs_offset + runs_bytes, spans_bytes);
    for (size_t i = 1; i < f->run_count; i++)
        *(f->runs[i].codec ? &f->packed : &f->raw) = i;
    assert_true(f->packed && f->raw && f->span_count == 2);
}

static void close_forgery(struct forgery *f, uint64_t table)
{
    size_t runs_bytes = f->run_count * sizeof *f->runs,
           spans_bytes = f->span_count * sizeof *f->spans;
    struct dv_disk_footer *footer = f->footer;
    f->header->checksum = dv_checksum64(f->header, offsetof(struct dv_disk_header, checksum));
    footer->runs_checksum = dv_checksum64(f->runs, runs_bytes);
    footer->spans_checksum = dv_checksum64(f->spans, spans_bytes);
    dv_disk_digest(f->header, f->runs, f->run_count, f->spans, f->span_count, footer,
                   footer->digest);
    footer->checksum = dv_checksum64(footer, offsetof(struct dv_disk_footer, checksum));
    memcpy(f->bytes, f->header, sizeof *f->header);
    memcpy(f->bytes + table, f->runs, runs_bytes);
    memcpy(f->bytes + table + runs_bytes, f->spans, spans_bytes);
    memcpy(f->bytes + sound.length - PAGE, footer, sizeof *footer);
    free(f->runs);
    free(f->spans);
}

static void forge(void (*change)(struct forgery *), enum dv_status expected, const char *text)
{
    /* Tables and footer need not be aligned in the file: changed in copies. */
    struct dv_disk_header header;
    struct dv_disk_footer footer;
    struct forgery f = {.header = &header, .footer = &footer, .bytes = malloc(sound.length)};
    memcpy(f.bytes, sound.bytes, sound.length);
    memcpy(&header, f.bytes, sizeof header);
    memcpy(&footer, f.bytes + sound.length - PAGE, sizeof footer);
    f.run_count = footer.run_count;
    f.span_count = footer.span_count;
    uint64_t table = footer.runs_offset;
    open_forgery(&f);
    change(&f);
    close_forgery(&f, table);
    put_file(f.bytes, sound.length);
    enum dv_status status = outcome();
    if (status != expected || (expected && !strstr(dv_image_why(), text)))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, text, status, dv_image_why());
    free(f.bytes);
}

static void nothing(struct forgery *f)
{
    (void)f;
}
static void newer_format(struct forgery *f)
{
    f->header->format = f->footer->format = 3;
}
static void older_format(struct forgery *f)
{
    f->header->format = f->footer->format = 1;
}
static void two_formats(struct forgery *f)
{
    f->footer->format = 3;
}
static void endless_program(struct forgery *f)
{
    memset(f->header->program, 'x', sizeof f->header->program);
}
static void endless_strategy(struct forgery *f)
{
    memset(f->header->strategy, 'x', sizeof f->header->strategy);
}
static void many_runs(struct forgery *f)
{
    f->footer->run_count = UINT64_MAX / sizeof(struct dv_disk_run) + 1;
}
static void more_runs(struct forgery *f)
{
    f->footer->run_count += 1;
}
static void table_at_0(struct forgery *f)
{
    f->footer->runs_offset = 0;
}
static void table_at_end(struct forgery *f)
{
    f->footer->runs_offset = UINT64_MAX;
}
static void all_table(struct forgery *f)
{
    /* The run table begins with the data. */
    uint64_t end = f->footer->runs_offset + f->footer->run_count * sizeof(struct dv_disk_run);
    f->footer->run_count = (end - PAGE) / sizeof(struct dv_disk_run) - 1;
    f->footer->runs_offset = end - f->footer->run_count * sizeof(struct dv_disk_run);
}
static void other_length(struct forgery *f)
{
    f->footer->file_bytes++;
}
static void many_sections(struct forgery *f)
{
    f->footer->section_count = 33;
}
static void long_section(struct forgery *f)
{
    f->footer->sections[1].length = UINT64_MAX;
}
static void section_gap(struct forgery *f)
{
    f->footer->sections[1].offset++;
}
static void short_section(struct forgery *f)
{
    f->footer->sections[1].length--;
    f->footer->sections[1].checksum = dv_checksum64("ct", 2);
}
static void same_section(struct forgery *f)
{
    f->footer->sections[1].kind = f->footer->sections[0].kind;
}
static void other_section(struct forgery *f)
{
    f->footer->sections[0].checksum++;
}
static void totals(struct forgery *f)
{
    f->footer->examined_bytes += PAGE;
}
static void totals_2(struct forgery *f)
{
    f->footer->examined_bytes += PAGE;
    f->footer->data_bytes += PAGE;
}
static void empty_block(struct forgery *f)
{
    f->runs[f->raw].length = f->runs[f->raw].stored = 0;
}
static void long_block(struct forgery *f)
{
    f->runs[f->raw].length = f->runs[f->raw].stored = DV_IMAGE_BLOCK_BYTES + PAGE;
}
static void odd_block(struct forgery *f)
{
    f->runs[f->raw].length = f->runs[f->raw].stored = 5000;
}
static void overlapping(struct forgery *f)
{
    f->runs[f->raw].address = f->runs[0].address;
}
static void unaligned(struct forgery *f)
{
    f->runs[f->raw].address++;
}
static void wrapping(struct forgery *f)
{
    f->runs[f->run_count - 1].address = 0ull - PAGE;
}
static void elsewhere(struct forgery *f)
{
    f->runs[f->raw].offset = f->runs[0].offset;
}
static void beyond(struct forgery *f)
{
    f->runs[f->raw].offset = 1ull << 63;
}
static void packed(struct forgery *f)
{
    f->runs[f->packed].codec = 9;
}
static void packed_badly(struct forgery *f)
{
    f->runs[f->raw].stored -= 1;
}
static void packed_to_nothing(struct forgery *f)
{
    f->runs[f->packed].stored = 0;
}
static void packed_to_more(struct forgery *f)
{
    f->runs[f->packed].stored = f->runs[f->packed].length;
}
static void other_codec(struct forgery *f)
{
    f->runs[f->packed].codec = DV_CODEC_ZSTD;
}
static void other_packed_bytes(struct forgery *f)
{
    struct dv_disk_run *run = &f->runs[f->packed];
    memset(f->bytes + run->offset, 0xff, run->stored);
    run->checksum = dv_checksum64(f->bytes + run->offset, run->stored);
}
static void longer_unpacked(struct forgery *f)
{
    /* One page more than there is in it, at the cost of an inherited page that stays behind. */
    f->runs[f->packed].length += PAGE;
    f->footer->data_bytes += PAGE;
    f->footer->examined_bytes += PAGE;
}
static void many_spans(struct forgery *f)
{
    f->footer->span_count = UINT64_MAX / sizeof(struct dv_disk_span) + 1;
}
static void more_spans(struct forgery *f)
{
    f->footer->span_count++;
}
static void fewer_spans(struct forgery *f)
{
    f->footer->span_count--;
}
static void empty_span(struct forgery *f)
{
    f->spans[0].length = 0;
}
static void odd_span(struct forgery *f)
{
    f->spans[0].length++;
}
static void unaligned_span(struct forgery *f)
{
    f->spans[0].address++;
}
static void spans_overlap(struct forgery *f)
{
    f->spans[1].address = f->spans[0].address;
}
static void span_wraps(struct forgery *f)
{
    f->spans[1].address = 0ull - PAGE;
}
static void span_over_block(struct forgery *f)
{
    f->spans[0].address = f->runs[f->run_count - 1].address;
}
static void span_too_long(struct forgery *f)
{
    f->spans[1].length += PAGE;
}
static void no_parent(struct forgery *f)
{
    f->header->parent_epoch = 0;
}
static void parent_of_today(struct forgery *f)
{
    f->header->parent_epoch = f->header->epoch;
}
static void other_parent(struct forgery *f)
{
    f->header->parent_epoch--;
}
static void other_parent_digest(struct forgery *f)
{
    f->header->parent_digest[15] ^= 1;
}
static void other_epoch(struct forgery *f)
{
    f->header->epoch++;
}
static void other_rank(struct forgery *f)
{
    f->header->rank++;
}
static void other_size(struct forgery *f)
{
    f->header->size++;
}
static void same_bytes(struct forgery *f)
{
    f->footer->same_bytes = f->footer->inherited_bytes + PAGE;
    f->footer->examined_bytes += f->footer->same_bytes;
}
static void zero_bytes(struct forgery *f)
{
    f->footer->zero_bytes = f->footer->examined_bytes + 1;
}
static void inherited_bytes(struct forgery *f)
{
    f->footer->inherited_bytes += PAGE;
}
static void swapped_data(struct forgery *f)
{
    f->runs[f->raw].checksum = f->runs[0].checksum;
}

static void forgeries(void **unused)
{
    (void)unused;
    forge(nothing, DV_OK, "");
    forge(newer_format, DV_ERR_UNSUPPORTED, "format 3");
    forge(older_format, DV_ERR_UNSUPPORTED, "format 1; this DejaVu reads format 2");
    forge(two_formats, DV_ERR_DAMAGED, "different formats");
    forge(endless_program, DV_ERR_DAMAGED, "no end");
    forge(endless_strategy, DV_ERR_DAMAGED, "no end");
    forge(many_runs, DV_ERR_DAMAGED, "run table");
    forge(more_runs, DV_ERR_DAMAGED, "run table");
    forge(table_at_0, DV_ERR_DAMAGED, "run table");
    forge(table_at_end, DV_ERR_DAMAGED, "run table");
    forge(all_table, DV_ERR_DAMAGED, "run table");
    forge(other_length, DV_ERR_DAMAGED, "length");
    forge(many_sections, DV_ERR_DAMAGED, "too many sections");
    forge(long_section, DV_ERR_DAMAGED, "section is out of bounds");
    forge(section_gap, DV_ERR_DAMAGED, "section is out of bounds");
    forge(short_section, DV_ERR_DAMAGED, "gap");
    forge(same_section, DV_ERR_DAMAGED, "twice");
    forge(other_section, DV_ERR_DAMAGED, "section's checksum");
    forge(totals, DV_ERR_DAMAGED, "add up");
    forge(totals_2, DV_ERR_DAMAGED, "add up");
    forge(empty_block, DV_ERR_DAMAGED, "block's length");
    forge(long_block, DV_ERR_DAMAGED, "block's length");
    forge(odd_block, DV_ERR_DAMAGED, "block's length");
    forge(overlapping, DV_ERR_DAMAGED, "block's address");
    forge(unaligned, DV_ERR_DAMAGED, "block's address");
    forge(wrapping, DV_ERR_DAMAGED, "block's address");
    forge(elsewhere, DV_ERR_DAMAGED, "not where");
    forge(beyond, DV_ERR_DAMAGED, "not where");
    forge(packed, DV_ERR_UNSUPPORTED, "packed");
    forge(packed_badly, DV_ERR_DAMAGED, "stored length");
    forge(packed_to_nothing, DV_ERR_DAMAGED, "stored length");
    forge(packed_to_more, DV_ERR_DAMAGED, "stored length");
    forge(other_codec, DV_ERR_DAMAGED, "does not unpack");
    forge(other_packed_bytes, DV_ERR_DAMAGED, "does not unpack");
    forge(longer_unpacked, DV_ERR_DAMAGED, "does not unpack");
    forge(swapped_data, DV_ERR_DAMAGED, "checksum of block");
}

static void forged_inheritance(void **unused)
{
    (void)unused;
    forge(many_spans, DV_ERR_DAMAGED, "tables do not end");
    forge(more_spans, DV_ERR_DAMAGED, "tables do not end");
    forge(fewer_spans, DV_ERR_DAMAGED, "tables do not end");
    forge(empty_span, DV_ERR_DAMAGED, "span");
    forge(odd_span, DV_ERR_DAMAGED, "span");
    forge(unaligned_span, DV_ERR_DAMAGED, "span");
    forge(spans_overlap, DV_ERR_DAMAGED, "span");
    forge(span_wraps, DV_ERR_DAMAGED, "span");
    forge(span_over_block, DV_ERR_DAMAGED, "both stored and inherited");
    forge(span_too_long, DV_ERR_DAMAGED, "do not add up");
    forge(no_parent, DV_ERR_DAMAGED, "no earlier epoch");
    forge(parent_of_today, DV_ERR_DAMAGED, "no earlier epoch");
    forge(other_parent_digest, DV_ERR_DAMAGED, "its digest is another one");
    forge(other_epoch, DV_ERR_DAMAGED, "not what its name says");
    forge(other_rank, DV_ERR_DAMAGED, "not what its name says");
    forge(other_size, DV_ERR_DAMAGED, "4 ranks instead of 5");
    forge(same_bytes, DV_ERR_DAMAGED, "add up");
    forge(zero_bytes, DV_ERR_DAMAGED, "add up");
    forge(inherited_bytes, DV_ERR_DAMAGED, "add up");
    sound.damaged = sound.parent;
    forge(other_parent, DV_ERR_DAMAGED, "not what its name says");
    sound.damaged = sound.path;
}

/* Damage to the parent is found, and it is the parent that is named. */
static void damaged_parent(void **unused)
{
    struct sound child = sound;
    uint64_t seed = 9;
    (void)unused;
    put_file(sound.bytes, sound.length);
    assert_int_equal(dv_read_file(child.parent, 1u << 30, &sound.bytes, &sound.length), DV_OK);
    sound.damaged = sound.parent;
    int fd = open(child.parent, O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        size_t at = next_random(&seed) % sound.length;
        char byte = (char)(sound.bytes[at] ^ (1 << next_random(&seed) % 8));
        assert_int_equal(dv_pwrite_all(fd, &byte, 1, at), DV_OK);
        assert_int_equal(outcome(), DV_ERR_DAMAGED);
        assert_int_equal(dv_pwrite_all(fd, &sound.bytes[at], 1, at), DV_OK);
    }
    close(fd);
    free(sound.bytes);
    sound = child;
    assert_int_equal(outcome(), DV_OK);
}

static void not_an_image(void **unused)
{
    struct dv_image_reader *r;
    char path[PATH_MAX + 8];
    (void)unused;
    put_file(sound.bytes, sound.length);
    snprintf(path, sizeof path, "%s/l", sound.directory);
    assert_int_equal(symlink("i", path), 0);
    assert_int_equal(dv_image_reader_open(path, &r), DV_ERR_DAMAGED);
    snprintf(path, sizeof path, "%s/f", sound.directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(dv_image_reader_open(path, &r), DV_ERR_DAMAGED);
    assert_int_equal(dv_image_reader_open(sound.directory, &r), DV_ERR_DAMAGED);
    assert_int_equal(dv_image_reader_open("/dev/zero", &r), DV_ERR_DAMAGED);
    assert_int_equal(dv_image_reader_open("/nowhere/i", &r), DV_ERR_NOT_FOUND);
    assert_int_equal(chmod(sound.path, 0620), 0);
    assert_int_equal(dv_image_reader_open(sound.path, &r), DV_ERR_USAGE);
    assert_int_equal(chmod(sound.path, 0400), 0);
    assert_int_equal(outcome(), DV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_or_extended),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(noise),
        cmocka_unit_test(forgeries),
        cmocka_unit_test(forged_inheritance),
        cmocka_unit_test(damaged_parent),
        cmocka_unit_test(not_an_image),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-damage", tests, make_sound, free_sound);
}

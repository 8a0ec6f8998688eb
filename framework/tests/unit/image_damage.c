/* Unit test: no damage to an image goes unnoticed, and none crashes the reader. */
#include "image/checksum.h"
#include "image_support.h"

#define PAGES 150u

/* A sound image and its bytes. */
struct sound {
    char directory[PATH_MAX], path[PATH_MAX + 8];
    char *memory, *bytes;
    size_t length;
};

static struct sound sound;

static int make_sound(void **state)
{
    void *directory;
    (void)state;
    if (check_make_directory(&directory))
        return -1;
    snprintf(sound.directory, sizeof sound.directory, "%s", (char *)directory);
    snprintf(sound.path, sizeof sound.path, "%s/i", sound.directory);
    sound.memory = test_pages(PAGES, 9, 42);
    if (write_test_image(sound.directory, "i", NULL, sound.memory, PAGES, NULL) ||
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
    struct dv_image_reader *r = NULL;
    enum dv_status status = dv_image_reader_open(sound.path, &r);
    if (status) {
        assert_null(r);
        assert_non_null(strstr(dv_image_why(), sound.path));
        return status;
    }
    char *loaded = calloc(PAGES, PAGE);
    status = dv_image_reader_load(r, BASE, BASE + PAGES * PAGE, loaded, 2);
    assert_int_equal(dv_image_reader_verify(r), status);
    if (!status)
        assert_memory_equal(loaded, sound.memory, PAGES * PAGE);
    else
        assert_non_null(strstr(dv_image_why(), sound.path));
    free(loaded);
    dv_image_reader_close(r);
    return status;
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

static void flip(size_t at, int bit)
{
    char byte = (char)(sound.bytes[at] ^ (1 << bit));
    int fd = open(sound.path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(dv_pwrite_all(fd, &byte, 1, at), DV_OK);
    assert_int_equal(outcome(), DV_ERR_DAMAGED);
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
    struct dv_disk_footer *footer;
    size_t run_count;
};

static void forge(void (*change)(struct forgery *), enum dv_status expected, const char *text)
{
    /* Tables and footer need not be aligned in the file: changed in copies. */
    char *bytes = malloc(sound.length);
    memcpy(bytes, sound.bytes, sound.length);
    struct dv_disk_header header;
    struct dv_disk_footer footer;
    memcpy(&header, bytes, sizeof header);
    memcpy(&footer, bytes + sound.length - PAGE, sizeof footer);
    struct forgery f = {.header = &header, .footer = &footer, .run_count = footer.run_count};
    uint64_t table = footer.runs_offset;
    size_t table_bytes = f.run_count * sizeof *f.runs;
    f.runs = malloc(table_bytes);
    memcpy(f.runs, bytes + table, table_bytes);
    change(&f);
    header.checksum = dv_checksum64(&header, offsetof(struct dv_disk_header, checksum));
    footer.runs_checksum = dv_checksum64(f.runs, table_bytes);
    dv_disk_digest(&header, f.runs, f.run_count, &footer, footer.digest);
    footer.checksum = dv_checksum64(&footer, offsetof(struct dv_disk_footer, checksum));
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + table, f.runs, table_bytes);
    memcpy(bytes + sound.length - PAGE, &footer, sizeof footer);
    put_file(bytes, sound.length);
    enum dv_status status = outcome();
    if (status != expected || (expected && !strstr(dv_image_why(), text)))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, text, status, dv_image_why());
    free(f.runs);
    free(bytes);
}

static void nothing(struct forgery *f)
{
    (void)f;
}
static void newer_format(struct forgery *f)
{
    f->header->format = f->footer->format = 2;
}
static void two_formats(struct forgery *f)
{
    f->footer->format = 2;
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
    f->footer->run_count = (end - PAGE) / sizeof(struct dv_disk_run);
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
    f->runs[1].length = f->runs[1].stored = 0;
}
static void long_block(struct forgery *f)
{
    f->runs[1].length = f->runs[1].stored = DV_IMAGE_BLOCK_BYTES + PAGE;
}
static void odd_block(struct forgery *f)
{
    f->runs[1].length = f->runs[1].stored = 5000;
}
static void overlapping(struct forgery *f)
{
    f->runs[1].address = f->runs[0].address;
}
static void unaligned(struct forgery *f)
{
    f->runs[1].address++;
}
static void wrapping(struct forgery *f)
{
    f->runs[f->run_count - 1].address = 0ull - PAGE;
}
static void elsewhere(struct forgery *f)
{
    f->runs[1].offset = f->runs[0].offset;
}
static void beyond(struct forgery *f)
{
    f->runs[1].offset = 1ull << 63;
}
static void packed(struct forgery *f)
{
    f->runs[1].codec = 9;
}
static void packed_badly(struct forgery *f)
{
    f->runs[1].stored -= 1;
}
static void swapped_data(struct forgery *f)
{
    f->runs[1].checksum = f->runs[0].checksum;
}

static void forgeries(void **unused)
{
    (void)unused;
    forge(nothing, DV_OK, "");
    forge(newer_format, DV_ERR_UNSUPPORTED, "format 2");
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
    forge(swapped_data, DV_ERR_DAMAGED, "checksum of block 1");
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
        cmocka_unit_test(cut_or_extended), cmocka_unit_test(flipped_bits), cmocka_unit_test(noise),
        cmocka_unit_test(forgeries),       cmocka_unit_test(not_an_image),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-damage", tests, make_sound, free_sound);
}

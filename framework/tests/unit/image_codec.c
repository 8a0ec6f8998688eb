/* Unit test: packing and unpacking, the choice of a codec, and packed images. */
#include "image/checksum.h"
#include "image/codec.h"
#include "image_support.h"

static void names_are_parsed(void **unused)
{
    (void)unused;
    for (int i = 0; i <= DV_CODEC_AUTO; i++) {
        enum dv_codec codec = DV_CODEC_COUNT;
        assert_non_null(dv_codec_name((enum dv_codec)i));
        assert_int_equal(dv_codec_parse(dv_codec_name((enum dv_codec)i), &codec), DV_OK);
        assert_int_equal(codec, i);
    }
    assert_null(dv_codec_name((enum dv_codec)(DV_CODEC_AUTO + 1)));
    assert_null(dv_codec_name((enum dv_codec) - 1));
    enum dv_codec codec = DV_CODEC_LZ4;
    assert_int_equal(dv_codec_parse("shufle-lz4", &codec), DV_ERR_USAGE);
    assert_non_null(strstr(dv_image_why(), "did you mean \"shuffle-lz4\""));
    assert_int_equal(dv_codec_parse("rot13-and-more", &codec), DV_ERR_USAGE);
    assert_int_equal(dv_codec_parse("", &codec), DV_ERR_USAGE);
    assert_int_equal(codec, DV_CODEC_LZ4);
}

static void shuffle_is_a_transposition(void **unused)
{
    (void)unused;
    char *bytes = test_pages(64, 0, 1), *shuffled = malloc(64 * PAGE), *back = malloc(64 * PAGE);
    for (size_t length = 128; length <= 64 * PAGE; length += length < 2048 ? 128 : 31 * PAGE) {
        memset(shuffled, 0, 64 * PAGE);
        dv_shuffle(bytes, shuffled, length);
        for (size_t i = 0; i < length / 8; i++)
            for (size_t k = 0; k < 8; k++)
                assert_int_equal(shuffled[k * (length / 8) + i], bytes[8 * i + k]);
        dv_unshuffle(shuffled, back, length);
        assert_memory_equal(back, bytes, length);
    }
    free(bytes);
    free(shuffled);
    free(back);
}

enum contents { ZEROS, INDICES, DOUBLES, TEXT, NOISE, CONTENTS };

static char *make_contents(enum contents what, size_t length)
{
    char *bytes = calloc(1, length);
    uint64_t seed = 17;
    double x = 1;
    for (size_t i = 0; i < length / 8; i++) {
        uint64_t word = 0;
        x = x * 1.0001 + (double)(next_random(&seed) % 1000) * 1e-9;
        if (what == INDICES)
            word = 1000000 + 3 * i + next_random(&seed) % 3;
        else if (what == DOUBLES)
            memcpy(&word, &x, sizeof word);
        else if (what == TEXT)
            memcpy(&word, "checkpoi" + next_random(&seed) % 2, 7);
        else if (what == NOISE)
            word = next_random(&seed);
        memcpy(bytes + 8 * i, &word, sizeof word);
    }
    return bytes;
}

static void packed_and_unpacked(void **unused)
{
    (void)unused;
    struct dv_packer *p;
    struct dv_unpacker *u = dv_unpacker_new();
    char *back = malloc(DV_IMAGE_BLOCK_BYTES);
    for (int codec = 1; codec <= DV_CODEC_AUTO; codec++) {
        assert_int_equal(dv_packer_new((enum dv_codec)codec, &p), DV_OK);
        for (int what = 0; what < CONTENTS; what++) {
            char *bytes = make_contents((enum contents)what, DV_IMAGE_BLOCK_BYTES);
            for (size_t length = PAGE; length <= DV_IMAGE_BLOCK_BYTES; length += 9 * PAGE) {
                const void *packed = bytes;
                enum dv_codec used = (enum dv_codec)(codec < DV_CODEC_AUTO ? codec : 1 + what % 4);
                size_t got = dv_pack(p, used, bytes, length, &packed);
                if (got == 0) {
                    assert_ptr_equal(packed, bytes);
                    assert_true(what == NOISE || what == DOUBLES || used == DV_CODEC_LZ4);
                    continue;
                }
                assert_true(got <= length - length / 16 && what != NOISE);
                memset(back, 0x55, DV_IMAGE_BLOCK_BYTES);
                assert_int_equal(dv_unpack(u, used, packed, got, back, length), DV_OK);
                assert_memory_equal(back, bytes, length);
                for (size_t i = length; i < DV_IMAGE_BLOCK_BYTES; i += 100)
                    assert_int_equal(back[i], 0x55);
            }
            free(bytes);
        }
        dv_packer_free(p);
    }
    dv_packer_free(NULL);
    dv_unpacker_free(NULL);
    dv_unpacker_free(u);
    free(back);
}

/* Whatever is to be unpacked: an answer, no more than `length` bytes, and only if it is exactly that. */
static void bad_bytes_are_refused(void **unused)
{
    (void)unused;
    const size_t length = 4 * PAGE;
    uint64_t seed = 3;
    struct dv_packer *p;
    struct dv_unpacker *u = dv_unpacker_new();
    char *bytes = make_contents(INDICES, length), *back = malloc(length + 2 * PAGE);
    assert_int_equal(dv_packer_new(DV_CODEC_AUTO, &p), DV_OK);
    for (int i = DV_CODEC_LZ4; i < DV_CODEC_COUNT; i++) {
        const void *packed;
        enum dv_codec codec = (enum dv_codec)i;
        size_t got = dv_pack(p, codec, bytes, length, &packed);
        assert_true(got > 20);
        char *copy = malloc(got); /* of just this size: a sanitizer sees any read beyond it */
        memcpy(copy, packed, got);
        assert_int_equal(dv_unpack(u, codec, copy, got, back, length), DV_OK);
        assert_int_equal(dv_unpack(u, codec, copy, got, back, length - PAGE), DV_ERR_DAMAGED);
        assert_int_equal(dv_unpack(u, codec, copy, got, back, length + PAGE), DV_ERR_DAMAGED);
        assert_int_equal(dv_unpack(u, codec, copy, got, back, length - 1), DV_ERR_DAMAGED);
        assert_int_equal(dv_unpack(u, codec, copy, got - 1, back, length), DV_ERR_DAMAGED);
        assert_int_equal(dv_unpack(u, codec, copy, 1, back, length), DV_ERR_DAMAGED);
        assert_int_equal(dv_unpack(u, codec, copy, 0, back, length), DV_ERR_DAMAGED);
        for (int j = 0; j < 2000; j++) {
            memcpy(copy, packed, got);
            for (uint64_t k = 0; k < 1 + next_random(&seed) % 4; k++)
                copy[next_random(&seed) % got] = (char)next_random(&seed);
            memset(back + length, 0x55, 2 * PAGE);
            enum dv_status status = dv_unpack(u, codec, copy, got, back, length);
            assert_true(status == DV_OK || status == DV_ERR_DAMAGED);
            for (size_t k = 0; k < 2 * PAGE; k++)
                assert_int_equal(back[length + k], 0x55);
        }
        free(copy);
    }
    assert_int_equal(dv_unpack(u, DV_CODEC_NONE, bytes, 10, back, PAGE), DV_ERR_UNSUPPORTED);
    assert_int_equal(dv_unpack(u, DV_CODEC_COUNT, bytes, 10, back, PAGE), DV_ERR_UNSUPPORTED);
    assert_int_equal(dv_unpack(u, DV_CODEC_LZ4, bytes, 10, back, 2 * DV_IMAGE_BLOCK_BYTES),
                     DV_ERR_DAMAGED);
    dv_packer_free(p);
    dv_unpacker_free(u);
    free(bytes);
    free(back);
}

static void the_cheapest_is_chosen(void **unused)
{
    (void)unused;
    const size_t length = 16 * PAGE;
    const double memory_ps = 200, disk_ps = 500, shared_ps = 2000;
    struct dv_packer *p;
    assert_int_equal(dv_packer_new(DV_CODEC_AUTO, &p), DV_OK);
    for (int what = 0; what < CONTENTS; what++) {
        char *bytes = make_contents((enum contents)what, length);
        /* In memory, packing costs more than storing. On a disk, it pays where much is saved. */
        assert_int_equal(dv_codec_choose(p, bytes, length, memory_ps), DV_CODEC_NONE);
        enum dv_codec disk = dv_codec_choose(p, bytes, length, disk_ps);
        enum dv_codec shared = dv_codec_choose(p, bytes, length, shared_ps);
        if (what == NOISE)
            assert_true(disk == DV_CODEC_NONE && shared == DV_CODEC_NONE);
        if (what == INDICES)
            assert_int_equal(disk, DV_CODEC_SHUFFLE_LZ4);
        if (what == INDICES || what == TEXT)
            assert_int_not_equal(shared, DV_CODEC_NONE);
        if (what == DOUBLES)
            assert_int_equal(disk, DV_CODEC_NONE);
        free(bytes);
    }
    dv_packer_free(p);
}

/* Where each run of an image is, and in which codec. */
static struct dv_disk_run *read_runs(const char *path, size_t *count)
{
    char *bytes = NULL;
    size_t length = 0;
    struct dv_disk_footer f;
    assert_int_equal(dv_read_file(path, 1u << 28, &bytes, &length), DV_OK);
    memcpy(&f, bytes + length - sizeof f, sizeof f);
    struct dv_disk_run *runs = malloc(f.run_count * sizeof *runs + 1);
    memcpy(runs, bytes + f.runs_offset, f.run_count * sizeof *runs);
    *count = f.run_count;
    free(bytes);
    return runs;
}

static void begin(const char *directory, enum dv_codec codec, int forked,
                  struct dv_image_writer **w)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_spec spec = {.directory = directory,
                                 .name = "i",
                                 .identity = &id,
                                 .most_pages = 65536,
                                 .forked = forked,
                                 .codec = codec};
    assert_int_equal(dv_image_writer_new(&spec, w), DV_OK);
    assert_int_equal(dv_image_writer_begin(*w), DV_OK);
}

/* Blocks that pack and blocks that do not, in one image; those that do not can be mapped. */
static void packed_images(void **state)
{
    const size_t part = DV_IMAGE_BLOCK_BYTES + 3 * PAGE;
    char *memory = malloc(CONTENTS * part), *bytes[CONTENTS];
    for (int what = 0; what < CONTENTS; what++) {
        bytes[what] = make_contents((enum contents)what, part);
        memcpy(memory + (size_t)what * part, bytes[what], part);
    }
    for (int codec = 0; codec <= DV_CODEC_AUTO; codec++) {
        for (int forked = 0; forked < 2; forked++) {
            struct dv_image_writer *w;
            struct dv_image_stats stats;
            size_t count = 0, raw = 0;
            begin(*state, (enum dv_codec)codec, forked, &w);
            for (size_t what = 0; what < CONTENTS; what++) {
                dv_image_writer_next_region(w);
                assert_int_equal(
                    dv_image_write_pages(w, BASE + what * part, part, memory + what * part), DV_OK);
            }
            assert_int_equal(dv_image_writer_finish(w, &stats), DV_OK);
            assert_int_equal(dv_image_writer_commit(w), DV_OK);
            assert_int_equal(stats.data_bytes, (CONTENTS - 1) * part);
            if (codec != DV_CODEC_NONE && codec != DV_CODEC_AUTO)
                assert_true(stats.file_bytes < stats.data_bytes);
            expect_image(check_path(state, "i"), memory, CONTENTS * part / PAGE, 2);
            struct dv_disk_run *runs = read_runs(check_path(state, "i"), &count);
            for (size_t i = 0; i < count; i++) {
                int is_raw = runs[i].codec == DV_CODEC_NONE;
                raw += (size_t)is_raw;
                assert_true(is_raw || codec == DV_CODEC_AUTO || (int)runs[i].codec == codec);
                assert_true(!is_raw || runs[i].offset % PAGE == 0);
                assert_true(is_raw || runs[i].stored <= runs[i].length - runs[i].length / 16);
            }
            assert_true(codec == DV_CODEC_NONE ? raw == count : raw > 0);
            free(runs);
        }
    }
    for (int what = 0; what < CONTENTS; what++)
        free(bytes[what]);
    free(memory);
}

/* Chosen region by region, the same way each time. The directory may be on any file system: what is chosen is checked
 * against the model. */
static void chosen_by_region(void **state)
{
    const size_t part = 40 * PAGE;
    char *noise = make_contents(NOISE, part), *indices = make_contents(INDICES, part);
    uint32_t expected[3] = {DV_CODEC_NONE, DV_CODEC_NONE, DV_CODEC_NONE};
    for (int round = 0; round < 3; round++) {
        struct dv_image_writer *w;
        size_t count;
        begin(*state, DV_CODEC_AUTO, round % 2, &w);
        assert_int_equal(dv_image_write_pages(w, BASE, part, noise), DV_OK);
        dv_image_writer_next_region(w);
        assert_int_equal(dv_image_write_pages(w, BASE + part, part, indices), DV_OK);
        dv_image_writer_next_region(w);
        dv_image_writer_next_region(w);
        assert_int_equal(dv_image_write_pages(w, BASE + 2 * part, part, noise), DV_OK);
        assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
        assert_int_equal(dv_image_writer_commit(w), DV_OK);
        struct dv_disk_run *runs = read_runs(check_path(state, "i"), &count);
        assert_int_equal(count, 3);
        if (round == 0)
            expected[1] = runs[1].codec;
        assert_true(expected[1] == DV_CODEC_NONE || expected[1] == DV_CODEC_SHUFFLE_LZ4 ||
                    expected[1] == DV_CODEC_SHUFFLE_ZSTD);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(runs[i].codec, expected[i]);
        free(runs);
    }
    free(noise);
    free(indices);
}

#define IN_DIRECTORY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_parsed),       cmocka_unit_test(shuffle_is_a_transposition),
        cmocka_unit_test(packed_and_unpacked),    cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(the_cheapest_is_chosen), IN_DIRECTORY(packed_images),
        IN_DIRECTORY(chosen_by_region),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-codec", tests, NULL, NULL);
}

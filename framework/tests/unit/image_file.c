/* Unit test: images are written, read back, recycled and given up. */
#include "image/checksum.h"
#include "image/mapping.h"
#include "image_support.h"

#include <cpuid.h>
#include <linux/magic.h>
#include <sys/vfs.h>

static void checksums_agree(void **unused)
{
    (void)unused;
    char *bytes = test_pages(65, 0, 1);
    __builtin_cpu_init();
    for (size_t length = 0; length < 65 * PAGE; length = length * 5 / 4 + 1) {
        uint64_t expected = dv_checksum64_sse2(bytes, length);
        assert_true(dv_checksum64(bytes, length) == expected);
        if (__builtin_cpu_supports("avx2"))
            assert_true(dv_checksum64_avx2(bytes, length) == expected);
        if (__builtin_cpu_supports("avx512f"))
            assert_true(dv_checksum64_avx512(bytes, length) == expected);
    }
    /* The published value for no bytes. */
    assert_true(dv_checksum64("", 0) == 0x2d06800538d394c2ull);
    free(bytes);
}

/* Are upper halves of vector registers in use? -1: the processor does not tell. XGETBV with 1 says which state components are
 * not as after a reset; CPUID leaf 0xd tells whether it can; component 2 are the upper halves (Intel SDM vol. 1, 13.2, 13.6). */
static int upper_halves_in_use(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__builtin_cpu_supports("avx") || !__get_cpuid_count(0xd, 1, &a, &b, &c, &d) ||
        !(a & 1u << 2))
        return -1;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(1));
    return (int)(a >> 2 & 1);
}

/* Otherwise the application's SSE code runs at a third of its speed after a checkpoint. */
static void checksums_leave_registers_clean(void **unused)
{
    (void)unused;
    char *bytes = test_pages(1, 0, 1);
    uint64_t digest[2];
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx"))
        dv_vectors_leave();
    int clean = upper_halves_in_use() == 0;
    uint64_t sum = dv_checksum64(bytes, PAGE);
    int in_use = upper_halves_in_use();
    dv_checksum128(bytes, PAGE, digest);
    int in_use_128 = upper_halves_in_use();
    assert_true(sum != 0);
    assert_false(clean && (in_use == 1 || in_use_128 == 1));
    free(bytes);
}

static void zero_pages_are_recognised(void **unused)
{
    (void)unused;
    char *page = test_pages(1, 1, 1);
    assert_true(dv_page_is_zero(page));
    for (size_t i = 0; i < PAGE; i++) {
        page[i] = (char)0x80;
        assert_false(dv_page_is_zero(page));
        page[i] = 0;
    }
    free(page);
}

static void round_trip(void **state)
{
    static const unsigned zero_every[] = {0, 1, 2, 7};
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000};
    for (size_t z = 0; z < sizeof zero_every / sizeof *zero_every; z++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct dv_image_stats stats;
            char *memory = test_pages(sizes[s], zero_every[z], 1 + s);
            assert_int_equal(write_test_image(*state, "i", NULL, memory, sizes[s], &stats), DV_OK);
            assert_int_equal(stats.examined_bytes, sizes[s] * PAGE);
            assert_int_equal(stats.data_bytes + stats.zero_bytes, stats.examined_bytes);
            if (zero_every[z] < 2)
                assert_int_equal(zero_every[z] ? stats.data_bytes : stats.zero_bytes, 0);
            for (unsigned threads = 1; threads < 200; threads = threads * 5 + 1)
                expect_image(check_path(state, "i"), memory, sizes[s], threads);
            free(memory);
        }
    }
}

static void everything_is_told(void **state)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_stats stats;
    struct dv_image_reader *r;
    struct stat st;
    char *memory = test_pages(100, 3, 5);
    assert_int_equal(write_test_image(*state, "i", NULL, memory, 100, &stats), DV_OK);
    assert_int_equal(stat(check_path(state, "i"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, stats.file_bytes);
    assert_int_equal(names_in(*state), 1);
    assert_int_equal(dv_image_reader_open(check_path(state, "i"), &r), DV_OK);
    assert_memory_equal(dv_image_reader_identity(r), &id, sizeof id);
    assert_memory_equal(dv_image_reader_stats(r), &stats, sizeof stats);
    const void *bytes;
    size_t length;
    assert_int_equal(dv_image_reader_section(r, DV_SECTION_REGIONS, &bytes, &length), DV_OK);
    assert_int_equal(length, 14);
    assert_string_equal(bytes, "regions of it");
    assert_int_equal(dv_image_reader_section(r, DV_SECTION_CONTEXT, &bytes, &length), DV_OK);
    assert_int_equal(length, 3);
    assert_int_equal(dv_image_reader_section(r, DV_SECTION_SIGNALS, &bytes, &length),
                     DV_ERR_NOT_FOUND);
    dv_image_reader_close(r);
    struct dv_image_chain *c;
    assert_int_equal(open_alone(check_path(state, "i"), &c), DV_OK);
    /* Runs are the maximal stretches of pages that are not zero. */
    size_t index = 0, page = 0;
    while (page < 100) {
        size_t start = page;
        while (page < 100 && !dv_page_is_zero(memory + page * PAGE))
            page++;
        if (page > start) {
            uint64_t address, run_bytes;
            assert_true(dv_image_chain_run(c, index++, &address, &run_bytes));
            assert_true(address == BASE + start * PAGE && run_bytes == (page - start) * PAGE);
        }
        while (page < 100 && dv_page_is_zero(memory + page * PAGE))
            page++;
    }
    uint64_t address, run_bytes;
    assert_false(dv_image_chain_run(c, index, &address, &run_bytes));
    assert_int_equal(dv_image_chain_verify(c), DV_OK);
    dv_image_chain_close(c);
    free(memory);
}

static void digest_tells_contents_apart(void **state)
{
    struct dv_image_stats a, b, c;
    char *memory = test_pages(100, 3, 5);
    assert_int_equal(write_test_image(*state, "a", NULL, memory, 100, &a), DV_OK);
    assert_int_equal(write_test_image(*state, "b", NULL, memory, 100, &b), DV_OK);
    assert_memory_equal(a.digest, b.digest, 16);
    memory[99 * PAGE + 5] ^= 1;
    assert_int_equal(write_test_image(*state, "c", NULL, memory, 100, &c), DV_OK);
    assert_memory_not_equal(a.digest, c.digest, 16);
    free(memory);
}

static void parts_are_loaded(void **state)
{
    const size_t pages = 700;
    uint64_t seed = 99;
    struct dv_image_chain *r;
    char *memory = test_pages(pages, 50, 6), *loaded = malloc(pages * PAGE),
         *expected = malloc(pages * PAGE);
    assert_int_equal(write_test_image(*state, "i", NULL, memory, pages, NULL), DV_OK);
    assert_int_equal(open_alone(check_path(state, "i"), &r), DV_OK);
    for (int i = 0; i < 300; i++) {
        size_t from = next_random(&seed) % pages, count = next_random(&seed) % (pages - from + 1);
        /* What is not stored stays as it was. */
        memset(loaded, 0x55, pages * PAGE);
        memset(expected, 0x55, pages * PAGE);
        for (size_t p = from; p < from + count; p++)
            if (!dv_page_is_zero(memory + p * PAGE))
                memcpy(expected + p * PAGE, memory + p * PAGE, PAGE);
        assert_int_equal(dv_image_chain_load(r, BASE + from * PAGE, BASE + (from + count) * PAGE,
                                             loaded + from * PAGE, 1 + (unsigned)i % 3),
                         DV_OK);
        assert_memory_equal(loaded, expected, pages * PAGE);
    }
    /* Outside of everything stored; backwards. */
    assert_int_equal(dv_image_chain_load(r, 0, BASE, NULL, 1), DV_OK);
    assert_int_equal(dv_image_chain_load(r, BASE + pages * PAGE, UINT64_MAX, NULL, 2), DV_OK);
    assert_int_equal(dv_image_chain_load(r, BASE + PAGE, BASE, loaded, 1), DV_ERR_INTERNAL);
    dv_image_chain_close(r);
    free(memory);
    free(loaded);
    free(expected);
}

static void many_ranges(void **state)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    struct dv_image_chain *r;
    char *memory = test_pages(1, 0, 3), loaded[3 * DV_DISK_PAGE];
    assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_OK);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(dv_image_write_pages(w, BASE + 2 * i * PAGE, PAGE, memory), DV_OK);
    assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    assert_int_equal(open_alone(check_path(state, "i"), &r), DV_OK);
    uint64_t address, length;
    assert_true(dv_image_chain_run(r, 9999, &address, &length));
    assert_true(address == BASE + 2 * 9999 * PAGE && length == PAGE);
    memset(loaded, 0, sizeof loaded);
    assert_int_equal(dv_image_chain_load(r, address - PAGE, address + 2 * PAGE, loaded, 1), DV_OK);
    assert_memory_equal(loaded + PAGE, memory, PAGE);
    assert_true(dv_page_is_zero(loaded) && dv_page_is_zero(loaded + 2 * PAGE));
    dv_image_chain_close(r);
    free(memory);
}

/* Two names take turns, as epochs do; sizes grow and shrink; each image must be exact, whichever
 * way it was written. */
static void recycle_in_turns(void **state)
{
    uint64_t seed = 4711;
    char names[2][PATH_MAX];
    snprintf(names[0], PATH_MAX, "%s", check_path(state, "a"));
    snprintf(names[1], PATH_MAX, "%s", check_path(state, "b"));
    for (int i = 0; i < 60; i++) {
        size_t pages = next_random(&seed) % 400;
        char *memory =
            test_pages(pages, (unsigned)(next_random(&seed) % 10), next_random(&seed) | 1);
        assert_int_equal(
            write_test_image(*state, i % 2 ? "b" : "a", names[(i + 1) % 2], memory, pages, NULL),
            DV_OK);
        assert_int_equal(names_in(*state), 1);
        expect_image(names[i % 2], memory, pages, 2);
        free(memory);
        if (i % 17 == 16)
            dv_mapping_drop_all();
    }
    dv_image_trim();
}

static void recycle_while_mapped(void **unused)
{
    struct statfs fs;
    char directory[] = "/dev/shm/dejavu-check.XXXXXX";
    void *state = directory;
    (void)unused;
    if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC || !mkdtemp(directory))
        return; /* recycle_in_turns has tested the other way */
    recycle_in_turns(&state);
    /* The mapping is really there and used, and goes with the file. */
    char *memory = test_pages(100, 0, 1);
    size_t usable = 0;
    assert_int_equal(write_test_image(directory, "a", NULL, memory, 100, NULL), DV_OK);
    int fd = open(check_path(&state, "a"), O_RDWR | O_CLOEXEC);
    char *mapped = dv_mapping_take(fd, &usable);
    assert_non_null(mapped);
    assert_true(usable >= 100 * PAGE);
    assert_memory_equal(mapped + PAGE, memory, 100 * PAGE);
    dv_mapping_release(mapped);
    assert_int_equal(unlink(check_path(&state, "a")), 0);
    dv_image_trim();
    assert_null(dv_mapping_take(fd, &usable));
    close(fd);
    /* A hole would be a SIGBUS when the memory disk is full: such a file is written by pwrite. */
    assert_int_equal(write_test_image(directory, "a", NULL, memory, 100, NULL), DV_OK);
    assert_int_equal(truncate(check_path(&state, "a"), 50 * 4096), 0);
    assert_int_equal(truncate(check_path(&state, "a"), 80 * 4096), 0);
    fd = open(check_path(&state, "a"), O_RDWR | O_CLOEXEC);
    assert_null(dv_mapping_take(fd, &usable));
    close(fd);
    assert_int_equal(write_test_image(directory, "b", check_path(&state, "a"), memory, 100, NULL),
                     DV_OK);
    expect_image(check_path(&state, "b"), memory, 100, 1);
    /* More files than mappings. */
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(write_test_image(directory, name, NULL, memory, 10, NULL), DV_OK);
        expect_image(check_path(&state, name), memory, 10, 1);
    }
    free(memory);
    dv_mapping_drop_all();
    assert_int_equal(dv_remove_tree(directory), DV_OK);
}

static void recycle_what_cannot_be(void **state)
{
    char *memory = test_pages(10, 0, 1);
    assert_int_equal(dv_write_file_durably(*state, "precious", "data", 4, 0600), DV_OK);
    assert_int_equal(link(check_path(state, "precious"), check_path(state, "hard")), 0);
    assert_int_equal(symlink("precious", check_path(state, "soft")), 0);
    assert_int_equal(mkfifo(check_path(state, "fifo"), 0600), 0);
    static const char *const names[] = {"none", "hard", "soft", "fifo", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(
            write_test_image(*state, "i", check_path(state, names[i]), memory, 10, NULL), DV_OK);
        expect_image(check_path(state, "i"), memory, 10, 1);
    }
    char *bytes = NULL;
    assert_int_equal(dv_read_file(check_path(state, "precious"), 4, &bytes, NULL), DV_OK);
    assert_string_equal(bytes, "data");
    free(bytes);
    free(memory);
}

static void one_writer_at_a_time(void **state)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *first, *second;
    assert_int_equal(dv_write_file_durably(*state, "i.tmp", "left by a kill", 14, 0600), DV_OK);
    assert_int_equal(begin_image(*state, "i", NULL, &id, &first), DV_OK);
    assert_int_equal(begin_image(*state, "i", NULL, &id, &second), DV_ERR_BUSY);
    assert_int_equal(dv_image_writer_finish(first, NULL), DV_OK);
    assert_int_equal(access(check_path(state, "i"), F_OK), -1);
    assert_int_equal(dv_image_writer_commit(first), DV_OK);
    assert_int_equal(access(check_path(state, "i"), F_OK), 0);
    assert_int_equal(begin_image(*state, "i", NULL, &id, &second), DV_OK);
    dv_image_writer_abort(second);
    assert_int_equal(names_in(*state), 1);
}

static void abort_leaves_nothing(void **state)
{
    struct dv_image_identity id = test_identity();
    char *memory = test_pages(100, 0, 1);
    dv_image_writer_abort(NULL);
    for (int stage = 0; stage < 4; stage++) {
        struct dv_image_writer *w;
        assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_OK);
        if (stage > 0)
            assert_int_equal(dv_image_write_pages(w, BASE, 100 * PAGE, memory), DV_OK);
        if (stage > 1)
            assert_int_equal(dv_image_write_section(w, DV_SECTION_PROCESS, "x", 1), DV_OK);
        if (stage > 2)
            assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
        dv_image_writer_abort(w);
        assert_int_equal(names_in(*state), 0);
    }
    free(memory);
}

enum misuse {
    UNALIGNED,
    ODD_LENGTH,
    BACKWARDS,
    OVERFLOW,
    SECTION_TWICE,
    EARLY_COMMIT,
    AFTER_FINISH,
    MISUSES
};

static enum dv_status do_misuse(struct dv_image_writer *w, enum misuse what, const char *memory)
{
    switch (what) {
    case UNALIGNED:
        return dv_image_write_pages(w, BASE + 1, PAGE, memory);
    case ODD_LENGTH:
        return dv_image_write_pages(w, BASE, 100, memory);
    case BACKWARDS:
        assert_int_equal(dv_image_write_pages(w, BASE + PAGE, PAGE, memory), DV_OK);
        return dv_image_write_pages(w, BASE, 2 * PAGE, memory);
    case OVERFLOW:
        return dv_image_write_pages(w, 0ull - PAGE, 2 * PAGE, memory);
    case SECTION_TWICE:
        assert_int_equal(dv_image_write_section(w, DV_SECTION_PROCESS, "x", 1), DV_OK);
        return dv_image_write_section(w, DV_SECTION_PROCESS, "y", 1);
    case AFTER_FINISH:
        assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
        return dv_image_write_pages(w, BASE, PAGE, memory);
    default:
        return DV_ERR_INTERNAL;
    }
}

static void misuse_is_refused(void **state)
{
    struct dv_image_identity id = test_identity();
    char *memory = test_pages(2, 0, 1);
    for (int i = 0; i < MISUSES; i++) {
        struct dv_image_writer *w;
        assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_OK);
        assert_int_equal(do_misuse(w, (enum misuse)i, memory), DV_ERR_INTERNAL);
        /* And it sticks: a writer that failed never commits. */
        if (i != EARLY_COMMIT)
            assert_int_equal(dv_image_writer_finish(w, NULL), DV_ERR_INTERNAL);
        assert_int_equal(dv_image_writer_commit(w), DV_ERR_INTERNAL);
        assert_int_equal(names_in(*state), 0);
    }
    struct dv_image_writer *w;
    assert_int_equal(begin_image(*state, "a/b", NULL, &id, &w), DV_ERR_USAGE);
    assert_int_equal(begin_image(check_path(state, "none"), "i", NULL, &id, &w), DV_ERR_NOT_FOUND);
    memset(id.program, 'x', sizeof id.program);
    assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_ERR_INTERNAL);
    free(memory);
}

#define IN_DIRECTORY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_agree),
        cmocka_unit_test(checksums_leave_registers_clean),
        cmocka_unit_test(zero_pages_are_recognised),
        IN_DIRECTORY(round_trip),
        IN_DIRECTORY(everything_is_told),
        IN_DIRECTORY(digest_tells_contents_apart),
        IN_DIRECTORY(parts_are_loaded),
        IN_DIRECTORY(many_ranges),
        IN_DIRECTORY(recycle_in_turns),
        cmocka_unit_test(recycle_while_mapped),
        IN_DIRECTORY(recycle_what_cannot_be),
        IN_DIRECTORY(one_writer_at_a_time),
        IN_DIRECTORY(abort_leaves_nothing),
        IN_DIRECTORY(misuse_is_refused),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-file", tests, NULL, NULL);
}

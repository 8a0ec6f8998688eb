/* What the image tests share: an image with known contents, built from a page pattern. */
#ifndef DV_TESTS_IMAGE_SUPPORT_H
#define DV_TESTS_IMAGE_SUPPORT_H

#include "check.h"
#include "common/fail.h"
#include "image/format.h"
#include "image/image.h"

#define PAGE ((size_t)DV_DISK_PAGE)
#define BASE 0x7f0000000000ull

/* xorshift64*: the tests are the same in every run. */
static inline uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717ull;
}

static inline struct dv_image_identity test_identity(void)
{
    struct dv_image_identity id = {.epoch = 7,
                                   .parent_epoch = 6,
                                   .parent_digest = {1, 2, 3},
                                   .rank = 3,
                                   .size = 4,
                                   .gate_abi = 1,
                                   .page_bytes = 4096,
                                   .cpu_features = 0xabcdef,
                                   .program_digest = {9, 8, 7},
                                   .program = "/usr/bin/app",
                                   .strategy = "full+coordinated"};
    return id;
}

/* `pages` pages, about one in `zero_every` of them zero (0: none). free() it. */
static inline char *test_pages(size_t pages, unsigned zero_every, uint64_t seed)
{
    char *memory = NULL;
    assert_int_equal(posix_memalign((void **)&memory, PAGE, pages ? pages * PAGE : PAGE), 0);
    for (size_t i = 0; i < pages; i++) {
        uint64_t *words = (uint64_t *)(void *)(memory + i * PAGE);
        int zero = zero_every && next_random(&seed) % zero_every == 0;
        for (size_t j = 0; j < PAGE / sizeof *words; j++)
            words[j] = zero ? 0 : next_random(&seed) | 1;
    }
    return memory;
}

/* Write `<directory>/<name>` with `pages` pages at BASE and two sections. */
static inline enum dv_status write_test_image(const char *directory, const char *name,
                                              const char *old, const char *memory, size_t pages,
                                              struct dv_image_stats *stats)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w = NULL;
    enum dv_status status = dv_image_writer_open(directory, name, old, &id, &w);
    if (status)
        return status;
    status = dv_image_write_section(w, DV_SECTION_REGIONS, "regions of it", 14);
    if (!status)
        status = dv_image_write_pages(w, BASE, pages * PAGE, memory);
    if (!status)
        status = dv_image_write_section(w, DV_SECTION_CONTEXT, "ctx", 3);
    if (!status)
        status = dv_image_writer_finish(w, stats);
    if (status) {
        dv_image_writer_abort(w);
        return status;
    }
    return dv_image_writer_commit(w);
}

/* Open, load and compare the whole image. */
static inline void expect_image(const char *path, const char *memory, size_t pages,
                                unsigned threads)
{
    struct dv_image_reader *r = NULL;
    assert_int_equal(dv_image_reader_open(path, &r), DV_OK);
    char *loaded = calloc(pages ? pages : 1, PAGE);
    assert_non_null(loaded);
    assert_int_equal(dv_image_reader_load(r, BASE, BASE + pages * PAGE, loaded, threads), DV_OK);
    assert_memory_equal(loaded, memory, pages * PAGE);
    free(loaded);
    dv_image_reader_close(r);
}

static inline size_t names_in(const char *directory)
{
    char command[PATH_MAX + 32];
    size_t count = 0;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", directory);
    FILE *f = popen(command, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &count), 1);
    pclose(f);
    return count;
}

#endif

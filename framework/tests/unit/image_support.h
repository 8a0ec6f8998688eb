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

/* A writer of `<directory>/<name>` that has begun, for images of up to 64 Ki pages. */
static inline enum dv_status begin_image(const char *directory, const char *name, const char *old,
                                         const struct dv_image_identity *id,
                                         struct dv_image_writer **writer)
{
    struct dv_image_spec spec = {
        .directory = directory, .name = name, .recycle = old, .identity = id, .most_pages = 65536};
    struct dv_image_writer *w = NULL;
    *writer = NULL;
    enum dv_status status = dv_image_writer_new(&spec, &w);
    if (!status)
        status = dv_image_writer_begin(w);
    if (status) {
        dv_image_writer_abort(w);
        return status;
    }
    *writer = w;
    return DV_OK;
}

/* Sections and `pages` pages at BASE, up to the commit; gives up on failure. */
static inline enum dv_status fill_and_commit(struct dv_image_writer *w, const char *memory,
                                             size_t pages, struct dv_image_stats *stats)
{
    enum dv_status status = dv_image_write_section(w, DV_SECTION_REGIONS, "regions of it", 14);
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

/* Write `<directory>/<name>` with `pages` pages at BASE and two sections. */
static inline enum dv_status write_test_image(const char *directory, const char *name,
                                              const char *old, const char *memory, size_t pages,
                                              struct dv_image_stats *stats)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w = NULL;
    enum dv_status status = begin_image(directory, name, old, &id, &w);
    return status ? status : fill_and_commit(w, memory, pages, stats);
}

/* dv_image_locate for a chain of one image: `arg` is its path. */
static inline enum dv_status locate_path(void *arg, uint64_t epoch, uint32_t rank, char *path,
                                         size_t path_bytes)
{
    (void)epoch;
    (void)rank;
    snprintf(path, path_bytes, "%s", (const char *)arg);
    return DV_OK;
}

static inline enum dv_status open_alone(const char *path, struct dv_image_chain **chain)
{
    struct dv_image_identity id = test_identity();
    return dv_image_chain_open(locate_path, (void *)(uintptr_t)path, id.epoch, id.rank, chain);
}

/* Open, load and compare the whole image. */
static inline void expect_image(const char *path, const char *memory, size_t pages,
                                unsigned threads)
{
    struct dv_image_chain *c = NULL;
    assert_int_equal(open_alone(path, &c), DV_OK);
    assert_int_equal(dv_image_chain_length(c), 1);
    char *loaded = calloc(pages ? pages : 1, PAGE);
    assert_non_null(loaded);
    assert_int_equal(dv_image_chain_load(c, BASE, BASE + pages * PAGE, loaded, threads), DV_OK);
    assert_memory_equal(loaded, memory, pages * PAGE);
    free(loaded);
    dv_image_chain_close(c);
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

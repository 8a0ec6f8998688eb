/* What the store's tests share: jobs whose epochs have known contents, complete or inheriting, on nodes or not. */
#ifndef DV_TESTS_STORE_SUPPORT_H
#define DV_TESTS_STORE_SUPPORT_H

#include "image_support.h"
#include "store/levels.h"
#include "store/manifest.h"

#define RANKS 5u
#define PAGES 6u
#define MOST_EPOCHS 32u

/* model[epoch][rank]: what the memory was. */
static char *model[MOST_EPOCHS][RANKS];
/* Where make_epoch puts images. */
static struct dv_place test_place;

static inline char *new_contents(uint64_t epoch, uint32_t rank, uint64_t parent)
{
    char *memory = test_pages(PAGES, 0, epoch * 100 + rank + 1);
    /* A child differs from its parent in one page, and another has become zero. */
    for (size_t p = 0; parent && p < PAGES; p++)
        if (p != epoch % PAGES)
            memcpy(memory + p * PAGE, model[parent][rank] + p * PAGE, PAGE);
    if (parent)
        memset(memory + (epoch + 1) % PAGES * PAGE, 0, PAGE);
    free(model[epoch][rank]);
    model[epoch][rank] = memory;
    return memory;
}

static inline void write_pages(struct dv_image_writer *w, uint64_t epoch, uint32_t rank,
                               uint64_t parent, const char *memory)
{
    for (size_t p = 0; p < PAGES; p++) {
        uint64_t address = BASE + p * PAGE;
        const char *page = memory + p * PAGE;
        if (parent && memcmp(page, model[parent][rank] + p * PAGE, PAGE) == 0)
            assert_int_equal(dv_image_write_inherited(w, address, PAGE), DV_OK);
        else
            assert_int_equal(dv_image_write_pages(w, address, PAGE, page), DV_OK);
    }
    (void)epoch;
}

static inline void write_rank(const char *directory, uint64_t epoch, uint64_t parent,
                              const struct dv_manifest *parent_manifest, uint32_t rank,
                              struct dv_manifest_rank *result)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    struct dv_image_stats stats;
    char name[32], *memory = new_contents(epoch, rank, parent);
    id.epoch = epoch;
    id.parent_epoch = parent;
    if (parent)
        memcpy(id.parent_digest, parent_manifest->rank[rank].digest, sizeof id.parent_digest);
    id.rank = rank;
    id.size = RANKS;
    dv_store_image_name(rank, 0, name, sizeof name);
    assert_int_equal(begin_image(directory, name, NULL, &id, &w), DV_OK);
    assert_int_equal(dv_image_write_section(w, DV_SECTION_CONTEXT, &rank, sizeof rank), DV_OK);
    write_pages(w, epoch, rank, parent, memory);
    assert_int_equal(dv_image_writer_finish(w, &stats), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    *result = (struct dv_manifest_rank){.file_bytes = stats.file_bytes,
                                        .data_bytes = stats.data_bytes,
                                        .parent_epoch = stats.parent_epoch};
    memcpy(result->digest, stats.digest, sizeof result->digest);
}

/* Images of all ranks, and what the manifest is to say of them. `ranks`: room for it, the caller's. */
static inline struct dv_manifest place_images(const char *job, uint64_t epoch, uint64_t parent,
                                              struct dv_manifest_rank ranks[RANKS])
{
    struct dv_manifest m = {.epoch = epoch,
                            .parent_epoch = parent,
                            .ranks = RANKS,
                            .committed_unix_ns = 1700000000123456789,
                            .strategy = "full+coordinated",
                            .place = test_place,
                            .rank = ranks},
                       before = {0};
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/epochs", job);
    assert_int_equal(dv_make_directory_private(directory), DV_OK);
    assert_int_equal(dv_level_make_epoch(job, &test_place, epoch), DV_OK);
    if (parent)
        assert_int_equal(dv_manifest_read(job, parent, &before), DV_OK);
    for (uint32_t r = 0; r < RANKS; r++) {
        dv_epoch_directory(dv_place_base(&test_place, job, r, RANKS), epoch, directory,
                           sizeof directory);
        write_rank(directory, epoch, parent, &before, r, &ranks[r]);
    }
    if (parent)
        dv_manifest_free(&before);
    return m;
}

/* Images, what the level asks for, and the manifest if `commit`. */
static inline void make_epoch(const char *job, uint64_t epoch, uint64_t parent, int commit)
{
    struct dv_manifest_rank ranks[RANKS];
    const struct dv_manifest m = place_images(job, epoch, parent, ranks);
    assert_int_equal(dv_level_protect(&m), DV_OK);
    if (commit)
        assert_int_equal(dv_manifest_write(job, &m), DV_OK);
}

/* The epoch can be restored, and holds what was in memory. */
static inline void expect_epoch(const char *job, uint64_t epoch)
{
    char path[PATH_MAX], memory[PAGES * PAGE];
    snprintf(path, sizeof path, "%s", job);
    for (uint32_t r = 0; r < RANKS; r++) {
        struct dv_image_chain *c = NULL;
        const void *bytes = NULL;
        size_t length = 0;
        assert_int_equal(dv_image_chain_open(dv_store_locate, path, epoch, r, &c), DV_OK);
        memset(memory, 0, sizeof memory);
        assert_int_equal(dv_image_chain_load(c, BASE, BASE + sizeof memory, memory, 1), DV_OK);
        assert_memory_equal(memory, model[epoch][r], sizeof memory);
        assert_int_equal(
            dv_image_reader_section(dv_image_chain_head(c), DV_SECTION_CONTEXT, &bytes, &length),
            DV_OK);
        assert_int_equal(length, sizeof r);
        assert_memory_equal(bytes, &r, sizeof r);
        dv_image_chain_close(c);
    }
    assert_int_equal(dv_manifest_verify(job, epoch, 1), DV_OK);
}

/* The committed epochs as text: "1 2 5". */
static inline const char *listed(const char *job)
{
    static char text[200];
    uint64_t *epochs = NULL;
    size_t count = 0, used = 0;
    assert_int_equal(dv_manifest_list(job, &epochs, &count), DV_OK);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu", i ? " " : "",
                                 (unsigned long long)epochs[i]);
    free(epochs);
    return text;
}

static inline void forget_models(void)
{
    for (size_t e = 0; e < MOST_EPOCHS; e++) {
        for (size_t r = 0; r < RANKS; r++) {
            free(model[e][r]);
            model[e][r] = NULL;
        }
    }
}

static inline int store_begin(void **state)
{
    memset(&test_place, 0, sizeof test_place);
    return check_make_directory(state);
}

static inline int store_end(void **state)
{
    forget_models();
    return check_remove_directory(state);
}

#endif

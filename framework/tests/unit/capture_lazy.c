/* Lazy restore: memory mapped from a chain of two images is what the chain says, its regions are known for what they are,
 * written pages are told apart, the files stay as they are, and damage is found afterwards.
 *
 * Each case runs in a child: a restore replaces everything below DV_SPLIT. */
#include "capture/capture_engine.h"
#include "capture/lazy.h"
#include "capture/memory_section.h"
#include "capture/regions.h"
#include "check.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MIB (1024ull * 1024ull)
#define PAGE ((uint64_t)DV_PAGE_BYTES)
#define AREA 0x200000000000ull
#define AREA_BYTES (16 * MIB)
#define HEAP ((uint64_t)DV_BREAK_BASE)
#define HEAP_BYTES (4 * MIB)
#define CODE (AREA + 64 * MIB)
#define CODE_BYTES (2 * MIB)

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is false (errno %s; %s)\n", __FILE__, __LINE__, #condition, \
                    strerror(errno), dv_why());                                                    \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static const char *directory;
static enum dv_codec codec;

/* What a page holds: a number that depends on where it is and of which epoch; every 599th is zero, and so is a whole MiB. */
static uint64_t word_of(uint64_t address, unsigned epoch)
{
    uint64_t page = (address - AREA) / PAGE;
    if (address < AREA)
        page =
            (address - HEAP) / PAGE + 599 * 200 + 6; /* so that the heap begins with a long run */
    if (page % 599 == 5 || (page >= 1024 && page < 1280))
        return 0;
    return (page + 1) * 0x9e3779b97f4a7c15ull + epoch;
}

static void fill_page(unsigned char *to, uint64_t word)
{
    for (size_t i = 0; i < DV_PAGE_BYTES; i += sizeof word)
        memcpy(to + i, &word, sizeof word);
}

/* Epoch 2 changes every 50th page at the beginning of the area, and all pages of one run of 3 MiB. */
static int is_changed(uint64_t address)
{
    uint64_t page = (address - AREA) / PAGE;
    return address >= AREA && address < AREA + AREA_BYTES &&
           ((page % 50 == 7 && page < 512) || (page >= 2048 && page < 2816));
}

static unsigned epoch_of(uint64_t address)
{
    return is_changed(address) ? 2 : 1;
}

static void write_region(struct dv_image_writer *w, uint64_t start, uint64_t bytes, unsigned epoch)
{
    static unsigned char page[DV_PAGE_BYTES];
    for (uint64_t at = start; at < start + bytes; at += PAGE) {
        if (epoch == 2 && !is_changed(at)) {
            if (word_of(at, 1) != 0)
                REQUIRE(dv_image_write_inherited(w, at, PAGE) == DV_OK);
            continue;
        }
        fill_page(page, word_of(at, epoch));
        REQUIRE(dv_image_write_pages(w, at, PAGE, page) == DV_OK);
    }
}

static void write_sections(struct dv_image_writer *w)
{
    struct dv_region regions[] = {
        {.start = HEAP,
         .end = HEAP + HEAP_BYTES,
         .flags = DV_REGION_READ | DV_REGION_WRITE | DV_REGION_HEAP,
         .path = "[heap]"},
        {.start = AREA,
         .end = AREA + AREA_BYTES,
         .flags = DV_REGION_READ | DV_REGION_WRITE,
         .path = ""},
        {.start = CODE,
         .end = CODE + CODE_BYTES,
         .flags = DV_REGION_READ | DV_REGION_EXEC,
         .path = ""},
    };
    uint8_t kinds[] = {DV_MAP_PRIVATE, DV_MAP_PRIVATE, DV_MAP_PRIVATE};
    uint64_t data_end[] = {regions[0].end, regions[1].end, regions[2].end};
    struct dv_maps maps = {.regions = regions, .kinds = kinds, .count = 3};
    struct dv_blob blob = {0};
    REQUIRE(dv_memory_section_write(&blob, &maps, data_end, HEAP, HEAP + HEAP_BYTES) == DV_OK);
    REQUIRE(!blob.failed);
    REQUIRE(dv_image_write_section(w, DV_SECTION_REGIONS, blob.bytes, blob.length) == DV_OK);
    dv_blob_free(&blob);
}

static void write_image(unsigned epoch, const uint8_t *parent, uint8_t *digest)
{
    char name[32];
    struct dv_image_identity identity = {.epoch = epoch, .size = 1, .page_bytes = DV_PAGE_BYTES};
    struct dv_image_stats stats;
    struct dv_image_writer *w;
    snprintf(name, sizeof name, "image-%u", epoch);
    if (parent) {
        identity.parent_epoch = epoch - 1;
        memcpy(identity.parent_digest, parent, sizeof identity.parent_digest);
    }
    struct dv_image_spec spec = {.directory = directory,
                                 .name = name,
                                 .identity = &identity,
                                 .most_pages = 65536,
                                 .codec = codec};
    REQUIRE(dv_image_writer_new(&spec, &w) == DV_OK && dv_image_writer_begin(w) == DV_OK);
    write_sections(w);
    write_region(w, HEAP, HEAP_BYTES, epoch);
    write_region(w, AREA, AREA_BYTES, epoch);
    write_region(w, CODE, CODE_BYTES, epoch);
    REQUIRE(dv_image_writer_finish(w, &stats) == DV_OK);
    memcpy(digest, stats.digest, sizeof stats.digest);
    REQUIRE(dv_image_writer_commit(w) == DV_OK);
}

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    (void)arg;
    (void)rank;
    snprintf(path, path_bytes, "%s/image-%llu", directory, (unsigned long long)epoch);
    return DV_OK;
}

static void restore(struct dv_image_chain **chain, struct dv_lazy *lazy,
                    struct dv_restored *restored)
{
    uint8_t first[16], second[16];
    write_image(1, NULL, first);
    write_image(2, first, second);
    REQUIRE(dv_image_chain_open(locate, NULL, 2, 0, chain) == DV_OK);
    REQUIRE(dv_image_chain_length(*chain) == 2);
    REQUIRE(dv_restore_memory("/nonexistent", *chain, 2, lazy, restored) == DV_OK);
}

static void check_memory(uint64_t start, uint64_t bytes)
{
    static unsigned char page[DV_PAGE_BYTES];
    for (uint64_t at = start; at < start + bytes; at += PAGE) {
        fill_page(page, word_of(at, epoch_of(at)));
        REQUIRE(memcmp((const void *)(uintptr_t)at, page, sizeof page) == 0);
    }
}

static void restored_memory_is_right(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    restore(&chain, &lazy, &restored);
    if (codec == DV_CODEC_NONE)
        REQUIRE(restored.lazy_bytes > 2 * MIB && lazy.count > 0);
    else
        REQUIRE(restored.lazy_bytes == 0);
    REQUIRE(restored.lazy_bytes == lazy.bytes);
    check_memory(HEAP, HEAP_BYTES);
    check_memory(AREA, AREA_BYTES);
    check_memory(CODE, CODE_BYTES);
}

struct runs {
    uint64_t pages, start[64], end[64];
    size_t count;
};

static enum dv_status note(void *arg, uint64_t start, uint64_t end)
{
    struct runs *runs = arg;
    REQUIRE(runs->count < 64);
    runs->start[runs->count] = start;
    runs->end[runs->count++] = end;
    runs->pages += (end - start) / PAGE;
    return DV_OK;
}

/* The next capture sees anonymous memory, the heap as the heap, and every page as one that holds information. */
static void regions_are_known(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    struct dv_maps maps;
    uint64_t lazy_bytes = 0, covered = 0;
    restore(&chain, &lazy, &restored);
    dv_image_chain_close(chain);
    REQUIRE(dv_maps_read(&maps) == DV_OK && dv_maps_check(&maps) == DV_OK);
    for (size_t i = 0; i < maps.count; i++) {
        const struct dv_region *region = &maps.regions[i];
        REQUIRE(!(region->flags & DV_REGION_FILE) && maps.kinds[i] == DV_MAP_PRIVATE);
        if (region->start == HEAP) /* further ones are known by the kernel's [heap] before them */
            REQUIRE((region->flags & DV_REGION_HEAP) && strcmp(region->path, "[heap]") == 0);
        covered += region->end - region->start;
        if (!(region->flags & DV_REGION_LAZY))
            continue;
        struct runs runs = {0};
        REQUIRE(!(region->flags & DV_REGION_EXEC));
        REQUIRE(dv_region_populated(region, note, &runs) == DV_OK);
        REQUIRE(runs.count == 1 && runs.start[0] == region->start && runs.end[0] == region->end);
        lazy_bytes += region->end - region->start;
    }
    REQUIRE(covered == HEAP_BYTES + AREA_BYTES + CODE_BYTES && lazy_bytes == restored.lazy_bytes);
    dv_maps_free(&maps);
}

static void written_pages_are_told(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    restore(&chain, &lazy, &restored);
    REQUIRE(lazy.count > 0);
    volatile char *at = (volatile char *)(uintptr_t)lazy.pieces[0].address;
    uint64_t start = lazy.pieces[0].address, end = start + lazy.pieces[0].length;
    for (uint64_t i = 0; i < lazy.pieces[0].length; i += PAGE)
        (void)at[i]; /* reading is not writing */
    at[3 * PAGE] = 1;
    at[4 * PAGE] = 1;
    at[100 * PAGE + 17] = 1;
    for (enum dv_pagemap_way way = DV_PAGEMAP_AUTO; way <= DV_PAGEMAP_READ; way++) {
        struct runs runs = {0};
        enum dv_status status = dv_pagemap_own(start, end, way, note, &runs);
        if (way == DV_PAGEMAP_SCAN_IOCTL && status == DV_ERR_UNSUPPORTED)
            continue;
        REQUIRE(status == DV_OK && runs.count == 2 && runs.pages == 3);
        REQUIRE(runs.start[0] == start + 3 * PAGE && runs.start[1] == start + 100 * PAGE);
    }
}

/* Neither recycled by a writer nor locked by anybody while it is mapped; what is written to memory stays out of it. */
static void files_are_left_alone(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    char path[PATH_MAX];
    restore(&chain, &lazy, &restored);
    dv_image_chain_close(chain);
    REQUIRE(locate(NULL, 1, 0, path, sizeof path) == DV_OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
    struct dv_image_identity identity = {.epoch = 3, .size = 1, .page_bytes = DV_PAGE_BYTES};
    struct dv_image_spec spec = {.directory = directory,
                                 .name = "image-3",
                                 .recycle = path,
                                 .identity = &identity,
                                 .most_pages = 65536};
    struct dv_image_writer *w;
    struct dv_image_stats stats;
    static unsigned char other[256 * DV_PAGE_BYTES];
    memset(other, 0xee, sizeof other);
    REQUIRE(dv_image_writer_new(&spec, &w) == DV_OK && dv_image_writer_begin(w) == DV_OK);
    for (uint64_t at = 0; at < 8 * MIB; at += sizeof other)
        REQUIRE(dv_image_write_pages(w, AREA + at, sizeof other, other) == DV_OK);
    REQUIRE(dv_image_writer_finish(w, &stats) == DV_OK && dv_image_writer_commit(w) == DV_OK);
    check_memory(HEAP, HEAP_BYTES);
    check_memory(AREA, AREA_BYTES);
    memset((void *)(uintptr_t)AREA, 0x77, AREA_BYTES);
    REQUIRE(dv_image_chain_open(locate, NULL, 2, 0, &chain) == DV_OK &&
            dv_image_chain_verify(chain) == DV_OK);
}

static int ended_with = -1;

static void ended(enum dv_status status, const char *why)
{
    __atomic_store_n(&ended_with, status == DV_OK || why[0] != '\0' ? (int)status : -2,
                     __ATOMIC_RELEASE);
}

static int wait_ended(void)
{
    int status;
    while ((status = __atomic_load_n(&ended_with, __ATOMIC_ACQUIRE)) == -1)
        usleep(1000);
    return status;
}

static void whole_is_found_whole(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    REQUIRE(dv_lazy_wait() == DV_OK); /* nothing to wait for */
    restore(&chain, &lazy, &restored);
    REQUIRE(dv_lazy_verify(&lazy, chain, ended) == DV_OK);
    REQUIRE(dv_lazy_wait() == DV_OK && wait_ended() == DV_OK);
    check_memory(AREA, AREA_BYTES);
}

static void damage_is_found(void)
{
    struct dv_image_chain *chain;
    struct dv_lazy lazy = {0};
    struct dv_restored restored;
    char path[PATH_MAX], byte = 0;
    restore(&chain, &lazy, &restored);
    REQUIRE(locate(NULL, 1, 0, path, sizeof path) == DV_OK && lazy.count > 0);
    const struct dv_lazy_piece *last = &lazy.pieces[lazy.count - 1];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t at = (off_t)(last->offset + last->length - 100);
    REQUIRE(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 4;
    REQUIRE(pwrite(fd, &byte, 1, at) == 1);
    REQUIRE(dv_lazy_verify(&lazy, chain, ended) == DV_OK);
    REQUIRE(dv_lazy_wait() == DV_ERR_DAMAGED && strstr(dv_why(), "image-1") != NULL);
    REQUIRE(wait_ended() == DV_ERR_DAMAGED);
}

/* More pieces than may be mapped: the longest are. */
static void number_is_bounded(void)
{
    enum { PIECES = 5000 };
    struct dv_lazy lazy = {.count = PIECES, .capacity = PIECES};
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && (lazy.pieces = calloc(PIECES, sizeof *lazy.pieces)) != NULL);
    for (size_t i = 0; i < PIECES; i++)
        lazy.pieces[i] = (struct dv_lazy_piece){
            .address = AREA + i * 64 * MIB, .length = MIB + i * 7919 % PIECES * PAGE, .fd = fd};
    dv_lazy_choose(&lazy);
    REQUIRE(lazy.count >= 64 && lazy.count <= 1024);
    for (size_t i = 0; i < lazy.count; i++) {
        REQUIRE(lazy.pieces[i].length >= MIB + (PIECES - lazy.count) * PAGE);
        REQUIRE(i == 0 || lazy.pieces[i - 1].address < lazy.pieces[i].address);
    }
}

static void run(void (*function)(void), enum dv_codec with, void **state)
{
    directory = *state;
    codec = with;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        function();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define CASE(name, function, codec)                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        run(function, codec, state);                                                               \
    }
CASE(test_memory, restored_memory_is_right, DV_CODEC_NONE)
CASE(test_packed, restored_memory_is_right, DV_CODEC_LZ4)
CASE(test_regions, regions_are_known, DV_CODEC_NONE)
CASE(test_written, written_pages_are_told, DV_CODEC_NONE)
CASE(test_files, files_are_left_alone, DV_CODEC_NONE)
CASE(test_whole, whole_is_found_whole, DV_CODEC_NONE)
CASE(test_damage, damage_is_found, DV_CODEC_NONE)
CASE(test_bound, number_is_bounded, DV_CODEC_NONE)

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_memory), TEST(test_packed), TEST(test_regions), TEST(test_written),
        TEST(test_files),  TEST(test_whole),  TEST(test_damage),  TEST(test_bound),
    };
    check_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Regions: parsing of scripted maps, clipping, the main stack, pages that hold information, page
 * sets, the image's list of mappings. */
#include "capture/blob.h"
#include "capture/memory_section.h"
#include "capture/page_set.h"
#include "capture/regions.h"
#include "check.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <sys/mman.h>

static struct dv_maps parse(const char *text)
{
    struct dv_maps maps;
    assert_int_equal(dv_maps_parse(strdup(text), &maps), DV_OK);
    return maps;
}

static void test_parse(void **state)
{
    (void)state;
    struct dv_maps maps = parse(
        "00400000-00452000 r-xp 00001000 fe:01 247134                     /usr/bin/a b\n"
        "00652000-00653000 rw-p 00000000 00:00 0 \n"
        "100080000000-100080021000 rw-p 00000000 00:00 0                  [heap]\n"
        "3fff00000000-3fff00001000 rw-s 00000000 00:01 77                 /dev/zero (deleted)\n"
        "3fff00002000-3fff00004000 -w-s 00003000 fe:00 12                 /tmp/new\\012line\n"
        "3fff00005000-3fff00006000 rw-p 00000000 00:05 5                  /dev/zero\n"
        "3fff00007000-400000021000 ---p 00000000 00:00 0 \n"
        "400000021000-400000022000 rw-p 00000000 00:00 0 \n"
        "7fff841b8000-7fff841d9000 rw-p 00000000 00:00 0                  [stack]\n");
    assert_int_equal(maps.count, 7);
    const struct dv_region *r = maps.regions;
    assert_int_equal(r[0].start, 0x400000);
    assert_int_equal(r[0].end, 0x452000);
    assert_int_equal(r[0].flags, DV_REGION_READ | DV_REGION_EXEC | DV_REGION_FILE);
    assert_int_equal(r[0].file_offset, 0x1000);
    assert_int_equal(r[0].inode, 247134);
    assert_int_equal(r[0].device, 0xfeull << 32 | 1);
    assert_string_equal(r[0].path, "/usr/bin/a b");
    assert_int_equal(r[1].flags, DV_REGION_READ | DV_REGION_WRITE);
    assert_string_equal(r[1].path, "");
    assert_true(r[2].flags & DV_REGION_HEAP);
    assert_int_equal(maps.kinds[3], DV_MAP_SHARED_ANON);
    assert_true(r[3].flags & DV_REGION_SHARED);
    assert_int_equal(maps.kinds[4], DV_MAP_SHARED_FILE);
    assert_int_equal(r[4].flags, DV_REGION_WRITE | DV_REGION_SHARED | DV_REGION_FILE);
    assert_string_equal(r[4].path, "/tmp/new\nline");
    assert_int_equal(r[5].flags, DV_REGION_READ | DV_REGION_WRITE); /* plain memory */
    assert_int_equal(r[6].end, DV_SPLIT);
    assert_int_equal(r[6].flags, 0);
    dv_maps_free(&maps);
    maps = parse("");
    assert_int_equal(maps.count, 0);
    dv_maps_free(&maps);
}

static void test_parse_rejects_what_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "hello\n",
        "00400000-00400000 r-xp 00000000 fe:01 1 /a\n",
        "00400000-00401000 r-x\n",
        "00400000-00401000 r-xp 00000000 fe:01\n",
        "00400000-00401000 r-xp 00000000 fe:01 x\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct dv_maps maps;
        assert_int_equal(dv_maps_parse(strdup(lines[i]), &maps), DV_ERR_INTERNAL);
    }
}

static void test_stack_is_split_off(void **state)
{
    (void)state;
    static const char text[] = "3ffff0000000-3ffff0900000 rw-p 00000000 00:00 0 \n"
                               "3ffff1000000-3ffff1001000 rw-p 00000000 00:00 0 \n";
    struct dv_maps maps = parse(text);
    /* In the middle: what is below it is not dead. */
    assert_int_equal(dv_maps_mark_stack(&maps, 0x3ffff0100000, 0x3ffff0800000, 0x3ffff0345678),
                     DV_OK);
    assert_int_equal(maps.count, 4);
    assert_int_equal(maps.regions[0].end, 0x3ffff0100000);
    assert_int_equal(maps.regions[0].live_from, 0x3ffff0000000);
    assert_false(maps.regions[0].flags & DV_REGION_STACK);
    assert_int_equal(maps.regions[1].start, 0x3ffff0100000);
    assert_int_equal(maps.regions[1].end, 0x3ffff0800000);
    assert_int_equal(maps.regions[1].live_from, 0x3ffff0345000);
    assert_true(maps.regions[1].flags & DV_REGION_STACK);
    assert_int_equal(maps.regions[2].start, 0x3ffff0800000);
    assert_int_equal(maps.regions[2].live_from, 0x3ffff0800000);
    assert_false(maps.regions[2].flags & DV_REGION_STACK);
    assert_int_equal(maps.regions[3].start, 0x3ffff1000000);
    dv_maps_free(&maps);
    /* Exactly one region. */
    maps = parse(text);
    assert_int_equal(dv_maps_mark_stack(&maps, 0x3ffff0000000, 0x3ffff0900000, 0x3ffff0000000),
                     DV_OK);
    assert_int_equal(maps.count, 2);
    dv_maps_free(&maps);
    maps = parse(text);
    assert_int_equal(dv_maps_mark_stack(&maps, 0x3fff00000000, 0x3fff00100000, 0x3fff00000000),
                     DV_ERR_INTERNAL);
    dv_maps_free(&maps);
}

static void expect_refused(const char *line, const char *why)
{
    struct dv_maps maps = parse(line);
    assert_int_equal(dv_maps_check(&maps), DV_ERR_REFUSED);
    assert_non_null(strstr(dv_why(), why));
    dv_maps_free(&maps);
}

static void test_refused_mappings(void **state)
{
    (void)state;
    expect_refused("10000-20000 rw-s 0 00:06 4 /dev/null\n",
                   "10000-20000 of /dev/null is a device");
    expect_refused("10000-20000 rw-p 0 00:06 4 /dev/tty\n", "a device");
    expect_refused("10000-20000 rw-s 0 00:01 9 /SYSV00001234 (deleted)\n", "System V");
    expect_refused("10000-20000 rw-s 0 00:01 9 /memfd:x (deleted)\n", "memfd");
    expect_refused("10000-20000 rw-s 0 00:01 9 /tmp/gone (deleted)\n", "deleted file");
    expect_refused("10000-20000 rw-s 0 00:01 9 anon_inode:[io_uring]\n", "kernel object");
    expect_refused("10000-20000 r-xp 0 00:00 0 [vdso]\n", "made by the kernel");
    expect_refused("10000-20000 rw-s 0 00:01 9 /dev/zero (deleted)\n"
                   "30000-40000 rw-s 0 00:01 9 /dev/zero (deleted)\n",
                   "mapped twice");
    struct dv_maps maps = parse("10000-20000 rw-s 0 00:01 9 /dev/zero (deleted)\n"
                                "20000-30000 r--s 00010000 00:01 9 /dev/zero (deleted)\n"
                                "30000-40000 r-xp 0 fe:01 3 /lib/removed.so (deleted)\n"
                                "40000-50000 rw-p 0 00:00 0 [anon:mine]\n");
    assert_int_equal(dv_maps_check(&maps), DV_OK);
    dv_maps_free(&maps);
}

struct runs {
    uint64_t start[64], end[64];
    size_t count;
};

static enum dv_status note_run(void *arg, uint64_t start, uint64_t end)
{
    struct runs *runs = arg;
    assert_true(runs->count < 64);
    runs->start[runs->count] = start;
    runs->end[runs->count++] = end;
    return DV_OK;
}

static void test_populated(void **state)
{
    (void)state;
    const size_t pages = 5000;
    char *memory = mmap(NULL, pages * DV_PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    madvise(memory, pages * DV_PAGE_BYTES, MADV_NOHUGEPAGE);
    memory[0] = 1;
    for (size_t i = 100; i < 2000; i++)
        memory[i * DV_PAGE_BYTES] = (char)i;
    memory[(pages - 1) * DV_PAGE_BYTES] = 1;
    assert_int_equal(mprotect(memory + 1999 * DV_PAGE_BYTES, 1000 * DV_PAGE_BYTES, PROT_NONE), 0);
    uint64_t at = (uint64_t)(uintptr_t)memory;
    static const enum dv_pagemap_way ways[] = {DV_PAGEMAP_READ, DV_PAGEMAP_SCAN_IOCTL,
                                               DV_PAGEMAP_AUTO};
    for (size_t i = 0; i < 3; i++) {
        struct runs runs = {.count = 0};
        enum dv_status status =
            dv_pagemap_populated(at, at + pages * DV_PAGE_BYTES, ways[i], note_run, &runs);
        if (ways[i] == DV_PAGEMAP_SCAN_IOCTL && status == DV_ERR_UNSUPPORTED)
            continue; /* this kernel */
        assert_int_equal(status, DV_OK);
        assert_int_equal(runs.count, 3);
        assert_int_equal(runs.start[0], at);
        assert_int_equal(runs.end[0], at + DV_PAGE_BYTES);
        assert_int_equal(runs.start[1], at + 100 * DV_PAGE_BYTES);
        assert_int_equal(runs.end[1], at + 2000 * DV_PAGE_BYTES);
        assert_int_equal(runs.start[2], at + (pages - 1) * DV_PAGE_BYTES);
    }
    munmap(memory, pages * DV_PAGE_BYTES);
}

static enum dv_status count_run(void *arg, uint64_t start, uint64_t end)
{
    size_t *counts = arg;
    counts[0]++;
    counts[1] += (end - start) / DV_PAGE_BYTES;
    return DV_OK;
}

/* More runs than one call of the kernel returns. */
static void test_populated_many_runs(void **state)
{
    (void)state;
    const size_t pages = 4096;
    char *memory = mmap(NULL, pages * DV_PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    madvise(memory, pages * DV_PAGE_BYTES, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i += 2)
        memory[i * DV_PAGE_BYTES] = 1;
    uint64_t at = (uint64_t)(uintptr_t)memory;
    for (int way = DV_PAGEMAP_AUTO; way <= DV_PAGEMAP_READ; way += DV_PAGEMAP_READ) {
        size_t counts[2] = {0, 0};
        assert_int_equal(dv_pagemap_populated(at, at + pages * DV_PAGE_BYTES,
                                              (enum dv_pagemap_way)way, count_run, counts),
                         DV_OK);
        assert_int_equal(counts[0], pages / 2);
        assert_int_equal(counts[1], pages / 2);
    }
    munmap(memory, pages * DV_PAGE_BYTES);
}

static void test_data_end(void **state)
{
    int fd = open(check_path(state, "file"), O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    for (size_t file_pages = 0; file_pages <= 7; file_pages++) {
        size_t bytes = file_pages ? file_pages * DV_PAGE_BYTES - 100 : 0;
        assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
        char *memory = mmap(NULL, 7 * DV_PAGE_BYTES, PROT_NONE, MAP_PRIVATE, fd, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        struct dv_region region = {.start = (uint64_t)(uintptr_t)memory, .flags = DV_REGION_FILE};
        region.end = region.start + 7 * DV_PAGE_BYTES;
        region.live_from = region.start;
        assert_int_equal(dv_region_data_end(&region), region.start + file_pages * DV_PAGE_BYTES);
        size_t counts[2] = {0, 0};
        assert_int_equal(dv_region_populated(&region, count_run, counts), DV_OK);
        assert_int_equal(counts[1], file_pages);
        munmap(memory, 7 * DV_PAGE_BYTES);
    }
    close(fd);
}

static void test_page_set(void **state)
{
    (void)state;
    static const struct dv_region regions[] = {
        {.start = 0x10000, .end = 0x20000, .live_from = 0x14000, .path = ""},
        {.start = 0x20000, .end = 0x30000, .live_from = 0x20000, .path = ""},
        {.start = 0x50000, .end = 0x60000, .live_from = 0x50000, .path = ""},
    };
    static const uint64_t data_end[] = {0x20000, 0x28000, 0x60000};
    const struct dv_region_list list = {regions, 3};
    struct dv_page_set set = {0};
    assert_int_equal(dv_page_set_add(&set, 0x55000, 0x56000), DV_OK);
    assert_int_equal(dv_page_set_add(&set, 0x10000, 0x2a000), DV_OK);
    assert_int_equal(dv_page_set_add(&set, 0x15000, 0x2c000), DV_OK);
    assert_int_equal(dv_page_set_add(&set, 0x56000, 0x57000), DV_OK);
    assert_int_equal(dv_page_set_add(&set, 0x50000, 0x50000), DV_OK);
    assert_int_equal(dv_page_set_add(&set, 0x50001, 0x51000), DV_ERR_INTERNAL);
    dv_page_set_normalize(&set);
    assert_int_equal(set.count, 2);
    assert_int_equal(dv_page_set_clip(&set, &list, data_end, "test"), DV_OK);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.ranges[0].start, 0x14000);
    assert_int_equal(set.ranges[0].end, 0x28000);
    assert_int_equal(set.ranges[1].start, 0x55000);
    assert_int_equal(set.ranges[1].end, 0x57000);
    assert_int_equal(dv_page_set_add(&set, 0x5f000, 0x61000), DV_OK);
    assert_int_equal(dv_page_set_clip(&set, &list, data_end, "test"), DV_ERR_INTERNAL);
    assert_non_null(strstr(dv_why(), "strategy test selected the page 0x60000"));
    dv_page_set_free(&set);
}

static void test_memory_section(void **state)
{
    (void)state;
    struct dv_maps maps =
        parse("00400000-00452000 r-xp 00001000 fe:01 247134                     /usr/bin/a\n"
              "100080000000-100080021000 rw-p 00000000 00:00 0                  [heap]\n");
    const uint64_t data_end[] = {0x451000, 0x100080021000};
    struct dv_blob blob = {0};
    assert_int_equal(
        dv_memory_section_write(&blob, &maps, data_end, 0x100080000000, 0x100080020123), DV_OK);
    struct dv_memory_section section;
    assert_int_equal(dv_memory_section_read(blob.bytes, blob.length, &section), DV_OK);
    assert_int_equal(section.count, 2);
    assert_int_equal(section.heap_end, 0x100080020123);
    assert_int_equal(section.records[0].data_end, 0x451000);
    assert_string_equal(section.records[0].path, "/usr/bin/a");
    dv_memory_section_free(&section);
    /* Whatever its end is cut to, or which byte is wrong: an error or a sane list, never a crash.
     */
    for (size_t length = 0; length < blob.length; length++)
        assert_int_equal(dv_memory_section_read(blob.bytes, length, &section), DV_ERR_DAMAGED);
    for (size_t i = 0; i < blob.length * 8; i++) {
        blob.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        if (dv_memory_section_read(blob.bytes, blob.length, &section) == DV_OK)
            dv_memory_section_free(&section);
        blob.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    dv_blob_free(&blob);
    dv_maps_free(&maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_rejects_what_it_does_not_understand),
        cmocka_unit_test(test_stack_is_split_off),
        cmocka_unit_test(test_refused_mappings),
        cmocka_unit_test(test_populated),
        cmocka_unit_test(test_populated_many_runs),
        cmocka_unit_test_setup_teardown(test_data_end, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test(test_page_set),
        cmocka_unit_test(test_memory_section),
    };
    check_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

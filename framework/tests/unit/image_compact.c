/* Unit test: complete epochs made from chains. Failures and kills while they are made: store_faults.c. */
#include "store/compact.h"
#include "store/prune.h"
#include "store_support.h"

static void make_chain(const char *job, uint64_t last)
{
    make_epoch(job, 1, 0, 1);
    for (uint64_t e = 2; e <= last; e++)
        make_epoch(job, e, e - 1, 1);
}

static void expect_chain(const char *job, uint64_t epoch, uint32_t expected)
{
    uint32_t length = 0;
    assert_int_equal(dv_store_chain_length(job, epoch, &length), DV_OK);
    assert_int_equal(length, expected);
}

static void compacts(void **state)
{
    struct dv_compacted result;
    make_chain(*state, 5);
    expect_chain(*state, 5, 5);
    assert_int_equal(dv_compact_epoch(*state, 4, DV_CODEC_NONE, &result), DV_OK);
    assert_int_equal(result.images, 4);
    assert_true(result.written_bytes > RANKS * (PAGES - 1) * PAGE);
    expect_chain(*state, 4, 1);
    expect_chain(*state, 5, 2);
    for (uint64_t e = 1; e <= 5; e++)
        expect_epoch(*state, e);
    assert_int_equal(dv_compact_epoch(*state, 4, DV_CODEC_NONE, &result), DV_ERR_NOTHING);
    assert_int_equal(dv_compact_epoch(*state, 9, DV_CODEC_NONE, &result), DV_ERR_NOT_FOUND);
    /* What comes after goes on from either digest. */
    make_epoch(*state, 6, 4, 1);
    expect_epoch(*state, 6);
    assert_int_equal(dv_manifest_prune(*state, 2), DV_OK);
    assert_string_equal(listed(*state), "4 5 6");
    assert_int_equal(access(check_path(state, "epochs/000004/rank-0.dvi"), F_OK), -1);
    for (uint64_t e = 4; e <= 6; e++)
        expect_epoch(*state, e);
}

static void packs(void **state)
{
    make_chain(*state, 3);
    assert_int_equal(dv_compact_epoch(*state, 3, DV_CODEC_SHUFFLE_LZ4, NULL), DV_OK);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "3");
    expect_epoch(*state, 3);
}

/* An ancestor that is damaged: nothing is changed, and the cause is named. */
static void damaged_ancestor(void **state)
{
    make_chain(*state, 3);
    int fd = open(check_path(state, "epochs/000001/rank-2.dvi"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(dv_pwrite_all(fd, "x", 1, 4096 + 100), DV_OK);
    close(fd);
    assert_int_equal(dv_compact_epoch(*state, 3, DV_CODEC_NONE, NULL), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "epochs/000001/rank-2.dvi"));
    expect_chain(*state, 3, 3);
    assert_int_equal(dv_manifest_verify(*state, 3, 0), DV_OK);
    assert_int_equal(dv_manifest_verify(*state, 3, 1), DV_ERR_DAMAGED);
    assert_int_equal(dv_manifest_verify(*state, 2, 1), DV_ERR_DAMAGED);
    assert_int_equal(unlink(check_path(state, "epochs/000001/rank-0.dvi")), 0);
    assert_int_equal(dv_manifest_verify(*state, 3, 0), DV_ERR_DAMAGED);
    assert_int_equal(dv_compact_epoch(*state, 3, DV_CODEC_NONE, NULL), DV_ERR_DAMAGED);
    assert_int_equal(dv_store_present(*state, 3), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "epochs/000001/rank-0.dvi"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, store_begin, store_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(compacts),
        T(packs),
        T(damaged_ancestor),
    };
    check_quiet();
    cmocka_set_test_filter(getenv("CHECK_ONLY"));
    return cmocka_run_group_tests_name("image-compact", tests, NULL, NULL);
}

/* Unit test: complete epochs made from chains, at every level, and what a kill at any moment leaves. */
#include "kill_point.h"
#include "store/compact.h"
#include "store/prune.h"
#include "store_support.h"

static char *nodes[3], node_paths[3][PATH_MAX];

static void use_nodes(void **state, enum dv_level level, uint32_t parity)
{
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(node_paths[i], sizeof node_paths[i], "%s/node%u", (const char *)*state, i);
        nodes[i] = node_paths[i];
    }
    test_place = (struct dv_place){.level = level,
                                   .parity = parity,
                                   .node_count = level == DV_LEVEL_SHARED ? 0 : 3,
                                   .node = nodes};
}

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

static int compact_3(void *job)
{
    return dv_compact_epoch(job, 3, DV_CODEC_NONE, NULL) != DV_OK;
}

static int compact_and_prune(void *job)
{
    const struct dv_prune what = {.keep = 1};
    return compact_3(job) || dv_store_prune(job, &what, NULL) != DV_OK;
}

/* Node 1 is lost: everything is got back from the others. */
static void lose_a_node(const char *job)
{
    unsigned rebuilt = 0;
    if (test_place.level != DV_LEVEL_PARTNER && test_place.level != DV_LEVEL_RS)
        return;
    assert_int_equal(dv_remove_tree(nodes[1]), DV_OK);
    assert_int_equal(dv_level_rebuild(job, 4, 0, &rebuilt), DV_OK);
    assert_true(rebuilt > 0);
}

static void kills(void **state, int (*work)(void *), long step)
{
    enum kill_outcome outcome = KILLED;
    for (long n = 1; outcome == KILLED; n += step) {
        make_chain(*state, 4);
        outcome = kill_point(work, *state, n);
        if (outcome == NOT_POSSIBLE) {
            print_message("ptrace is not possible here; kills are not tested\n");
            return;
        }
        assert_int_not_equal(outcome, FAILED);
        lose_a_node(*state);
        expect_epoch(*state, 3);
        expect_epoch(*state, 4);
        /* The next attempt finishes it, and nothing is left over. */
        enum dv_status again = dv_compact_epoch(*state, 3, DV_CODEC_NONE, NULL);
        assert_true(again == DV_OK || again == DV_ERR_NOTHING);
        assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
        assert_string_equal(listed(*state), "3 4");
        expect_chain(*state, 4, 2);
        lose_a_node(*state);
        expect_epoch(*state, 4);
        const char *shared = check_path(state, "epochs/000003");
        assert_int_equal(names_in(shared), test_place.node_count ? 1 : RANKS + 1);
        for (uint32_t i = 0; i < test_place.node_count; i++)
            assert_int_equal(dv_remove_tree(nodes[i]), DV_OK);
        assert_int_equal(dv_remove_tree(check_path(state, "epochs")), DV_OK);
        assert_int_equal(dv_remove_tree(check_path(state, "spare")), DV_OK);
    }
}

/* Steps are primes, so that over the levels kills fall on ever other calls. */
static void killed(void **state)
{
    kills(state, compact_3, 7);
}

static void killed_with_pruning(void **state)
{
    kills(state, compact_and_prune, 11);
}

static void killed_at_partner(void **state)
{
    use_nodes(state, DV_LEVEL_PARTNER, 0);
    kills(state, compact_and_prune, 29);
}

static void killed_at_rs(void **state)
{
    use_nodes(state, DV_LEVEL_RS, 1);
    kills(state, compact_and_prune, 31);
}

#define T(test) cmocka_unit_test_setup_teardown(test, store_begin, store_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(compacts),
        T(packs),
        T(damaged_ancestor),
        T(killed),
        T(killed_with_pruning),
        T(killed_at_partner),
        T(killed_at_rs),
    };
    check_quiet();
    cmocka_set_test_filter(getenv("CHECK_ONLY"));
    return cmocka_run_group_tests_name("image-compact", tests, NULL, NULL);
}

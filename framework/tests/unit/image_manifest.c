/* Unit test: manifests, listing, verification, pruning, and what a kill during pruning leaves. */
#include "kill_point.h"
#include "store/prune.h"
#include "store_support.h"

static void round_trip(void **state)
{
    struct dv_manifest m;
    char path[64];
    make_epoch(*state, 5, 0, 1);
    make_epoch(*state, 7, 5, 1);
    assert_int_equal(dv_manifest_read(*state, 7, &m), DV_OK);
    assert_int_equal(m.epoch, 7);
    assert_int_equal(m.parent_epoch, 5);
    assert_int_equal(m.ranks, RANKS);
    assert_true(m.committed_unix_ns == 1700000000123456789);
    assert_string_equal(m.strategy, "full+coordinated");
    assert_int_equal(m.rank[1].data_bytes, PAGE);
    assert_int_equal(m.rank[1].parent_epoch, 5);
    assert_int_equal(m.place.level, DV_LEVEL_SHARED);
    dv_manifest_free(&m);
    dv_manifest_free(&m);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_OK);
    assert_int_equal(dv_manifest_verify(*state, 7, 1), DV_OK);
    dv_epoch_directory("/j", 7, path, sizeof path);
    assert_string_equal(path, "/j/epochs/000007");
    dv_epoch_directory("/j", 12345678, path, sizeof path);
    assert_string_equal(path, "/j/epochs/12345678");
}

static void listing(void **state)
{
    uint64_t *epochs;
    size_t count;
    assert_string_equal(listed(*state), "");
    assert_int_equal(dv_manifest_list(check_path(state, "none"), &epochs, &count),
                     DV_ERR_NOT_FOUND);
    make_epoch(*state, 10, 0, 1);
    make_epoch(*state, 2, 0, 1);
    make_epoch(*state, 3, 0, 0);
    make_epoch(*state, 20, 0, 1);
    assert_int_equal(mkdir(check_path(state, "epochs/0000010"), 0700), 0);
    assert_int_equal(mkdir(check_path(state, "epochs/lost+found"), 0700), 0);
    assert_string_equal(listed(*state), "2 10 20");
    struct dv_manifest m;
    assert_int_equal(dv_manifest_read(*state, 3, &m), DV_ERR_NOT_FOUND);
    assert_int_equal(dv_manifest_verify(*state, 3, 0), DV_ERR_NOT_FOUND);
}

static void damaged_manifest(void **state)
{
    struct dv_manifest m;
    char *bytes = NULL, path[PATH_MAX];
    size_t length = 0;
    make_epoch(*state, 7, 0, 1);
    make_epoch(*state, 8, 0, 1);
    snprintf(path, sizeof path, "%s", check_path(state, "epochs/000007/manifest"));
    assert_int_equal(dv_read_file(path, 10000, &bytes, &length), DV_OK);
    char *changed = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        memcpy(changed, bytes, length);
        changed[i] = (char)(changed[i] ^ (1 << (i % 8)));
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(dv_write_all(fd, changed, length), DV_OK);
        assert_int_equal(dv_manifest_read(*state, 7, &m), DV_ERR_DAMAGED);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(dv_pwrite_all(fd, bytes, i, 0), DV_OK);
        assert_int_equal(dv_manifest_read(*state, 7, &m), DV_ERR_DAMAGED);
        close(fd);
    }
    assert_string_equal(listed(*state), "8");
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_ERR_DAMAGED);
    /* Sound, but of another epoch. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(check_path(state, "epochs/000008/manifest"), path), 0);
    assert_int_equal(dv_manifest_read(*state, 7, &m), DV_ERR_DAMAGED);
    free(changed);
    free(bytes);
}

static void bad_manifests_are_not_written(void **state)
{
    struct dv_manifest_rank rank = {0};
    struct dv_manifest m = {.epoch = 1, .ranks = 1, .rank = &rank, .strategy = "a\nrank 0 = 0 0 0"};
    assert_int_equal(dv_manifest_write(*state, &m), DV_ERR_INTERNAL);
    m.ranks = 0;
    m.strategy[1] = '\0';
    assert_int_equal(dv_manifest_write(*state, &m), DV_ERR_INTERNAL);
    m.ranks = 1;
    assert_int_equal(dv_manifest_write(*state, &m), DV_ERR_NOT_FOUND);
}

static void verification(void **state)
{
    char a[PATH_MAX], b[PATH_MAX], c[PATH_MAX];
    make_epoch(*state, 7, 0, 1);
    make_epoch(*state, 8, 0, 1);
    snprintf(a, sizeof a, "%s", check_path(state, "epochs/000007/rank-0.dvi"));
    snprintf(b, sizeof b, "%s", check_path(state, "epochs/000007/rank-1.dvi"));
    snprintf(c, sizeof c, "%s", check_path(state, "c"));
    /* Data damaged: only a deep check reads it. */
    int fd = open(b, O_WRONLY | O_CLOEXEC);
    assert_int_equal(dv_pwrite_all(fd, "x", 1, 5000), DV_OK);
    close(fd);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_OK);
    assert_int_equal(dv_manifest_verify(*state, 7, 1), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "rank-1.dvi"));
    /* Images changed round, of another epoch, gone. */
    assert_int_equal(rename(a, c), 0);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_why(), "rank-0.dvi"));
    assert_int_equal(link(b, a), 0);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_ERR_DAMAGED);
    assert_int_equal(unlink(a), 0);
    assert_int_equal(link(check_path(state, "epochs/000008/rank-0.dvi"), a), 0);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_ERR_DAMAGED);
    assert_int_equal(dv_manifest_verify(*state, 8, 1), DV_OK);
}

static void pruning(void **state)
{
    struct stat st;
    for (uint64_t e = 1; e <= 5; e++)
        make_epoch(*state, e, 0, e != 3);
    assert_int_equal(
        dv_write_file_durably(check_path(state, "epochs/000003"), "rank-9.dvi.tmp", "x", 1, 0600),
        DV_OK);
    assert_int_equal(dv_manifest_prune(*state, 0), DV_ERR_USAGE);
    assert_int_equal(dv_manifest_prune(*state, 10), DV_OK);
    assert_string_equal(listed(*state), "1 2 4 5");
    assert_int_equal(access(check_path(state, "epochs/000003"), F_OK), -1);
    /* What was never committed is recycled as well. */
    assert_int_equal(names_in(check_path(state, "spare")), RANKS + 1);
    assert_int_equal(access(check_path(state, "spare/rank-9.dvi"), F_OK), 0);
    assert_int_equal(dv_manifest_prune(*state, 2), DV_OK);
    assert_string_equal(listed(*state), "4 5");
    assert_int_equal(names_in(check_path(state, "epochs")), 2);
    assert_int_equal(names_in(check_path(state, "spare")), RANKS + 1);
    assert_int_equal(stat(check_path(state, "spare"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "5");
    assert_int_equal(dv_manifest_verify(*state, 5, 1), DV_OK);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_int_equal(dv_manifest_prune(check_path(state, "none"), 1), DV_ERR_NOT_FOUND);
}

static void parents_are_kept(void **state)
{
    make_epoch(*state, 1, 0, 1);
    make_epoch(*state, 2, 1, 1);
    make_epoch(*state, 3, 0, 1);
    make_epoch(*state, 4, 2, 1);
    make_epoch(*state, 5, 4, 1);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "1 2 4 5");
    make_epoch(*state, 6, 0, 1);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "6");
}

/* A damaged manifest does not count among those to keep, so sound ones are not removed in its
 * favour. */
static void damaged_ones_do_not_count(void **state)
{
    for (uint64_t e = 1; e <= 4; e++)
        make_epoch(*state, e, 0, 1);
    assert_int_equal(truncate(check_path(state, "epochs/000004/manifest"), 100), 0);
    assert_int_equal(truncate(check_path(state, "epochs/000001/manifest"), 100), 0);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "3");
    assert_int_equal(names_in(check_path(state, "epochs")), 2);
    assert_int_equal(access(check_path(state, "epochs/000004/rank-0.dvi"), F_OK), 0);
}

/* Pinned epochs, those being written, those known to be damaged, and files that lazily restored ranks may have mapped. */
static void pruning_with_exceptions(void **state)
{
    const uint64_t bad[] = {4};
    for (uint64_t e = 1; e <= 4; e++)
        make_epoch(*state, e, e == 2 ? 1 : 0, 1);
    make_epoch(*state, 5, 0, 0);
    struct dv_prune what = {
        .keep = 1, .pinned = 2, .writing = 5, .mapped = 4, .bad = bad, .bad_count = 1};
    struct dv_pruned pruned;
    assert_int_equal(dv_store_prune(*state, &what, &pruned), DV_OK);
    assert_string_equal(listed(*state), "1 2 3");
    assert_int_equal(pruned.epochs, 1);
    assert_int_equal(pruned.files, RANKS);
    assert_int_equal(access(check_path(state, "epochs/000005/rank-0.dvi"), F_OK), 0);
    assert_int_equal(access(check_path(state, "spare"), F_OK), -1); /* nothing recycled */
    what = (struct dv_prune){.keep = 1};
    assert_int_equal(dv_store_prune(*state, &what, &pruned), DV_OK);
    assert_string_equal(listed(*state), "3");
    assert_int_equal(names_in(check_path(state, "spare")), RANKS);
    what.spares = true;
    assert_int_equal(dv_store_prune(*state, &what, &pruned), DV_OK);
    assert_int_equal(names_in(check_path(state, "spare")), 0);
    assert_true(pruned.bytes > 0);
    assert_int_equal(dv_manifest_verify(*state, 3, 1), DV_OK);
}

static void pruning_while_somebody_writes(void **state)
{
    const struct dv_prune what = {.keep = 1, .check_writers = true};
    char path[PATH_MAX];
    make_epoch(*state, 1, 0, 1);
    make_epoch(*state, 2, 0, 0);
    snprintf(path, sizeof path, "%s", check_path(state, "epochs/000002/rank-7.dvi.tmp"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    enum dv_status status = dv_store_prune(*state, &what, NULL);
    assert_int_equal(status, DV_ERR_BUSY);
    assert_non_null(strstr(dv_why(), "rank-7.dvi.tmp"));
    close(fd);
    assert_int_equal(dv_store_prune(*state, &what, NULL), DV_OK);
    assert_int_equal(names_in(check_path(state, "epochs")), 1);
}

/* What is stale in an epoch that stays, and what nodes hold without an epoch. */
static void pruning_nodes(void **state)
{
    char paths[2][PATH_MAX], *nodes[] = {paths[0], paths[1]};
    for (int i = 0; i < 2; i++)
        snprintf(paths[i], sizeof paths[i], "%s/node%d", (const char *)*state, i);
    test_place = (struct dv_place){.level = DV_LEVEL_PARTNER, .node_count = 2, .node = nodes};
    for (uint64_t e = 1; e <= 3; e++)
        make_epoch(*state, e, 0, e != 2);
    assert_int_equal(dv_remove_tree(check_path(state, "epochs/000002")), DV_OK);
    static const char *const stale[] = {
        "node0/epochs/000003/rank-0.g1.dvi", "node1/epochs/000003/copy-0.g2.dvi",
        "node0/epochs/000003/parity.g1.dvp", "node1/epochs/000003/rank-4.dvi.tmp",
        "epochs/000003/manifest.tmp"};
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++)
        close(open(check_path(state, stale[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++)
        assert_int_equal(access(check_path(state, stale[i]), F_OK), -1);
    assert_string_equal(listed(*state), "3");
    assert_int_equal(names_in(check_path(state, "node0/epochs")), 1);
    assert_int_equal(names_in(check_path(state, "node1/epochs")), 1);
    assert_int_equal(names_in(check_path(state, "node0/spare")), 3);
    assert_int_equal(names_in(check_path(state, "node1/spare")), 2);
    expect_epoch(*state, 3);
    /* A node that is lost is no reason to fail. */
    make_epoch(*state, 4, 0, 1);
    assert_int_equal(dv_remove_tree(nodes[0]), DV_OK);
    assert_int_equal(dv_manifest_prune(*state, 1), DV_OK);
    assert_string_equal(listed(*state), "4");
}

static int prune_2(void *job)
{
    return dv_manifest_prune(job, 2) != DV_OK;
}

static void killed_while_pruning(void **state)
{
    enum kill_outcome outcome = KILLED;
    long n = 1;
    /* Steps grow a little, and start anywhere, so that the test stays short. */
    for (; outcome == KILLED; n += 3) {
        for (uint64_t e = 1; e <= 4; e++)
            make_epoch(*state, e, 0, e != 2);
        outcome = kill_point(prune_2, *state, n);
        if (outcome == NOT_POSSIBLE) {
            print_message("killed_while_pruning: ptrace is not possible here; not tested\n");
            return;
        }
        assert_int_not_equal(outcome, FAILED);
        /* Those to keep are whole; the one to go is whole or not an epoch any more. */
        assert_int_equal(dv_manifest_verify(*state, 3, 1), DV_OK);
        assert_int_equal(dv_manifest_verify(*state, 4, 1), DV_OK);
        enum dv_status one = dv_manifest_verify(*state, 1, 1);
        assert_true(one == DV_OK || one == DV_ERR_NOT_FOUND);
        assert_int_equal(dv_manifest_prune(*state, 2), DV_OK);
        assert_string_equal(listed(*state), "3 4");
        assert_int_equal(names_in(check_path(state, "epochs")), 2);
        assert_int_equal(names_in(check_path(state, "spare")), RANKS);
        assert_int_equal(dv_remove_tree(check_path(state, "spare")), DV_OK);
        assert_int_equal(dv_remove_tree(check_path(state, "epochs")), DV_OK);
    }
    assert_true(n > 100);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, store_begin, store_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(round_trip),           IN_DIRECTORY(listing),
        IN_DIRECTORY(damaged_manifest),     IN_DIRECTORY(bad_manifests_are_not_written),
        IN_DIRECTORY(verification),         IN_DIRECTORY(pruning),
        IN_DIRECTORY(parents_are_kept),     IN_DIRECTORY(damaged_ones_do_not_count),
        IN_DIRECTORY(killed_while_pruning), IN_DIRECTORY(pruning_with_exceptions),
        IN_DIRECTORY(pruning_nodes),        IN_DIRECTORY(pruning_while_somebody_writes),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-manifest", tests, NULL, NULL);
}

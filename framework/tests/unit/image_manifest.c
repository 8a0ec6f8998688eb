/* Unit test: manifests, listing, verification, pruning, and what a kill during pruning leaves. */
#include "image/manifest.h"
#include "image_support.h"
#include "kill_point.h"

#define RANKS 2u
#define PAGES 3u

static char *contents(uint64_t epoch, uint32_t rank)
{
    return test_pages(PAGES, 0, epoch * 100 + rank + 1);
}

static void write_rank(const char *directory, uint64_t epoch, uint64_t parent, uint32_t rank,
                       struct dv_manifest_rank *result)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    struct dv_image_stats stats;
    char name[32], *memory = contents(epoch, rank);
    id.epoch = epoch;
    id.parent_epoch = parent;
    id.rank = rank;
    id.size = RANKS;
    snprintf(name, sizeof name, "rank-%u.dvi", rank);
    assert_int_equal(begin_image(directory, name, NULL, &id, &w), DV_OK);
    assert_int_equal(dv_image_write_pages(w, BASE, PAGES * PAGE, memory), DV_OK);
    if (parent)
        assert_int_equal(dv_image_write_inherited(w, BASE + PAGES * PAGE, PAGE), DV_OK);
    assert_int_equal(dv_image_writer_finish(w, &stats), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    *result =
        (struct dv_manifest_rank){.file_bytes = stats.file_bytes, .data_bytes = stats.data_bytes};
    memcpy(result->digest, stats.digest, sizeof result->digest);
    free(memory);
}

/* Images of all ranks, and the manifest if `commit`. */
static void make_epoch(const char *job, uint64_t epoch, uint64_t parent, int commit)
{
    struct dv_manifest_rank ranks[RANKS];
    struct dv_manifest m = {.epoch = epoch,
                            .parent_epoch = parent,
                            .ranks = RANKS,
                            .committed_unix_ns = 1700000000123456789,
                            .strategy = "full+coordinated",
                            .rank = ranks};
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/epochs", job);
    assert_int_equal(dv_make_directory_private(directory), DV_OK);
    dv_epoch_directory(job, epoch, directory, sizeof directory);
    assert_int_equal(dv_make_directory_private(directory), DV_OK);
    for (uint32_t r = 0; r < RANKS; r++)
        write_rank(directory, epoch, parent, r, &ranks[r]);
    if (commit)
        assert_int_equal(dv_manifest_write(job, &m), DV_OK);
}

/* The committed epochs as text: "1 2 5". */
static const char *listed(const char *job)
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

static void round_trip(void **state)
{
    struct dv_manifest m;
    char path[64];
    make_epoch(*state, 7, 5, 1);
    assert_int_equal(dv_manifest_read(*state, 7, &m), DV_OK);
    assert_int_equal(m.epoch, 7);
    assert_int_equal(m.parent_epoch, 5);
    assert_int_equal(m.ranks, RANKS);
    assert_true(m.committed_unix_ns == 1700000000123456789);
    assert_string_equal(m.strategy, "full+coordinated");
    assert_int_equal(m.rank[1].data_bytes, PAGES * PAGE);
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
    make_epoch(*state, 1000001, 0, 1);
    assert_int_equal(mkdir(check_path(state, "epochs/0000010"), 0700), 0);
    assert_int_equal(mkdir(check_path(state, "epochs/lost+found"), 0700), 0);
    assert_string_equal(listed(*state), "2 10 1000001");
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
    assert_non_null(strstr(dv_image_why(), "rank-1.dvi"));
    /* Images changed round, of another epoch, gone. */
    assert_int_equal(rename(a, c), 0);
    assert_int_equal(dv_manifest_verify(*state, 7, 0), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_image_why(), "rank-0.dvi"));
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
    assert_int_equal(names_in(check_path(state, "spare")), 3);
    assert_int_equal(access(check_path(state, "spare/rank-9.dvi"), F_OK), 0);
    assert_int_equal(dv_manifest_prune(*state, 2), DV_OK);
    assert_string_equal(listed(*state), "4 5");
    assert_int_equal(names_in(check_path(state, "epochs")), 2);
    assert_int_equal(names_in(check_path(state, "spare")), 3);
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
        assert_int_equal(names_in(check_path(state, "spare")), 2);
        assert_int_equal(dv_remove_tree(check_path(state, "spare")), DV_OK);
        assert_int_equal(dv_remove_tree(check_path(state, "epochs")), DV_OK);
    }
    assert_true(n > 100);
}

#define IN_DIRECTORY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(round_trip),           IN_DIRECTORY(listing),
        IN_DIRECTORY(damaged_manifest),     IN_DIRECTORY(bad_manifests_are_not_written),
        IN_DIRECTORY(verification),         IN_DIRECTORY(pruning),
        IN_DIRECTORY(parents_are_kept),     IN_DIRECTORY(damaged_ones_do_not_count),
        IN_DIRECTORY(killed_while_pruning),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-manifest", tests, NULL, NULL);
}

/* Unit test: a disk that is full, a limit on file sizes, a kill at any moment: a clear error, and
 * the old image stays. */
#include "fault_point.h"
#include "image/mapping.h"
#include "image_support.h"
#include "kill_point.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define PAGES 600u /* 2.3 MiB */

/* In a child process; its failures are ours. */
static void in_child(void (*work)(void **), void **state)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        work(state);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In the child: cmocka's assertions would longjmp into the parent's frames' copy and run on as a
 * second test run. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is wrong (last error: %s)\n", __FILE__, __LINE__,           \
                    #condition, dv_image_why());                                                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* SIGXFSZ keeps its default, which kills: the writer must not let it come to that. */
static void size_limit_child(void **state)
{
    char *memory = test_pages(PAGES, 0, 1);
    static const rlim_t limits[] = {
        0, 1, 4096, 5000, 300000, PAGES * 4096, PAGES * 4096 + 4096, PAGES * 4096 + 8192};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit = {limits[i], RLIM_INFINITY};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        REQUIRE(write_test_image(*state, "i", NULL, memory, PAGES, NULL) == DV_ERR_NO_SPACE);
        REQUIRE(strstr(dv_image_why(), "i.tmp") && strstr(dv_image_why(), "File too large"));
        REQUIRE(names_in(*state) == 0);
    }
    struct rlimit limit = {PAGES * 4096 + 65536, RLIM_INFINITY};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    REQUIRE(write_test_image(*state, "i", NULL, memory, PAGES, NULL) == DV_OK);
    free(memory);
}

static void size_limit(void **state)
{
    in_child(size_limit_child, state);
}

static int mount_small(const char *path)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=0700");
}

static void full_disk_child(void **state)
{
    char *memory = test_pages(2 * PAGES, 0, 1), *other = test_pages(PAGES, 0, 2);
    if (mount_small(*state) < 0) {
        fprintf(stderr, "full_disk: no small file system can be mounted here; not tested\n");
        return;
    }
    char i[PATH_MAX], old[PATH_MAX];
    snprintf(i, sizeof i, "%s", check_path(state, "i"));
    snprintf(old, sizeof old, "%s", check_path(state, "old"));
    REQUIRE(write_test_image(*state, "i", NULL, memory, PAGES, NULL) == DV_OK);
    /* A second image does not fit, larger ones even less; the first one stays whole. */
    for (size_t pages = PAGES; pages <= 2 * PAGES; pages += 100) {
        REQUIRE(write_test_image(*state, "j", NULL, memory, pages, NULL) == DV_ERR_NO_SPACE);
        REQUIRE(strstr(dv_image_why(), "j.tmp") && strstr(dv_image_why(), "No space left"));
        REQUIRE(names_in(*state) == 1);
        expect_image(i, memory, PAGES, 1);
    }
    /* With room for one, an old one's blocks serve a new one; mapped or not. */
    for (int mapped = 0; mapped < 2; mapped++) {
        REQUIRE(rename(i, old) == 0);
        if (!mapped)
            dv_mapping_drop_all();
        REQUIRE(write_test_image(*state, "i", old, other, PAGES, NULL) == DV_OK);
        expect_image(i, other, PAGES, 1);
    }
    /* It grows over the end of the disk, out of a mapping: an error, not a SIGBUS. */
    REQUIRE(rename(i, old) == 0);
    REQUIRE(write_test_image(*state, "i", old, memory, 2 * PAGES, NULL) == DV_ERR_NO_SPACE);
    REQUIRE(names_in(*state) == 0);
    /* And nothing keeps the space of what has gone. */
    REQUIRE(write_test_image(*state, "i", NULL, memory, PAGES, NULL) == DV_OK);
    expect_image(i, memory, PAGES, 1);
    REQUIRE(umount2(*state, MNT_DETACH) == 0);
    free(memory);
    free(other);
}

static void full_disk(void **state)
{
    in_child(full_disk_child, state);
}

static void no_permission_child(void **state)
{
    char *memory = test_pages(1, 0, 1);
    REQUIRE(chmod(*state, 0500) == 0);
    if (geteuid() == 0 &&
        (chown(*state, 65534, 65534) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
        return;
    REQUIRE(write_test_image(*state, "i", NULL, memory, 1, NULL) == DV_ERR_SYSTEM);
    REQUIRE(strstr(dv_image_why(), "Permission denied"));
    REQUIRE(chmod(*state, 0700) == 0);
    free(memory);
}

static void no_permission(void **state)
{
    in_child(no_permission_child, state);
}

static int write_i(void *directory)
{
    char *memory = test_pages(3, 0, 77);
    return write_test_image(directory, "i", NULL, memory, 3, NULL) != DV_OK;
}

/* Packed, with inherited pages, the way a forked child does it. */
static int write_i_inheriting(void *directory)
{
    char *memory = test_pages(3, 0, 77);
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    struct dv_image_spec spec = {.directory = directory,
                                 .name = "i",
                                 .identity = &id,
                                 .most_pages = 10,
                                 .codec = DV_CODEC_SHUFFLE_LZ4,
                                 .forked = 1};
    id.parent_epoch = 6;
    if (dv_image_writer_new(&spec, &w))
        return 1;
    enum dv_status status = dv_image_writer_begin(w);
    if (!status)
        status = dv_image_write_pages(w, BASE, 3 * PAGE, memory);
    if (!status)
        status = dv_image_write_inherited(w, BASE + 3 * PAGE, PAGE);
    if (!status)
        status = dv_image_writer_finish(w, NULL);
    if (status)
        dv_image_writer_abort(w);
    else
        status = dv_image_writer_commit(w);
    return status != DV_OK;
}

static int write_i_recycling(void *directory)
{
    char *memory = test_pages(3, 0, 77), old[PATH_MAX];
    snprintf(old, sizeof old, "%s/old", (char *)directory);
    return write_test_image(directory, "i", old, memory, 3, NULL) != DV_OK;
}

/* Under the final name stands the old image (5 pages) or the new one (3), whole. Returns how many. */
static size_t expect_either(void **state, const char *before, const char *after)
{
    const char *path = check_path(state, "i");
    struct dv_image_reader *r = NULL;
    assert_int_equal(dv_image_reader_open(path, &r), DV_OK);
    size_t pages = dv_image_reader_stats(r)->data_bytes / PAGE;
    assert_int_equal(dv_image_reader_verify(r), DV_OK);
    int inherits = dv_image_reader_identity(r)->parent_epoch != 0;
    dv_image_reader_close(r);
    assert_true(pages == 3 || pages == 5);
    if (!inherits)
        expect_image(path, pages == 3 ? after : before, pages, 1);
    /* And the one of another epoch has not been touched. */
    expect_image(check_path(state, "committed"), before, 5, 1);
    return pages;
}

static void write_old_ones(void **state, const char *before, int with_old)
{
    assert_int_equal(write_test_image(*state, "i", NULL, before, 5, NULL), DV_OK);
    if (with_old)
        assert_int_equal(write_test_image(*state, "old", NULL, before, 5, NULL), DV_OK);
    /* On tmpfs they stay mapped here; not in the children that write now. */
    dv_mapping_drop_all();
}

/* Whenever the writer dies, and a later one succeeds. */
static void killed(void **state, int (*work)(void *), int with_old)
{
    char *before = test_pages(5, 0, 1), *after = test_pages(3, 0, 77);
    enum kill_outcome outcome = KILLED;
    long n = 1;
    assert_int_equal(write_test_image(*state, "committed", NULL, before, 5, NULL), DV_OK);
    for (; outcome == KILLED; n++) {
        write_old_ones(state, before, with_old);
        outcome = kill_point(work, *state, n);
        if (outcome == NOT_POSSIBLE) {
            print_message("killed: ptrace is not possible here; not tested\n");
            break;
        }
        assert_int_not_equal(outcome, FAILED);
        assert_true(expect_either(state, before, after) == 3 || outcome == KILLED);
    }
    assert_true(n > 20 || outcome == NOT_POSSIBLE);
    free(before);
    free(after);
}

/* Whichever system call fails: it is said, or it did not matter, and then the new image is there. What was half done has
 * gone, unless it was its removal that failed. */
static void faulted(void **state, int (*work)(void *), int with_old)
{
    static const enum fault faults[] = {FAULT_SHORT, FAULT_ENOSPC, FAULT_EIO, FAULT_EINTR};
    char *before = test_pages(5, 0, 1), *after = test_pages(3, 0, 77);
    struct fault_result result = {.outcome = FAULT_SURVIVED};
    assert_int_equal(write_test_image(*state, "committed", NULL, before, 5, NULL), DV_OK);
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        long n = 1, reported = 0;
        for (;; n++) {
            write_old_ones(state, before, with_old);
            result = fault_point(work, *state, n, faults[f]);
            if (result.outcome == FAULT_NOT_POSSIBLE)
                goto out_free;
            if (result.outcome == FAULT_NOT_REACHED)
                break;
            assert_int_not_equal(result.outcome, FAULT_CRASHED);
            size_t pages = expect_either(state, before, after);
            assert_true(pages == 3 || result.outcome == FAULT_REPORTED);
            int left = access(check_path(state, "i.tmp"), F_OK) == 0;
            assert_true(!left || result.call == SYS_unlink);
            int is_write = result.call == SYS_pwrite64 || result.call == SYS_fsync;
            if (getenv("CHECK_VERBOSE"))
                print_message("fault %d at %ld: call %ld, outcome %d\n", (int)faults[f], n,
                              result.call, (int)result.outcome);
            if (is_write && (faults[f] == FAULT_EIO || faults[f] == FAULT_ENOSPC))
                assert_int_equal(result.outcome, FAULT_REPORTED);
            if (is_write && (faults[f] == FAULT_EINTR || faults[f] == FAULT_SHORT))
                assert_int_equal(result.outcome, FAULT_SURVIVED);
            reported += result.outcome == FAULT_REPORTED;
        }
        assert_true(n > 15 && (reported > 4 || faults[f] == FAULT_SHORT));
    }
out_free:
    if (result.outcome == FAULT_NOT_POSSIBLE)
        print_message("faulted: ptrace is not possible here; not tested\n");
    free(before);
    free(after);
}

static void any_call_fails(void **state)
{
    faulted(state, write_i, 0);
}

static void any_call_fails_while_recycling(void **state)
{
    faulted(state, write_i_recycling, 1);
}

static void any_call_fails_while_inheriting(void **state)
{
    faulted(state, write_i_inheriting, 0);
}

static void killed_while_inheriting(void **state)
{
    killed(state, write_i_inheriting, 0);
}

static void killed_at_any_point(void **state)
{
    killed(state, write_i, 0);
}

static void killed_while_recycling(void **state)
{
    killed(state, write_i_recycling, 1);
}

#define IN_DIRECTORY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(size_limit),
        IN_DIRECTORY(full_disk),
        IN_DIRECTORY(no_permission),
        IN_DIRECTORY(killed_at_any_point),
        IN_DIRECTORY(killed_while_recycling),
        IN_DIRECTORY(killed_while_inheriting),
        IN_DIRECTORY(any_call_fails),
        IN_DIRECTORY(any_call_fails_while_recycling),
        IN_DIRECTORY(any_call_fails_while_inheriting),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-failure", tests, NULL, NULL);
}

/* Unit test: messages, whole reads and writes, durable files, private directories, removing trees.
 */
#include "check.h"
#include "common/fail.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

/* What dv_log writes to a pipe when set up for `rank`. */
static void logged(int rank, enum dv_log_level level, const char *text, char *out, size_t out_bytes)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    dv_log_setup(fds[1], rank, DV_LOG_INFO);
    dv_log_set_epoch(rank == 3 ? 7 : 0);
    dv_log(level, "capture", "%s", text);
    close(fds[1]);
    size_t got = 0;
    assert_int_equal(dv_read_full(fds[0], out, out_bytes - 1, &got), DV_OK);
    out[got] = '\0';
    close(fds[0]);
    check_quiet();
}

static void log_lines(void **unused)
{
    char out[8192], longest[6000];
    (void)unused;
    unsetenv("DEJAVU_LOG");
    logged(-1, DV_LOG_INFO, "hello", out, sizeof out);
    assert_string_equal(out, "dejavu: hello\n");
    logged(-1, DV_LOG_ERROR, "two\nlines", out, sizeof out);
    assert_string_equal(out, "dejavu: error: two lines\n");
    logged(-1, DV_LOG_WARN, "x", out, sizeof out);
    assert_string_equal(out, "dejavu: warning: x\n");
    logged(-1, DV_LOG_DEBUG, "x", out, sizeof out);
    assert_string_equal(out, "");
    logged(3, DV_LOG_ERROR, "text", out, sizeof out);
    assert_memory_equal(out, "dejavu: 0.0", 11);
    assert_string_equal(strchr(out, 'r'), "r3 e7 capture: text\n");
    logged(0, DV_LOG_INFO, "text", out, sizeof out);
    assert_string_equal(strchr(out, 'r'), "r0 capture: text\n");
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    logged(0, DV_LOG_INFO, longest, out, sizeof out);
    size_t length = strlen(out);
    assert_true(length > 1000 && length < 2049);
    assert_string_equal(out + length - 4, "...\n");
}

static void log_level_from_environment(void **unused)
{
    char out[8192];
    (void)unused;
    setenv("DEJAVU_LOG", "debug", 1);
    logged(-1, DV_LOG_DEBUG, "x", out, sizeof out);
    assert_string_equal(out, "dejavu: debug: capture: x\n");
    setenv("DEJAVU_LOG", "error", 1);
    logged(-1, DV_LOG_WARN, "x", out, sizeof out);
    assert_string_equal(out, "");
    setenv("DEJAVU_LOG", "loud", 1);
    logged(-1, DV_LOG_INFO, "x", out, sizeof out);
    assert_non_null(strstr(out, "DEJAVU_LOG=loud is not a level"));
    assert_non_null(strstr(out, "dejavu: x\n"));
    unsetenv("DEJAVU_LOG");
    check_quiet();
}

static void failures_are_remembered(void **unused)
{
    (void)unused;
    errno = EAGAIN;
    assert_int_equal(dv_fail("x", DV_ERR_BUSY, "%s is busy", "it"), DV_ERR_BUSY);
    assert_string_equal(dv_why(), "it is busy");
    assert_int_equal(errno, EAGAIN);
    /* A text made of the last text. */
    assert_int_equal(dv_fail_quietly(DV_ERR_IO, "so: %s", dv_why()), DV_ERR_IO);
    assert_string_equal(dv_why(), "so: it is busy");
    assert_int_equal(dv_status_from_errno(ENOSPC), DV_ERR_NO_SPACE);
    assert_int_equal(dv_status_from_errno(EACCES), DV_ERR_SYSTEM);
}

#define STREAM_BYTES (3u << 20)

static void *write_stream(void *arg)
{
    char *bytes = malloc(STREAM_BYTES);
    memset(bytes, 'z', STREAM_BYTES);
    enum dv_status status = dv_write_all(*(int *)arg, bytes, STREAM_BYTES);
    free(bytes);
    return status ? arg : NULL;
}

static void short_transfers(void **unused)
{
    int fds[2];
    pthread_t thread;
    void *result;
    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_stream, &fds[1]), 0);
    char *bytes = malloc(STREAM_BYTES + 1);
    size_t got = 0;
    assert_int_equal(dv_read_full(fds[0], bytes, STREAM_BYTES, &got), DV_OK);
    assert_int_equal(got, STREAM_BYTES);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    shutdown(fds[1], SHUT_WR);
    assert_int_equal(dv_read_full(fds[0], bytes, 1, &got), DV_OK);
    assert_int_equal(got, 0);
    free(bytes);
    close(fds[0]);
    close(fds[1]);
}

static void full_device(void **unused)
{
    (void)unused;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, "x", 1), DV_ERR_NO_SPACE);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(dv_pwrite_all(fd, "x", 1, 0), DV_ERR_NO_SPACE);
    close(fd);
    assert_int_equal(dv_write_all(-1, "x", 1), DV_ERR_SYSTEM);
}

static void durable_file(void **state)
{
    char *bytes = NULL;
    size_t length = 0;
    struct stat st;
    assert_int_equal(dv_write_file_durably(*state, "f", "one", 3, 0600), DV_OK);
    assert_int_equal(dv_write_file_durably(*state, "f", "second", 6, 0640), DV_OK);
    assert_int_equal(dv_read_file(check_path(state, "f"), 6, &bytes, &length), DV_OK);
    assert_int_equal(length, 6);
    assert_string_equal(bytes, "second");
    free(bytes);
    assert_int_equal(stat(check_path(state, "f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(access(check_path(state, "f.tmp"), F_OK), -1);
    assert_int_equal(dv_read_file(check_path(state, "f"), 5, &bytes, &length), DV_ERR_DAMAGED);
    assert_int_equal(dv_read_file(check_path(state, "none"), 5, &bytes, &length), DV_ERR_NOT_FOUND);
    assert_int_equal(dv_read_file(*state, 5, &bytes, &length), DV_ERR_DAMAGED);
    assert_int_equal(mkfifo(check_path(state, "fifo"), 0600), 0);
    assert_int_equal(dv_read_file(check_path(state, "fifo"), 5, &bytes, &length), DV_ERR_DAMAGED);
    assert_int_equal(dv_write_file_durably(check_path(state, "no/where"), "f", "x", 1, 0600),
                     DV_ERR_NOT_FOUND);
    /* A symbolic link planted under the temporary name is not followed. */
    assert_int_equal(symlink("victim", check_path(state, "g.tmp")), 0);
    assert_int_equal(dv_write_file_durably(*state, "g", "x", 1, 0600), DV_OK);
    assert_int_equal(access(check_path(state, "victim"), F_OK), -1);
}

static void private_directory(void **state)
{
    const char *path = check_path(state, "job");
    struct stat st;
    assert_int_equal(dv_make_directory_private(path), DV_OK);
    assert_int_equal(dv_make_directory_private(path), DV_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(chmod(path, 0750), 0);
    assert_int_equal(dv_make_directory_private(path), DV_ERR_USAGE);
    assert_non_null(strstr(dv_why(), "chmod 700"));
    assert_int_equal(symlink(*state, check_path(state, "link")), 0);
    assert_int_equal(dv_make_directory_private(check_path(state, "link")), DV_ERR_USAGE);
    assert_int_equal(dv_write_file_durably(*state, "file", "x", 1, 0600), DV_OK);
    assert_int_equal(dv_make_directory_private(check_path(state, "file")), DV_ERR_USAGE);
    assert_int_equal(dv_make_directory_private(check_path(state, "a/b")), DV_ERR_NOT_FOUND);
    if (geteuid() == 0) {
        path = check_path(state, "theirs");
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(dv_make_directory_private(path), DV_ERR_USAGE);
    }
}

static void remove_tree(void **state)
{
    char deep[PATH_MAX];
    snprintf(deep, sizeof deep, "%s/t", (const char *)*state);
    assert_int_equal(mkdir(deep, 0700), 0);
    for (int i = 0; i < 20; i++) {
        strcat(deep, "/d");
        assert_int_equal(mkdir(deep, 0700), 0);
        assert_int_equal(dv_write_file_durably(deep, "f", "x", 1, 0400), DV_OK);
    }
    assert_int_equal(dv_write_file_durably(*state, "outside", "x", 1, 0600), DV_OK);
    assert_int_equal(symlink(*state, check_path(state, "t/link")), 0);
    assert_int_equal(dv_remove_tree(check_path(state, "t")), DV_OK);
    assert_int_equal(access(check_path(state, "t"), F_OK), -1);
    assert_int_equal(access(check_path(state, "outside"), F_OK), 0);
    assert_int_equal(dv_remove_tree(check_path(state, "t")), DV_OK);
    assert_int_equal(dv_remove_tree(check_path(state, "outside")), DV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_lines),
        cmocka_unit_test(log_level_from_environment),
        cmocka_unit_test(failures_are_remembered),
        cmocka_unit_test(short_transfers),
        cmocka_unit_test(full_device),
        cmocka_unit_test_setup_teardown(durable_file, check_make_directory, check_remove_directory),
        cmocka_unit_test_setup_teardown(private_directory, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(remove_tree, check_make_directory, check_remove_directory),
    };
    check_quiet();
    return cmocka_run_group_tests_name("common-io", tests, NULL, NULL);
}

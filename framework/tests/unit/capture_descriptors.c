/* Descriptors: a child process opens one of each kind and captures them; it changes everything,
 * restores, and looks. Another child gets what must be refused. */
#include "capture/descriptors.h"
#include "check.h"
#include "common/fail.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define BASE 200

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(report, "%s:%d: %s is false (errno %s; %s)\n", __FILE__, __LINE__, #condition, \
                    strerror(errno), dv_why());                                                    \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static int report; /* where failures are reported: restoring replaces descriptor 2 */
static const char *directory;
static struct dv_fd_identity stdio[DV_INHERITED_COUNT];

static char *in_directory(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

static int run_child(void (*function)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 3; i < BASE; i++)
            close(i);
        report = fcntl(2, F_DUPFD_CLOEXEC, BASE + 100);
        dv_log_setup(getenv("CHECK_VERBOSE") ? report : -1, -1, DV_LOG_INFO);
        for (int i = 0; i < DV_INHERITED_COUNT; i++)
            dv_fd_identity_read(i, &stdio[i]);
        alarm(60);
        function();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static struct dv_blob capture(void)
{
    struct dv_blob blob = {0};
    REQUIRE(dv_descriptors_capture(BASE, stdio, NULL) == DV_OK);
    REQUIRE(dv_descriptors_capture(BASE, stdio, &blob) == DV_OK && !blob.failed);
    return blob;
}

static enum dv_status restore(struct dv_blob *blob)
{
    struct dv_blob_reader reader = {blob->bytes, blob->bytes + blob->length, 0};
    enum dv_status status = dv_descriptors_restore(&reader, BASE, stdio);
    dv_blob_free(blob);
    return status;
}

static void open_at(int wanted, const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    REQUIRE(fd >= 0);
    if (fd == wanted)
        return;
    REQUIRE(dup2(fd, wanted) == wanted);
    close(fd);
}

static int share_position(int a, int b)
{
    return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

static int holds(int fd, const char *text)
{
    char bytes[256] = {0};
    return pread(fd, bytes, sizeof bytes - 1, 0) == (ssize_t)strlen(text) &&
           strcmp(bytes, text) == 0;
}

static void files(void)
{
    open_at(10, in_directory("log"), O_WRONLY | O_CREAT | O_APPEND);
    REQUIRE(write(10, "one", 3) == 3);
    open_at(11, in_directory("data"), O_RDWR | O_CREAT | O_TRUNC);
    REQUIRE(write(11, "0123456789", 10) == 10 && lseek(11, 4, SEEK_SET) == 4);
    REQUIRE(dup2(11, 12) == 12 && fcntl(12, F_SETFD, FD_CLOEXEC) == 0);
    open_at(13, in_directory("data"), O_RDONLY);
    open_at(14, directory, O_RDONLY | O_DIRECTORY);
    open_at(15, "/dev/null", O_RDWR | O_NONBLOCK);
    open_at(16, "/proc/self/status", O_RDONLY);
    REQUIRE(dup2(2, 17) == 17);
    REQUIRE(flock(11, LOCK_EX) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_start = 2, .l_len = 5};
    REQUIRE(fcntl(10, F_SETLK, &lock) == 0);
    struct dv_blob blob = capture();

    REQUIRE(write(10, "two", 3) == 3 && lseek(11, 0, SEEK_END) == 10);
    REQUIRE(write(11, "more", 4) == 4);
    for (int i = 10; i < 17; i++)
        close(i);
    open_at(30, "/dev/null", O_RDONLY); /* was not there at the capture */
    REQUIRE(restore(&blob) == DV_OK);

    REQUIRE(fcntl(30, F_GETFD) < 0 && errno == EBADF);
    int reader = open(in_directory("log"), O_RDONLY);
    REQUIRE(holds(reader, "one"));
    REQUIRE(write(10, "TWO", 3) == 3 && holds(reader, "oneTWO"));
    REQUIRE((fcntl(10, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
    REQUIRE(holds(11, "0123456789") && lseek(11, 0, SEEK_CUR) == 4);
    REQUIRE(share_position(11, 12) && !share_position(11, 13));
    REQUIRE(fcntl(12, F_GETFD) == FD_CLOEXEC && fcntl(11, F_GETFD) == 0);
    REQUIRE((fcntl(13, F_GETFL) & O_ACCMODE) == O_RDONLY && lseek(13, 0, SEEK_CUR) == 0);
    struct stat info;
    REQUIRE(fstat(14, &info) == 0 && S_ISDIR(info.st_mode));
    REQUIRE(fstat(15, &info) == 0 && S_ISCHR(info.st_mode) && (fcntl(15, F_GETFL) & O_NONBLOCK));
    char text[16];
    REQUIRE(read(16, text, 5) == 5 && memcmp(text, "Name:", 5) == 0);
    REQUIRE(share_position(2, 17) && share_position(2, report));
    REQUIRE(flock(reader = open(in_directory("data"), O_RDONLY), LOCK_EX | LOCK_NB) < 0);
    pid_t other = fork();
    if (other == 0) {
        struct flock wanted = {.l_type = F_WRLCK, .l_start = 6, .l_len = 1};
        int fd = open(in_directory("log"), O_WRONLY);
        _exit(fcntl(fd, F_SETLK, &wanted) == 0);
    }
    int status;
    REQUIRE(waitpid(other, &status, 0) == other && status == 0);
}

static void shorter_file(void)
{
    open_at(10, in_directory("data"), O_RDWR | O_CREAT | O_TRUNC);
    REQUIRE(write(10, "0123456789", 10) == 10);
    struct dv_blob blob = capture();
    REQUIRE(ftruncate(10, 9) == 0);
    REQUIRE(restore(&blob) == DV_ERR_MISMATCH);
    REQUIRE(strstr(dv_why(), "has 9 bytes, but had 10"));
}

static void missing_file(void)
{
    open_at(10, in_directory("data"), O_RDWR | O_CREAT | O_TRUNC);
    struct dv_blob blob = capture();
    REQUIRE(unlink(in_directory("data")) == 0);
    REQUIRE(restore(&blob) == DV_ERR_NOT_FOUND);
    REQUIRE(strstr(dv_why(), "descriptor 10") && strstr(dv_why(), "/data"));
}

static void unnamed_files(void)
{
    open_at(10, in_directory("scratch"), O_RDWR | O_CREAT);
    open_at(11, in_directory("scratch"), O_RDONLY);
    REQUIRE(unlink(in_directory("scratch")) == 0);
    REQUIRE(write(10, "scratch", 7) == 7 && lseek(11, 3, SEEK_SET) == 3);
    open_at(12, directory, O_TMPFILE | O_WRONLY);
    REQUIRE(write(12, "tmpfile", 7) == 7);
    REQUIRE(dup2(memfd_create("box", 0), 13) == 13 && close(3) == 0);
    REQUIRE(write(13, "memory", 6) == 6);
    struct dv_blob blob = capture();
    REQUIRE(ftruncate(10, 0) == 0 && ftruncate(12, 0) == 0 && ftruncate(13, 0) == 0);
    REQUIRE(restore(&blob) == DV_OK);
    REQUIRE(holds(10, "scratch") && lseek(10, 0, SEEK_CUR) == 7);
    REQUIRE(holds(11, "scratch") && lseek(11, 0, SEEK_CUR) == 3);
    REQUIRE(write(11, "x", 1) < 0 && errno == EBADF);
    struct stat first, second;
    REQUIRE(fstat(10, &first) == 0 && fstat(11, &second) == 0);
    REQUIRE(first.st_ino == second.st_ino && first.st_nlink == 0);
    REQUIRE(fstat(12, &first) == 0 && first.st_size == 7 && lseek(12, 0, SEEK_CUR) == 7);
    REQUIRE((fcntl(12, F_GETFL) & O_ACCMODE) == O_WRONLY);
    REQUIRE(holds(13, "memory"));
}

static void pipes(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0 && ends[0] == 3 && ends[1] == 4);
    REQUIRE(fcntl(4, F_SETPIPE_SZ, 131072) == 131072);
    REQUIRE(write(4, "unread", 6) == 6 && fcntl(3, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(dup2(4, 9) == 9);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0); /* an empty one */
    struct dv_blob blob = capture();
    char bytes[32];
    /* The capture has taken nothing out. */
    REQUIRE(read(3, bytes, sizeof bytes) == 6 && memcmp(bytes, "unread", 6) == 0);
    REQUIRE(restore(&blob) == DV_OK);
    REQUIRE(read(3, bytes, sizeof bytes) == 6 && memcmp(bytes, "unread", 6) == 0);
    REQUIRE(read(3, bytes, sizeof bytes) < 0 && errno == EAGAIN);
    REQUIRE(fcntl(4, F_GETPIPE_SZ) == 131072 && !(fcntl(4, F_GETFL) & O_NONBLOCK));
    REQUIRE(write(9, "x", 1) == 1 && read(3, bytes, sizeof bytes) == 1);
    REQUIRE(close(4) == 0 && close(9) == 0);
    REQUIRE(read(3, bytes, sizeof bytes) == 0); /* no writer was kept */
    REQUIRE(fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
    REQUIRE(write(ends[1], "y", 1) == 1 && read(ends[0], bytes, 1) == 1);
}

static int shows_semaphore(int fd)
{
    char path[64], text[1024] = {0};
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY);
    REQUIRE(read(info, text, sizeof text - 1) > 0);
    close(info);
    return strstr(text, "eventfd-semaphore") != NULL;
}

static void special(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int ends[2];
    REQUIRE(pipe(ends) == 0 && ends[1] == 4);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec when = {.it_value.tv_sec = 1000, .it_interval.tv_sec = 7};
    REQUIRE(timer == 5 && timerfd_settime(timer, 0, &when, NULL) == 0);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    int epoll = epoll_create1(0);
    int counter = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
    REQUIRE(signals == 6 && epoll == 7 && counter == 8);
    uint64_t value = 3;
    REQUIRE(write(counter, &value, sizeof value) == sizeof value);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
    if (!shows_semaphore(counter)) {
        REQUIRE(dv_descriptors_capture(BASE, stdio, NULL) == DV_ERR_REFUSED);
        REQUIRE(strstr(dv_why(), "descriptor 8") && strstr(dv_why(), "counting mode"));
        close(counter);
        counter = -1;
    }
    struct dv_blob blob = capture();
    for (int i = 3; i < 9; i++)
        close(i);
    REQUIRE(restore(&blob) == DV_OK);
    memset(&event, 0, sizeof event);
    REQUIRE(epoll_wait(epoll, &event, 1, 0) == 0);
    REQUIRE(write(ends[1], "x", 1) == 1 && epoll_wait(epoll, &event, 1, 0) == 1);
    REQUIRE(event.events == EPOLLIN && event.data.u64 == 0x123456789abcdef0);
    REQUIRE(timerfd_gettime(timer, &when) == 0 && when.it_interval.tv_sec == 7);
    REQUIRE(when.it_value.tv_sec > 990 && when.it_value.tv_sec <= 1000);
    REQUIRE(fcntl(timer, F_GETFL) & O_NONBLOCK);
    REQUIRE(counter < 0 || (read(counter, &value, sizeof value) == sizeof value && value == 1));
    REQUIRE(counter < 0 || (read(counter, &value, sizeof value) == sizeof value && value == 1));
    struct signalfd_siginfo got;
    REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
    REQUIRE(read(signals, &got, sizeof got) == sizeof got && got.ssi_signo == SIGUSR1);
}

static void expect_refused(int fd, const char *what)
{
    char number[32];
    snprintf(number, sizeof number, "descriptor %d (", fd);
    REQUIRE(fd >= 0);
    REQUIRE(dv_descriptors_capture(BASE, stdio, NULL) == DV_ERR_REFUSED);
    REQUIRE(strstr(dv_why(), number) && strstr(dv_why(), what));
    close(fd);
    REQUIRE(dv_descriptors_capture(BASE, stdio, NULL) == DV_OK);
}

static void refused(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), pair[2], ends[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);
    expect_refused(listener, "a TCP socket that listens");
    expect_refused(socket(AF_INET, SOCK_DGRAM, 0), "a UDP socket");
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    close(pair[1]);
    expect_refused(pair[0], "a Unix socket");
    REQUIRE(pipe(ends) == 0);
    close(ends[1]);
    expect_refused(ends[0], "a pipe whose other end is in another process");
    REQUIRE(mkfifo(in_directory("fifo"), 0600) == 0);
    expect_refused(open(in_directory("fifo"), O_RDWR), "a named pipe");
    expect_refused(inotify_init(), "a kernel object that cannot be captured");
    int big = open(in_directory("big"), O_RDWR | O_CREAT, 0600);
    REQUIRE(unlink(in_directory("big")) == 0 && ftruncate(big, (64 << 20) + 1) == 0);
    expect_refused(big, "a removed file of more than 64 MiB");
    REQUIRE(mkdir(in_directory("sub"), 0700) == 0);
    int removed = open(in_directory("sub"), O_RDONLY);
    REQUIRE(rmdir(in_directory("sub")) == 0);
    expect_refused(removed, "a removed directory");
}

/* Descriptor 0 closed, 1 moved, and a stranger in the new process's 2. */
static void inherited(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    close(ends[1]);
    REQUIRE(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < DV_INHERITED_COUNT; i++)
        dv_fd_identity_read(i, &stdio[i]);
    REQUIRE(dup2(1, 7) == 7 && close(1) == 0 && close(0) == 0);
    struct dv_blob blob = capture();
    /* The new process: other pipes. */
    REQUIRE(close(7) == 0 && pipe(ends) == 0 && ends[0] == 0 && ends[1] == 1);
    for (int i = 0; i < DV_INHERITED_COUNT; i++)
        dv_fd_identity_read(i, &stdio[i]);
    int reader = fcntl(0, F_DUPFD_CLOEXEC, BASE);
    stdio[0].present = 0; /* so that the two ends of this one pipe are told apart */
    REQUIRE(restore(&blob) == DV_OK);
    REQUIRE(fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0);
    char byte = 0;
    REQUIRE(write(7, "z", 1) == 1 && read(reader, &byte, 1) == 1 && byte == 'z');
}

static void damaged(void)
{
    open_at(10, in_directory("data"), O_RDWR | O_CREAT | O_TRUNC);
    struct dv_blob blob = capture();
    for (size_t length = 0; length < blob.length; length++) {
        struct dv_blob_reader reader = {blob.bytes, blob.bytes + length, 0};
        REQUIRE(dv_descriptors_restore(&reader, BASE, stdio) == DV_ERR_DAMAGED);
    }
    REQUIRE(restore(&blob) == DV_OK);
}

static void (*const children[])(void) = {files,   shorter_file, missing_file, unnamed_files, pipes,
                                         special, refused,      inherited,    damaged};

static void test_child(void **state, unsigned which)
{
    directory = *state;
    assert_int_equal(run_child(children[which]), 0);
}

#define TEST(number, name)                                                                         \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        test_child(state, number);                                                                 \
    }
TEST(0, files)
TEST(1, shorter_file)
TEST(2, missing_file)
TEST(3, unnamed_files)
TEST(4, pipes)
TEST(5, special)
TEST(6, refused)
TEST(7, inherited)
TEST(8, damaged)

#define ENTRY(name)                                                                                \
    cmocka_unit_test_setup_teardown(test_##name, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENTRY(files),         ENTRY(shorter_file), ENTRY(missing_file),
        ENTRY(unnamed_files), ENTRY(pipes),        ENTRY(special),
        ENTRY(refused),       ENTRY(inherited),    ENTRY(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A whole capture and restore: one child process makes an upper half of every kind of mapping and
 * takes an image of it; another, whose upper half is empty, restores it and looks.
 *
 * A test program lies above DV_SPLIT as a whole, so what it maps below is an upper half. */
#include "capture/capture_engine.h"
#include "capture/regions.h"
#include "check.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#define MIB (1024ull * 1024ull)
#define AT(offset) ((char *)(0x200000000000ull + (offset)))
#define DENSE AT(0)
#define DENSE_BYTES (8 * MIB)
#define SPARSE AT(64 * MIB)
#define SPARSE_BYTES (64 * MIB)
#define CODE AT(256 * MIB)
#define HIDDEN AT(320 * MIB) /* PROT_NONE, with contents */
#define RESERVED AT(1024 * MIB)
#define RESERVED_BYTES (1024 * MIB)
#define FILE_PRIVATE AT(4096 * MIB)
#define FILE_SHARED AT(4160 * MIB)
#define FILE_READ AT(4224 * MIB)
#define SHARED AT(4288 * MIB)
#define GROWING AT(4352 * MIB)
#define STACK AT(4480 * MIB)
#define STACK_BYTES (4 * MIB)
#define CROSSING ((char *)(DV_SPLIT - 65536))
#define FILE_BYTES 10000u

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is false (errno %s; %s)\n", __FILE__, __LINE__, #condition, \
                    strerror(errno), dv_why());                                                    \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static const char *directory;

static const char *in_directory(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void map_at(char *at, size_t length, int protection, int flags, int fd)
{
    REQUIRE(mmap(at, length, protection, flags | MAP_FIXED_NOREPLACE, fd, 0) == at);
}

static void fill(char *at, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i += sizeof seed) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        memcpy(at + i, &seed, sizeof seed);
    }
}

static int is_filled(const char *at, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i += sizeof seed) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        if (memcmp(at + i, &seed, sizeof seed) != 0)
            return 0;
    }
    return 1;
}

static int is_zero(const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (at[i])
            return 0;
    return 1;
}

static void make_file(const char *name, uint64_t seed)
{
    static char bytes[(FILE_BYTES + 7) / 8 * 8];
    fill(bytes, sizeof bytes, seed);
    int fd = open(in_directory(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, bytes, FILE_BYTES) == FILE_BYTES);
    close(fd);
}

static void map_file(char *at, size_t length, int protection, int flags, const char *name)
{
    int fd = open(in_directory(name), (flags & MAP_PRIVATE) ? O_RDONLY : O_RDWR);
    REQUIRE(fd >= 0);
    map_at(at, length, protection, flags, fd);
    close(fd);
}

static void make_upper_half(void)
{
    const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS, writable = PROT_READ | PROT_WRITE;
    map_at(DENSE, DENSE_BYTES, writable, anonymous, -1);
    fill(DENSE, DENSE_BYTES, 1);
    memset(DENSE + MIB, 0, 5 * DV_PAGE_BYTES);
    map_at(SPARSE, SPARSE_BYTES, writable, anonymous | MAP_NORESERVE, -1);
    fill(SPARSE + 17 * DV_PAGE_BYTES, DV_PAGE_BYTES, 2);
    fill(SPARSE + SPARSE_BYTES - DV_PAGE_BYTES, DV_PAGE_BYTES, 3);
    map_at(CODE, 3 * DV_PAGE_BYTES, writable, anonymous, -1);
    fill(CODE, 3 * DV_PAGE_BYTES, 4);
    REQUIRE(mprotect(CODE, 3 * DV_PAGE_BYTES, PROT_READ | PROT_EXEC) == 0);
    map_at(HIDDEN, 8 * DV_PAGE_BYTES, writable, anonymous, -1);
    fill(HIDDEN + DV_PAGE_BYTES, 2 * DV_PAGE_BYTES, 5);
    REQUIRE(mprotect(HIDDEN, 8 * DV_PAGE_BYTES, PROT_NONE) == 0);
    map_at(RESERVED, RESERVED_BYTES, PROT_NONE, anonymous | MAP_NORESERVE, -1);
    make_file("private", 6);
    map_file(FILE_PRIVATE, 5 * DV_PAGE_BYTES, writable, MAP_PRIVATE, "private");
    fill(FILE_PRIVATE + DV_PAGE_BYTES, 64, 7);
    make_file("shared", 8);
    map_file(FILE_SHARED, 3 * DV_PAGE_BYTES, writable, MAP_SHARED, "shared");
    memset(FILE_SHARED, 0, DV_PAGE_BYTES);
    make_file("read", 9);
    map_file(FILE_READ, 3 * DV_PAGE_BYTES, PROT_READ, MAP_SHARED, "read");
    map_at(SHARED, 4 * DV_PAGE_BYTES, writable, MAP_SHARED | MAP_ANONYMOUS, -1);
    fill(SHARED, 2 * DV_PAGE_BYTES, 10);
    REQUIRE(mprotect(SHARED + DV_PAGE_BYTES, 2 * DV_PAGE_BYTES, PROT_READ) == 0);
    map_at(GROWING, 16 * DV_PAGE_BYTES, writable, anonymous | MAP_GROWSDOWN, -1);
    fill(GROWING + 15 * DV_PAGE_BYTES, DV_PAGE_BYTES, 11);
    /* Room below, as the kernel's mappings would be: the stack's bounds must come from the caller.
     */
    map_at(STACK - MIB, STACK_BYTES + MIB, writable, anonymous, -1);
    fill(STACK - MIB, MIB, 12);
    fill(STACK, STACK_BYTES, 13);
    map_at(CROSSING, 2 * 65536, PROT_NONE, anonymous | MAP_NORESERVE, -1);
    map_at((char *)DV_GATE_BASE, DV_GATE_BYTES, writable, anonymous, -1);
    fill((char *)DV_GATE_BASE, DV_GATE_BYTES, 14);
}

static void check_upper_half(void)
{
    REQUIRE(is_filled(DENSE, MIB, 1));
    REQUIRE(is_zero(DENSE + MIB, 5 * DV_PAGE_BYTES));
    REQUIRE(is_zero(SPARSE, 17 * DV_PAGE_BYTES));
    REQUIRE(is_filled(SPARSE + 17 * DV_PAGE_BYTES, DV_PAGE_BYTES, 2));
    REQUIRE(is_filled(SPARSE + SPARSE_BYTES - DV_PAGE_BYTES, DV_PAGE_BYTES, 3));
    REQUIRE(is_filled(CODE, 3 * DV_PAGE_BYTES, 4));
    REQUIRE(mprotect(HIDDEN, 8 * DV_PAGE_BYTES, PROT_READ) == 0);
    REQUIRE(is_zero(HIDDEN, DV_PAGE_BYTES));
    REQUIRE(is_filled(HIDDEN + DV_PAGE_BYTES, 2 * DV_PAGE_BYTES, 5));
    REQUIRE(is_filled(FILE_PRIVATE, DV_PAGE_BYTES, 6));
    REQUIRE(is_filled(FILE_PRIVATE + DV_PAGE_BYTES, 64, 7));
    REQUIRE(is_zero(FILE_PRIVATE + 3 * DV_PAGE_BYTES, 2 * DV_PAGE_BYTES));
    REQUIRE(is_zero(FILE_SHARED, DV_PAGE_BYTES));
    REQUIRE(FILE_READ[0] != 0 && is_filled(FILE_READ, FILE_BYTES / 8 * 8, 9));
    REQUIRE(is_filled(SHARED, 2 * DV_PAGE_BYTES, 10) &&
            is_zero(SHARED + 2 * DV_PAGE_BYTES, 2 * DV_PAGE_BYTES));
    REQUIRE(mprotect(SHARED, 4 * DV_PAGE_BYTES, PROT_READ | PROT_WRITE) == 0);
    REQUIRE(mremap(SHARED, 4 * DV_PAGE_BYTES, 5 * DV_PAGE_BYTES, MREMAP_MAYMOVE) !=
            MAP_FAILED); /* one */
    REQUIRE(is_filled(GROWING + 15 * DV_PAGE_BYTES, DV_PAGE_BYTES, 11));
    *(GROWING - 64ull * DV_PAGE_BYTES) = 1; /* would be SIGSEGV if it did not grow any more */
    REQUIRE(is_filled(STACK - MIB, MIB, 12));
    REQUIRE(is_zero(STACK, MIB)); /* dead: the stack pointer was at +3 MiB */
    REQUIRE(memcmp(STACK + 3 * MIB, "live", 4) == 0);
    REQUIRE(is_filled((char *)DV_GATE_BASE, DV_GATE_BYTES, 14));
}

static struct dv_capture_request make_request(const struct dv_image_identity *identity,
                                              struct dv_capture *strategy,
                                              const struct dv_fd_identity *stdio)
{
    return (struct dv_capture_request){
        .epoch = 7,
        .directory = directory,
        .name = "rank-0.dvi",
        .identity = identity,
        .strategy = strategy,
        .lower_fd_base = 3,
        .stdio = stdio,
        .stack_start = (uint64_t)STACK,
        .stack_end = (uint64_t)STACK + STACK_BYTES,
        .stack_pointer = (uint64_t)STACK + 3 * MIB,
    };
}

/* Bounds and permissions of what is mapped below the boundary, one line each. */
static void list_maps(char *text, size_t bytes)
{
    struct dv_maps maps;
    REQUIRE(dv_maps_read(&maps) == DV_OK);
    size_t used = 0;
    for (size_t i = 0; i < maps.count; i++)
        used += (size_t)snprintf(
            text + used, bytes - used, "%llx-%llx %x\n", (unsigned long long)maps.regions[i].start,
            (unsigned long long)maps.regions[i].end,
            maps.regions[i].flags & (DV_REGION_READ | DV_REGION_WRITE | DV_REGION_EXEC));
    REQUIRE(used < bytes);
    dv_maps_free(&maps);
}

static void read_stdio(struct dv_fd_identity stdio[DV_INHERITED_COUNT])
{
    for (int i = 0; i < DV_INHERITED_COUNT; i++)
        dv_fd_identity_read(i, &stdio[i]);
}

static void make_process_state(void)
{
    static const struct itimerval timer = {.it_value.tv_sec = 5000, .it_interval.tv_sec = 3};
    REQUIRE(chdir(directory) == 0);
    umask(0031);
    REQUIRE(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0);
    REQUIRE(prctl(PR_SET_NAME, "captured") == 0);
    stack_t stack = {.ss_sp = DENSE, .ss_size = 65536};
    REQUIRE(sigaltstack(&stack, NULL) == 0);
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur -= 3;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    REQUIRE(kill(getpid(), SIGUSR2) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 40 + i}) == 0);
}

/* Pending signals still say who sent them, and what with. */
static void check_pending_signals(void)
{
    const struct timespec at_once = {0, 0};
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    REQUIRE(sigtimedwait(&set, &info, &at_once) == SIGUSR2 && info.si_code == SI_USER);
    sigaddset(&set, SIGRTMIN + 3);
    for (int i = 0; i < 3; i++)
        REQUIRE(sigtimedwait(&set, &info, &at_once) == SIGRTMIN + 3 && info.si_code == SI_QUEUE &&
                info.si_value.sival_int == 40 + i);
    REQUIRE(sigtimedwait(&set, &info, &at_once) < 0);
}

static void check_process_state(rlim_t descriptors_at_launch)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(limit.rlim_cur == descriptors_at_launch - 3);
    struct itimerval timer;
    char path[PATH_MAX], expected[PATH_MAX], name[32] = "";
    REQUIRE(getcwd(path, sizeof path) && realpath(directory, expected));
    REQUIRE(strcmp(path, expected) == 0);
    REQUIRE(umask(0) == 0031);
    REQUIRE(getitimer(ITIMER_VIRTUAL, &timer) == 0);
    REQUIRE(timer.it_value.tv_sec >= 4990 && timer.it_interval.tv_sec == 3);
    REQUIRE(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "captured") == 0);
    stack_t stack;
    REQUIRE(sigaltstack(NULL, &stack) == 0);
    REQUIRE(stack.ss_sp == DENSE && stack.ss_size == 65536 && stack.ss_flags == 0);
    sigset_t set;
    REQUIRE(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
    REQUIRE(sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2) && !sigismember(&set, SIGHUP));
    REQUIRE(sigpending(&set) == 0);
    REQUIRE(sigismember(&set, SIGUSR2) && !sigismember(&set, SIGUSR1));
    check_pending_signals();
}

static void capture_child(const char *keep)
{
    struct dv_fd_identity stdio[DV_INHERITED_COUNT];
    struct dv_image_identity identity = {.epoch = 7, .rank = 0, .size = 1, .page_bytes = 4096};
    struct dv_capture *strategy = NULL;
    struct dv_capture_job *job = NULL;
    struct dv_capture_figures figures;
    char why[256];
    read_stdio(stdio);
    dv_capture_launched();
    make_upper_half();
    make_process_state();
    memcpy(STACK + 3 * MIB, "live", 4);
    static char maps[65536];
    list_maps(maps, sizeof maps);
    int fd = open(in_directory("maps"), O_WRONLY | O_CREAT, 0600);
    REQUIRE(fd >= 0 && write(fd, maps, sizeof maps) == sizeof maps);
    close(fd);
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_OK);
    REQUIRE(dv_capture_open("full", NULL, &strategy) == DV_OK);
    REQUIRE(dv_capture_arm(strategy, 0) == DV_OK);
    struct dv_capture_request request = make_request(&identity, strategy, stdio);
    REQUIRE(dv_keep_parse(keep, &request.keep) == DV_OK);
    REQUIRE(dv_capture_take(&request, &job, &figures) == DV_OK);
    if (request.keep != DV_KEEP_STOP) /* what happens from now on is not in the image */
        memset(DENSE, 0x5a, 3 * DV_PAGE_BYTES);
    REQUIRE(dv_capture_write(job, &figures) == DV_OK);
    dv_capture_discard(job);
    REQUIRE(figures.kept == request.keep);
    /* Never-touched memory was not even looked at. */
    REQUIRE(figures.image.examined_bytes < 24 * MIB && figures.image.data_bytes > 8 * MIB);
    REQUIRE(figures.image.zero_bytes >= 5 * DV_PAGE_BYTES && figures.write_ns > 0);
    dv_capture_close(strategy);
    /* After the checkpoint the shared files change; the restore brings their contents back, or for
     * the one that is only read, uses what it was. */
    fill(FILE_SHARED, 2 * DV_PAGE_BYTES, 99);
    _exit(0);
}

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    (void)arg;
    snprintf(path, path_bytes, "%s", in_directory("rank-0.dvi"));
    return epoch == 7 && rank == 0 ? DV_OK : DV_ERR_NOT_FOUND;
}

static void restore_child(void)
{
    struct dv_fd_identity stdio[DV_INHERITED_COUNT];
    struct dv_image_chain *image;
    struct dv_restored restored;
    static char before[65536], after[65536];
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    read_stdio(stdio);
    dv_capture_launched();
    make_file("read", 77);
    /* What a new process may have there. */
    map_at((char *)DV_GATE_BASE, DV_GATE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
           -1);
    map_at(CROSSING, 2 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    int fd = open(in_directory("maps"), O_RDONLY);
    REQUIRE(fd >= 0 && read(fd, before, sizeof before) == sizeof before);
    close(fd);
    REQUIRE(dv_image_chain_open(locate, NULL, 7, 0, &image) == DV_OK);
    REQUIRE(dv_restore_memory(directory, image, 1, NULL, &restored) == DV_OK);
    REQUIRE(restored.loaded_bytes > 8 * MIB);
    list_maps(after, sizeof after);
    if (strcmp(before, after) != 0)
        fprintf(stderr, "before:\n%safter:\n%s", before, after);
    REQUIRE(strcmp(before, after) == 0);
    REQUIRE(dv_restore_process(dv_image_chain_head(image), 3, stdio, NULL) == DV_OK);
    dv_image_chain_close(image);
    check_upper_half();
    check_process_state(limit.rlim_cur);
    char bytes[DV_PAGE_BYTES];
    fd = open(in_directory("shared"), O_RDONLY);
    REQUIRE(fd >= 0 && pread(fd, bytes, sizeof bytes, 0) == sizeof bytes);
    REQUIRE(is_zero(bytes, sizeof bytes)); /* written through to the file */
    fd = open(in_directory("read"), O_RDONLY);
    REQUIRE(fd >= 0 && pread(fd, bytes, sizeof bytes, 0) == sizeof bytes);
    REQUIRE(is_filled(bytes, sizeof bytes, 77)); /* never written */
    _exit(0);
}

static int run_child(void (*function)(const char *), const char *argument)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        function(argument);
        _exit(2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void restore_argument(const char *unused)
{
    (void)unused;
    restore_child();
}

static void round_trip(void **state, const char *keep)
{
    directory = *state;
    assert_int_equal(run_child(capture_child, keep), 0);
    assert_int_equal(run_child(restore_argument, NULL), 0);
}

static void test_round_trip_stopped(void **state)
{
    round_trip(state, "stop");
}

static void test_round_trip_copied(void **state)
{
    round_trip(state, "copy");
}

static void test_round_trip_forked(void **state)
{
    round_trip(state, "fork");
}

/* A strategy that fails, and one that selects what is not there: nothing is left behind. */
static unsigned aborted_epochs;

static enum dv_status select_outside(struct dv_capture *c, uint64_t epoch, struct dv_page_set *out)
{
    (void)epoch;
    return c->core->add(out, 0x123456789000, 0x12345678a000);
}

static void count_aborted(struct dv_capture *c, uint64_t epoch)
{
    (void)c;
    aborted_epochs += epoch == 7;
}

static void bad_strategy_child(const char *unused)
{
    (void)unused;
    static const struct dv_capture_ops ops = {.api = DV_CAPTURE_API,
                                              .name = "outside",
                                              .select = select_outside,
                                              .aborted = count_aborted};
    struct dv_fd_identity stdio[DV_INHERITED_COUNT];
    struct dv_image_identity identity = {.epoch = 7, .size = 1, .page_bytes = 4096};
    struct dv_capture *real = NULL;
    struct dv_capture_job *job = NULL;
    struct dv_capture_figures figures;
    read_stdio(stdio);
    make_upper_half();
    REQUIRE(dv_capture_open("full", NULL, &real) == DV_OK);
    struct dv_capture strategy = {.ops = &ops, .core = real->core};
    struct dv_capture_request request = make_request(&identity, &strategy, stdio);
    REQUIRE(dv_capture_take(&request, &job, &figures) == DV_ERR_INTERNAL);
    REQUIRE(job == NULL && aborted_epochs == 1);
    REQUIRE(strstr(dv_why(), "outside") && strstr(dv_why(), "0x123456789000"));
    request.directory = "/nonexistent";
    request.strategy = real;
    REQUIRE(dv_capture_take(&request, &job, &figures) != DV_OK && job == NULL);
    request.keep = DV_KEEP_FORK; /* then the directory is looked at later */
    REQUIRE(dv_capture_take(&request, &job, &figures) == DV_OK);
    REQUIRE(dv_capture_write(job, &figures) != DV_OK);
    dv_capture_discard(job);
    REQUIRE(access(in_directory("rank-0.dvi"), F_OK) != 0);
    REQUIRE(access(in_directory("rank-0.dvi.tmp"), F_OK) != 0);
    dv_capture_close(real);
    _exit(0);
}

static void test_failures_leave_nothing(void **state)
{
    directory = *state;
    assert_int_equal(run_child(bad_strategy_child, NULL), 0);
}

static void refusals_child(const char *unused)
{
    (void)unused;
    struct dv_fd_identity stdio[DV_INHERITED_COUNT];
    char why[256];
    read_stdio(stdio);
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_OK);
    int memory = memfd_create("box", MFD_CLOEXEC);
    REQUIRE(memory > 2 && ftruncate(memory, 8192) == 0);
    map_at(DENSE, 8192, PROT_READ, MAP_SHARED, memory);
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_ERR_REFUSED);
    REQUIRE(strstr(why, "200000000000-200000002000") && strstr(why, "memfd"));
    REQUIRE(munmap(DENSE, 8192) == 0);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_ERR_REFUSED);
    char number[32];
    snprintf(number, sizeof number, "child process %d", (int)child);
    REQUIRE(strstr(why, number) && strstr(why, "is running"));
    REQUIRE(kill(child, SIGKILL) == 0);
    siginfo_t info;
    REQUIRE(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_ERR_REFUSED);
    REQUIRE(strstr(why, number) && strstr(why, "not waited for"));
    REQUIRE(waitpid(child, NULL, 0) == child);
    timer_t timer;
    REQUIRE(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    if (access("/proc/self/timers", F_OK) == 0) {
        REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_ERR_REFUSED);
        REQUIRE(strstr(why, "POSIX timer"));
    }
    REQUIRE(timer_delete(timer) == 0);
    REQUIRE(dv_capture_check(3, stdio, why, sizeof why) == DV_OK);
    _exit(0);
}

static void test_refusals_name_the_object(void **state)
{
    directory = *state;
    assert_int_equal(run_child(refusals_child, NULL), 0);
}

static void test_unknown_strategy(void **state)
{
    (void)state;
    struct dv_capture *strategy = NULL;
    assert_int_equal(dv_capture_open("ful", NULL, &strategy), DV_ERR_NOT_FOUND);
    assert_non_null(strstr(dv_why(), "did you mean \"full\""));
    assert_int_equal(dv_capture_open("full", "untuched=yes", &strategy), DV_ERR_USAGE);
    assert_null(strategy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip_stopped, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(test_round_trip_copied, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(test_round_trip_forked, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(test_failures_leave_nothing, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(test_refusals_name_the_object, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test(test_unknown_strategy),
    };
#if defined __SANITIZE_ADDRESS__
    (void)tests;
    puts("skipped: the address sanitizer's shadow memory lies below the boundary");
    return 0;
#else
    check_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}

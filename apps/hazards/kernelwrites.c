/* Hazard: memory that the kernel writes: results of system calls of many kinds, each at another place of a large area that
 * the program has not touched itself for a while. */
#include "apps/hazards/hazard.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AREA_BYTES (8u << 20)
#define FILE_BYTES (1u << 20)
#define PIPE_BYTES 4000u

static unsigned char *area;
static uint64_t places = 1;
static int file;

/* Somewhere in the area, with room for `bytes`, at any page and offset. */
static void *place(size_t bytes)
{
    return area + hazard_random(&places) % (AREA_BYTES - bytes) / 8 * 8;
}

static uint64_t seed(void)
{
    return hazard_round() + 1;
}

static void files(void)
{
    char *to = place(FILE_BYTES);
    CHECK(pread(file, to, FILE_BYTES, 0) == FILE_BYTES);
    hazard_verify(to, FILE_BYTES, 7, "pread");
    CHECK(lseek(file, 0, SEEK_SET) == 0);
    to = place(FILE_BYTES);
    CHECK(read(file, to, FILE_BYTES / 2) == FILE_BYTES / 2);
    struct iovec *parts = place(3 * sizeof *parts);
    to = (char *)area + AREA_BYTES - FILE_BYTES;
    for (size_t i = 0; i < 3; i++)
        parts[i] = (struct iovec){to + i * 4096, 4096};
    struct iovec local[3];
    memcpy(local, parts, sizeof local);
    CHECK(preadv(file, local, 3, 0) == 3 * 4096);
    hazard_verify(to, 3 * 4096, 7, "preadv");
    struct stat *info = place(sizeof *info);
    CHECK(fstat(file, info) == 0 && info->st_size == FILE_BYTES);
    info = place(sizeof *info);
    CHECK(stat("/", info) == 0 && S_ISDIR(info->st_mode));
    struct statx *more = place(sizeof *more);
    CHECK(statx(file, "", AT_EMPTY_PATH, STATX_SIZE, more) == 0 && more->stx_size == FILE_BYTES);
    char *path = place(4096), *other = place(4096);
    CHECK(getcwd(path, 4096) != NULL && path[0] == '/');
    CHECK(readlink("/proc/self/cwd", other, 4096) > 0 && other[0] == '/');
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory >= 0 && syscall(SYS_getdents64, directory, place(32768), 32768) > 0);
    CHECK(close(directory) == 0);
    struct flock *lock = place(sizeof *lock);
    *lock = (struct flock){.l_type = F_WRLCK};
    CHECK(fcntl(file, F_GETLK, lock) == 0 && lock->l_type == F_UNLCK);
}

static void waiting(void)
{
    int *ends = place(2 * sizeof *ends);
    CHECK(pipe(ends) == 0);
    int in = ends[0], out = ends[1];
    char text[PIPE_BYTES];
    hazard_fill(text, sizeof text, seed());
    CHECK(write(out, text, sizeof text) == sizeof text);
    int *ready = place(sizeof *ready);
    CHECK(ioctl(in, FIONREAD, ready) == 0 && *ready == PIPE_BYTES);
    struct pollfd *look = place(sizeof *look);
    *look = (struct pollfd){.fd = in, .events = POLLIN};
    CHECK(poll(look, 1, 0) == 1 && look->revents == POLLIN);
    sigset_t none;
    sigemptyset(&none);
    look = place(sizeof *look);
    *look = (struct pollfd){.fd = in, .events = POLLIN};
    CHECK(ppoll(look, 1, NULL, &none) == 1 && look->revents == POLLIN);
    fd_set *set = place(sizeof *set);
    FD_ZERO(set);
    FD_SET(in, set);
    CHECK(select(in + 1, set, NULL, NULL, NULL) == 1 && FD_ISSET(in, set));
    int events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = seed()},
                       *got = place(4 * sizeof *got);
    CHECK(events >= 0 && epoll_ctl(events, EPOLL_CTL_ADD, in, &event) == 0);
    CHECK(epoll_wait(events, got, 4, 0) == 1 && got->data.u64 == seed());
    CHECK(close(events) == 0);
    char *to = place(PIPE_BYTES);
    CHECK(read(in, to, PIPE_BYTES) == PIPE_BYTES);
    hazard_verify(to, PIPE_BYTES, seed(), "pipe");
    CHECK(close(in) == 0 && close(out) == 0);
}

static void sockets(void)
{
    int *ends = place(2 * sizeof *ends);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    int a = ends[0], b = ends[1];
    char text[PIPE_BYTES], *to = place(PIPE_BYTES);
    hazard_fill(text, sizeof text, seed());
    CHECK(send(a, text, sizeof text, 0) == sizeof text);
    CHECK(recv(b, to, PIPE_BYTES, 0) == PIPE_BYTES);
    hazard_verify(to, PIPE_BYTES, seed(), "recv");
    CHECK(send(a, text, sizeof text, 0) == sizeof text);
    to = place(PIPE_BYTES);
    struct iovec part = {to, PIPE_BYTES};
    struct msghdr *message = place(sizeof *message);
    *message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
    CHECK(recvmsg(b, message, 0) == PIPE_BYTES);
    hazard_verify(to, PIPE_BYTES, seed(), "recvmsg");
    socklen_t *length = place(sizeof *length);
    int *type = place(sizeof *type);
    *length = sizeof *type;
    CHECK(getsockopt(a, SOL_SOCKET, SO_TYPE, type, length) == 0 && *type == SOCK_STREAM);
    CHECK(close(a) == 0 && close(b) == 0);
}

static void times_and_limits(void)
{
    struct timespec *t = place(sizeof *t);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, t) == 0 && t->tv_nsec < 1000000000);
    t = place(sizeof *t);
    CHECK(clock_gettime(CLOCK_REALTIME, t) == 0 && t->tv_sec > 1000000000);
    t = place(sizeof *t);
    CHECK(clock_getres(CLOCK_THREAD_CPUTIME_ID, t) == 0);
    struct timeval *v = place(sizeof *v);
    CHECK(gettimeofday(v, NULL) == 0 && v->tv_sec > 1000000000);
    struct itimerval off = {{0, 0}, {0, 0}}, *was = place(sizeof *was);
    CHECK(getitimer(ITIMER_REAL, was) == 0);
    was = place(sizeof *was);
    CHECK(setitimer(ITIMER_VIRTUAL, &off, was) == 0);
    struct rusage *usage = place(sizeof *usage);
    CHECK(getrusage(RUSAGE_SELF, usage) == 0);
    struct rlimit *limit = place(sizeof *limit);
    CHECK(getrlimit(RLIMIT_NOFILE, limit) == 0 && limit->rlim_cur > 0);
    CHECK(times(place(sizeof(struct tms))) != (clock_t)-1);
    CHECK(sysinfo(place(sizeof(struct sysinfo))) == 0);
    struct utsname *name = place(sizeof *name);
    CHECK(uname(name) == 0 && strcmp(name->sysname, "Linux") == 0);
    CHECK(syscall(SYS_getrandom, place(64), 64, 0) == 64);
    cpu_set_t *processors = place(sizeof *processors);
    CHECK(sched_getaffinity(0, sizeof *processors, processors) == 0 && CPU_COUNT(processors) > 0);
}

static void signals(void)
{
    sigset_t *old = place(sizeof *old), all;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, old) == 0);
    /* Everything is blocked: so would be a fault's signal. */
    memset(place(4096), 1, 4096);
    CHECK(sigpending(place(sizeof(sigset_t))) == 0);
    sigset_t back = *old;
    CHECK(sigprocmask(SIG_SETMASK, &back, place(sizeof(sigset_t))) == 0);
    struct sigaction *action = place(sizeof *action);
    CHECK(sigaction(SIGUSR1, NULL, action) == 0 && action->sa_handler == SIG_DFL);
    stack_t *stack = place(sizeof *stack);
    CHECK(sigaltstack(NULL, stack) == 0 && (stack->ss_flags & SS_DISABLE));
}

static void child(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *to = place(FILE_BYTES);
        _exit(pread(file, to, FILE_BYTES, 0) == FILE_BYTES ? 7 : 8);
    }
    int *status = place(sizeof *status);
    CHECK(waitpid(pid, status, 0) == pid && WIFEXITED(*status) && WEXITSTATUS(*status) == 7);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    char *pattern = malloc(FILE_BYTES), name[] = "kernelwrites.XXXXXX";
    area = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pattern != NULL && area != MAP_FAILED);
    hazard_fill(pattern, FILE_BYTES, 7);
    file = mkstemp(name);
    CHECK(file >= 0 && write(file, pattern, FILE_BYTES) == FILE_BYTES);
    memset(area, 1, AREA_BYTES);
    do {
        files();
        waiting();
        times_and_limits();
        signals();
        if (hazard_round() % 16 == 3)
            sockets();
        if (hazard_round() % 16 == 7)
            child();
        hazard_mix(places);
    } while (hazard_next());
    CHECK(unlink(name) == 0);
    return hazard_end();
}

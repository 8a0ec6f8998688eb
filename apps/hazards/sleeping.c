/* Hazard: stopped in system calls that a signal ends with EINTR. The application has no handlers,
 * so it never sees EINTR, and a call does not return before its time. */
#include "apps/hazards/hazard.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60

static int pipe_ends[2], epoll_fd, timer_fd, event_fd;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static const struct timespec duration = {0, WAIT_MS * 1000000};

static struct timespec later(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    t.tv_nsec += WAIT_MS * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

static void by_nanosleep(void)
{
    CHECK(nanosleep(&duration, NULL) == 0);
}

static void by_nanosleep_remaining(void)
{
    struct timespec left = {7, 7};
    CHECK(nanosleep(&duration, &left) == 0);
}

static void by_clock_nanosleep(void)
{
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL) == 0);
}

static void by_clock_nanosleep_absolute(void)
{
    struct timespec t = later(CLOCK_MONOTONIC);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0);
}

static void by_usleep(void)
{
    CHECK(usleep(WAIT_MS * 1000) == 0);
}

static void by_poll(void)
{
    struct pollfd fd = {.fd = pipe_ends[0], .events = POLLIN};
    CHECK(poll(&fd, 1, WAIT_MS) == 0);
}

static void by_ppoll(void)
{
    struct pollfd fd = {.fd = pipe_ends[0], .events = POLLIN};
    CHECK(ppoll(&fd, 1, &duration, NULL) == 0);
}

static void by_select(void)
{
    struct timeval time = {0, WAIT_MS * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    CHECK(select(pipe_ends[0] + 1, &set, NULL, NULL, &time) == 0);
}

static void by_pselect(void)
{
    sigset_t mask;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(pselect(pipe_ends[0] + 1, &set, NULL, NULL, &duration, &mask) == 0);
}

static void by_epoll(void)
{
    struct epoll_event event;
    CHECK(epoll_wait(epoll_fd, &event, 1, WAIT_MS) == 0);
}

static void by_epoll_timespec(void)
{
    struct epoll_event event;
    CHECK(epoll_pwait2(epoll_fd, &event, 1, &duration, NULL) == 0);
}

static void by_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigtimedwait(&set, NULL, &duration) == -1 && errno == EAGAIN);
}

static void by_futex(void)
{
    uint32_t word = 1;
    CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &duration, NULL, 0) == -1 &&
          errno == ETIMEDOUT);
}

static void by_semaphore(void)
{
    struct timespec t = later(CLOCK_REALTIME);
    CHECK(sem_timedwait(&semaphore, &t) == -1 && errno == ETIMEDOUT);
}

static void by_condition(void)
{
    struct timespec t = later(CLOCK_REALTIME);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_cond_timedwait(&condition, &mutex, &t) == ETIMEDOUT);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void by_timer_descriptor(void)
{
    uint64_t expired = 0;
    struct itimerspec time = {.it_value = duration};
    CHECK(timerfd_settime(timer_fd, 0, &time, NULL) == 0);
    CHECK(read(timer_fd, &expired, sizeof expired) == sizeof expired && expired == 1);
}

static void by_poll_of_timer(void)
{
    uint64_t expired = 0;
    struct itimerspec time = {.it_value = duration};
    struct pollfd fd = {.fd = timer_fd, .events = POLLIN};
    CHECK(timerfd_settime(timer_fd, 0, &time, NULL) == 0);
    CHECK(poll(&fd, 1, -1) == 1 && fd.revents == POLLIN);
    CHECK(read(timer_fd, &expired, sizeof expired) == sizeof expired && expired == 1);
}

static void by_event_descriptor(void)
{
    struct pollfd fd = {.fd = event_fd, .events = POLLIN};
    uint64_t count = 3;
    CHECK(poll(&fd, 1, WAIT_MS) == 0);
    CHECK(write(event_fd, &count, sizeof count) == sizeof count);
    CHECK(poll(&fd, 1, WAIT_MS) == 1);
    CHECK(read(event_fd, &count, sizeof count) == sizeof count && count == 3);
}

static void (*const waits[])(void) = {
    by_nanosleep,       by_nanosleep_remaining,
    by_clock_nanosleep, by_clock_nanosleep_absolute,
    by_usleep,          by_poll,
    by_ppoll,           by_select,
    by_pselect,         by_epoll,
    by_sigtimedwait,    by_semaphore,
    by_condition,       by_timer_descriptor,
    by_poll_of_timer,   by_event_descriptor,
    by_epoll_timespec,  by_futex,
};
#define WAITS (sizeof waits / sizeof waits[0])

int main(int argc, char **argv)
{
    sigset_t blocked;
    struct epoll_event event = {.events = EPOLLIN};
    hazard_begin(argc, argv);
    CHECK(pipe(pipe_ends) == 0);
    CHECK((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipe_ends[0], &event) == 0);
    CHECK((timer_fd = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
    CHECK((event_fd = eventfd(0, 0)) >= 0);
    CHECK(sem_init(&semaphore, 0, 0) == 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    do {
        unsigned which = hazard_round() % WAITS;
        uint64_t start = hazard_now_ns();
        waits[which]();
        CHECK(hazard_now_ns() - start >= (WAIT_MS - 1) * 1000000ull);
        hazard_mix(which);
    } while (hazard_next());
    return hazard_end();
}

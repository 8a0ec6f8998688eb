/* Hazard: what cannot be captured while it is there, then goes away: an additional thread, a child
 * process, a socket, a timer, guard pages. usage: hazard-refused thread|child|socket|timer|guard [ROUNDS]
 * (status 77: not on this system).
 * Says HELD and waits for the file `release`, then FREE and waits for the file `end` (only with
 * HAZARD_WAIT; see hazard.h). */
#include "apps/hazards/hazard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.13, newer than some systems' headers. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define GUARDED_BYTES 65536u

static atomic_int stop;
static uint64_t thread_result;

static void *thread_main(void *argument)
{
    uint64_t state = 1;
    (void)argument;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < 1000; i++)
            hazard_random(&state);
        usleep(2000);
    }
    thread_result = 99;
    return NULL;
}

static pthread_t thread;
static pid_t child;
static int sockets[2];
static timer_t timer;
static char *guarded;

static void hold(const char *what)
{
    atomic_store(&stop, 0);
    if (strcmp(what, "thread") == 0) {
        CHECK(pthread_create(&thread, NULL, thread_main, NULL) == 0);
    } else if (strcmp(what, "child") == 0) {
        CHECK((child = fork()) >= 0);
        if (child == 0)
            for (;;)
                pause();
    } else if (strcmp(what, "socket") == 0) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    } else if (strcmp(what, "timer") == 0) {
        struct sigevent event = {.sigev_notify = SIGEV_NONE};
        CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    } else if (strcmp(what, "guard") == 0) {
        guarded =
            mmap(NULL, GUARDED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(guarded != MAP_FAILED);
        if (madvise(guarded, GUARDED_BYTES / 2, MADV_GUARD_INSTALL) != 0)
            exit(77);
        memset(guarded + GUARDED_BYTES / 2, 1, GUARDED_BYTES / 2);
    }
}

static void release(const char *what)
{
    atomic_store(&stop, 1);
    if (strcmp(what, "thread") == 0) {
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(thread_result == 99);
    } else if (strcmp(what, "child") == 0) {
        int status;
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child &&
              WIFSIGNALED(status));
    } else if (strcmp(what, "socket") == 0) {
        char byte = 'x';
        CHECK(write(sockets[0], &byte, 1) == 1 && read(sockets[1], &byte, 1) == 1);
        CHECK(close(sockets[0]) == 0 && close(sockets[1]) == 0);
    } else if (strcmp(what, "timer") == 0) {
        CHECK(timer_delete(timer) == 0);
    } else if (strcmp(what, "guard") == 0) {
        CHECK(munmap(guarded, GUARDED_BYTES) == 0);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    hazard_begin(argc - 1, argv + 1);
    hold(argv[1]);
    hazard_wait_for("HELD", "release");
    release(argv[1]);
    hazard_wait_for("FREE", "end");
    /* Once more, after what may have been a restart. */
    hold(argv[1]);
    release(argv[1]);
    do
        hazard_mix(hazard_round());
    while (hazard_next());
    return hazard_end();
}

/* Hazard: signals of a timer that arrive everywhere, also while the time is read (in the vdso), and
 * handlers that are left by siglongjmp. Ticks must go on after a restart: each round waits for
 * some. */
#include "apps/hazards/hazard.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define TICK_US 1000
#define TICKS_PER_ROUND 5

static volatile sig_atomic_t ticks, jumps, may_jump;
static sigjmp_buf place;

static void on_tick(int signal)
{
    (void)signal;
    ticks++;
    if (may_jump && ticks % 3 == 0) {
        may_jump = 0;
        jumps++;
        siglongjmp(place, 1);
    }
}

static uint64_t read_clock_until(int wanted)
{
    volatile uint64_t last = hazard_now_ns();
    while (ticks < wanted) {
        if (sigsetjmp(place, 1) != 0)
            continue;
        may_jump = 1;
        for (int i = 0; i < 2000 && ticks < wanted; i++) {
            uint64_t now = hazard_now_ns();
            if (now < last)
                hazard_fail(__FILE__, __LINE__, "the clock went back");
            last = now;
        }
        may_jump = 0;
    }
    may_jump = 0;
    return last;
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, TICK_US}, {0, TICK_US}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (unsigned round = 0; round < hazard_rounds(); round++) {
        read_clock_until(ticks + 2 * TICKS_PER_ROUND);
        struct sigaction now;
        CHECK(sigaction(SIGALRM, NULL, &now) == 0);
        CHECK(now.sa_handler == on_tick && (now.sa_flags & SA_RESTART));
        hazard_mix(round);
    }
    CHECK(jumps > 0);
    return hazard_end();
}

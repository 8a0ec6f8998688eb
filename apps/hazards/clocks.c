/* Hazard: time. Clocks do not go back, do not stand still, and agree with each other. */
#include "apps/hazards/hazard.h"

#include <sched.h>
#include <sys/time.h>
#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check_against_each_other(void)
{
    struct timeval tv;
    int64_t before = read_ns(CLOCK_REALTIME) / 1000;
    CHECK(gettimeofday(&tv, NULL) == 0);
    int64_t between = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
    int64_t after = read_ns(CLOCK_REALTIME) / 1000;
    CHECK(before <= between && between <= after);
    int64_t seconds = time(NULL);
    CHECK(seconds >= before / 1000000 - 1 && seconds <= read_ns(CLOCK_REALTIME) / 1000000000 + 1);
}

int main(int argc, char **argv)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                       CLOCK_MONOTONIC_COARSE};
    int64_t last[4] = {0};
    struct timespec resolution;
    hazard_begin(argc, argv);
    do {
        for (int i = 0; i < 20000; i++) {
            int64_t now = read_ns(clocks[i % 4]);
            CHECK(now >= last[i % 4]);
            last[i % 4] = now;
            CHECK(sched_getcpu() >= 0);
        }
        check_against_each_other();
        CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_nsec > 0);
        int64_t start = read_ns(CLOCK_MONOTONIC);
        hazard_sleep_ms(2);
        CHECK(read_ns(CLOCK_MONOTONIC) - start >= 2000000);
        hazard_mix(hazard_round());
    } while (hazard_next());
    return hazard_end();
}

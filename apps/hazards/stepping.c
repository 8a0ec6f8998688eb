/* Hazard: a program that goes through the first instructions of the vdso's clock_gettime one by one, as a debugger in the
 * process would, and dwells at each. Between any two of them a checkpoint may be asked for. */
#include "apps/hazards/hazard.h"

#include <signal.h>
#include <sys/auxv.h>
#include <time.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100
#define DWELLS 12
#define DWELL_MS 2
#define VDSO_BYTES 0x10000ul

static volatile int steps, dwells;

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    steps++;
    if ((unsigned long)reg[REG_RIP] - getauxval(AT_SYSINFO_EHDR) < VDSO_BYTES) {
        dwells++;
        hazard_sleep_ms(DWELL_MS);
    }
    if (dwells == DWELLS)
        reg[REG_EFL] &= ~TRAP_FLAG;
}

static void step(int on)
{
    unsigned long set = on ? TRAP_FLAG : 0;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n" /* the red zone */
                     "pushfq\n"
                     "andq %1, (%%rsp)\n"
                     "orq %0, (%%rsp)\n"
                     "popfq\n"
                     "lea 128(%%rsp), %%rsp\n" ::"r"(set),
                     "r"(~(unsigned long)TRAP_FLAG)
                     : "memory", "cc");
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    struct timespec before = {0}, now;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    do {
        steps = dwells = 0;
        step(1);
        int failed = clock_gettime(CLOCK_MONOTONIC, &now);
        step(0);
        CHECK(!failed && steps > dwells);
        CHECK(now.tv_sec > before.tv_sec ||
              (now.tv_sec == before.tv_sec && now.tv_nsec > before.tv_nsec));
        before = now;
        hazard_mix(hazard_round());
    } while (hazard_next());
    return hazard_end();
}

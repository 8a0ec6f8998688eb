/* Hazard: stopped while a handler runs on an alternate signal stack, also a nested one. */
#include "apps/hazards/hazard.h"

#include <signal.h>
#include <unistd.h>

#define STACK_BYTES (256 * 1024)

static char alternate[STACK_BYTES];
static volatile sig_atomic_t handled, depth;

static int on_alternate(const void *address)
{
    return (const char *)address >= alternate && (const char *)address < alternate + STACK_BYTES;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    uint64_t local[64];
    (void)context;
    CHECK(on_alternate(local));
    CHECK(info->si_signo == signal);
    hazard_fill(local, sizeof local, (uint64_t)handled + 1);
    uint64_t seed = (uint64_t)handled + 1;
    depth++;
    if (signal == SIGUSR1)
        CHECK(raise(SIGUSR2) == 0);
    hazard_sleep_ms(5);
    depth--;
    hazard_verify(local, sizeof local, seed, "a handler's variables");
    if (signal == SIGUSR1)
        handled++;
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, now;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    do {
        int local;
        CHECK(!on_alternate(&local));
        CHECK(raise(SIGUSR1) == 0);
        CHECK(handled == (int)hazard_round() + 1 && depth == 0);
        CHECK(sigaltstack(NULL, &now) == 0);
        CHECK(now.ss_sp == alternate && now.ss_size == sizeof alternate && now.ss_flags == 0);
        hazard_mix((uint64_t)handled);
    } while (hazard_next());
    return hazard_end();
}

/* Hazard: blocked and pending signals, ignored ones, dispositions with their flags and masks. */
#include "apps/hazards/hazard.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static volatile int value_seen;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    seen = signal;
    value_seen = info->si_code == SI_QUEUE ? info->si_value.sival_int : -1;
}

static void check_dispositions(void)
{
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
    CHECK(now.sa_sigaction == on_signal && (now.sa_flags & SA_SIGINFO) &&
          (now.sa_flags & SA_NODEFER));
    CHECK(sigismember(&now.sa_mask, SIGHUP) == 1 && sigismember(&now.sa_mask, SIGTERM) == 0);
    CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(raise(SIGPIPE) == 0); /* ignored */
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigset_t blocked, now;
    sigaddset(&action.sa_mask, SIGHUP);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigaddset(&blocked, SIGRTMIN + 3);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    do {
        check_dispositions();
        CHECK(raise(SIGUSR2) == 0); /* stays pending during the round's sleep */
        seen = 0;
        hazard_sleep_ms(10);
        CHECK(seen == 0);
        CHECK(sigpending(&now) == 0 && sigismember(&now, SIGUSR2) == 1 &&
              sigismember(&now, SIGUSR1) == 0);
        CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
        for (int s = 1; s <= SIGRTMAX; s++)
            if (s < 32 || s >= SIGRTMIN)
                CHECK(sigismember(&now, s) == sigismember(&blocked, s));
        CHECK(sigprocmask(SIG_UNBLOCK, &blocked, NULL) == 0);
        CHECK(seen == SIGUSR2);
        CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
        hazard_mix((uint64_t)seen);
    } while (hazard_next());
    return hazard_end();
}

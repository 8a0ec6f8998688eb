/* Hazard: a program that lives by SIGSEGV: it protects memory of its own and resolves the faults, leaves its handler by
 * siglongjmp, sends itself the signal, blocks it, and takes signals on stacks that are ordinary memory. */
#include "apps/hazards/hazard.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u
#define OWN_PAGES 64u
#define DATA_BYTES (4u << 20)
#define STACK_BYTES (256u << 10)

static char *own, *data, *stack;
static volatile unsigned faults, sent, alarms;
static volatile int leave, code_seen;
static sigjmp_buf out;
static ucontext_t main_context, side_context;

/* One byte in each of a few pages of the data, which nobody has written for a while. */
static void scatter(unsigned value)
{
    for (size_t i = 0; i < DATA_BYTES; i += DATA_BYTES / 16)
        data[i + value % PAGE] = (char)value;
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(signal == SIGSEGV);
    scatter(faults); /* writes while SIGSEGV is blocked */
    code_seen = info->si_code;
    if (info->si_code <= 0) {
        sent++;
        return;
    }
    faults++;
    if (leave)
        siglongjmp(out, 1);
    char *page = own + ((size_t)((char *)info->si_addr - own) & ~(size_t)(PAGE - 1));
    CHECK(page >= own && page < own + (size_t)OWN_PAGES * PAGE && info->si_code == SEGV_ACCERR);
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
    data[DATA_BYTES / 2 + alarms * 64 % PAGE * 8] = 1;
}

static void on_user(int signal)
{
    char local[512];
    memset(local, signal, sizeof local);
    scatter((unsigned)local[17] + sent);
    sent++;
}

/* Unblocks SIGSEGV and rests; on return it is blocked again without any call that says so. */
static void on_pause(int signal)
{
    sigset_t set;
    (void)signal;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    hazard_sleep_ms(3);
    scatter(sent);
}

static void blocked_around_a_handler(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGUSR2) == 0);
    scatter(sent + 5);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

/* The program's own tracker. */
static void own_pages(void)
{
    unsigned before = faults;
    CHECK(mprotect(own, (size_t)OWN_PAGES * PAGE, PROT_READ) == 0);
    for (size_t i = 0; i < OWN_PAGES; i += 2)
        own[i * PAGE + 5] = (char)hazard_round();
    CHECK(faults == before + OWN_PAGES / 2);
    CHECK(own[6 * PAGE + 5] == (char)hazard_round());
}

static void wild_accesses(void)
{
    static volatile int kind;
    static char *volatile nowhere = (char *)8;
    leave = 1;
    for (kind = 0; kind < 3; kind++) {
        if (sigsetjmp(out, 1) == 0) {
            if (kind == 0)
                *nowhere = 1;
            else if (kind == 1)
                hazard_mix((uint64_t)*nowhere);
            else
                own[PAGE + 9] = 1; /* still protected */
            CHECK(!"not reached");
        }
        CHECK(code_seen == (kind == 2 ? SEGV_ACCERR : SEGV_MAPERR));
        sigset_t now;
        CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && !sigismember(&now, SIGSEGV));
    }
    leave = 0;
}

static void sent_and_blocked(void)
{
    unsigned before = sent;
    sigset_t set, pending;
    CHECK(raise(SIGSEGV) == 0 && sent == before + 1 && code_seen == SI_TKILL);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(kill(getpid(), SIGSEGV) == 0 && sent == before + 1);
    scatter(hazard_round());
    hazard_sleep_ms(2);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGSEGV));
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(sent == before + 2 && code_seen == SI_USER);
    CHECK(signal(SIGSEGV, SIG_IGN) != SIG_ERR && kill(getpid(), SIGSEGV) == 0);
    CHECK(sent == before + 2);
}

/* On a stack that is plain memory, signals without a stack of their own: their frames go there too. */
static void side(void)
{
    unsigned before = sent;
    CHECK(raise(SIGUSR1) == 0 && sent == before + 1);
    hazard_sleep_ms(1);
    CHECK(swapcontext(&side_context, &main_context) == 0);
    CHECK(raise(SIGUSR1) == 0 && sent == before + 2);
    double x = (double)hazard_round() + 0.25; /* in a register across the signal */
    CHECK(raise(SIGUSR1) == 0 && x == (double)hazard_round() + 0.25);
}

static void coroutine(void)
{
    CHECK(getcontext(&side_context) == 0);
    side_context.uc_stack.ss_sp = stack;
    side_context.uc_stack.ss_size = STACK_BYTES;
    side_context.uc_link = &main_context;
    makecontext(&side_context, side, 0);
    CHECK(swapcontext(&main_context, &side_context) == 0);
    hazard_sleep_ms(1);
    CHECK(swapcontext(&main_context, &side_context) == 0);
}

static void install(int with_stack)
{
    static char alternate[STACK_BYTES];
    stack_t none = {.ss_flags = SS_DISABLE}, some = {.ss_sp = alternate, .ss_size = STACK_BYTES},
            now;
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO}, old;
    CHECK(sigaltstack(with_stack ? &some : &none, NULL) == 0);
    CHECK(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE ? 0 : 1) == with_stack);
    if (with_stack)
        action.sa_flags |= SA_ONSTACK;
    CHECK(sigaction(SIGSEGV, &action, &old) == 0);
    CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_sigaction == on_segv &&
          (old.sa_flags & SA_ONSTACK) == (action.sa_flags & SA_ONSTACK));
    action = (struct sigaction){.sa_handler = on_user};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_handler = on_pause;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    action.sa_handler = on_alarm;
    sigfillset(&action.sa_mask); /* SIGSEGV too */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    own = mmap(NULL, (size_t)OWN_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
    data = mmap(NULL, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(own != MAP_FAILED && data != MAP_FAILED && stack != MAP_FAILED);
    memset(data, 3, DATA_BYTES);
    do {
        install(hazard_round() / 8 % 2);
        own_pages();
        wild_accesses();
        sent_and_blocked();
        blocked_around_a_handler();
        coroutine();
        unsigned seen = alarms;
        ualarm(500, 0);
        hazard_mix(faults);
        hazard_mix(sent);
        while (alarms == seen)
            scatter(hazard_round());
    } while (hazard_next());
    return hazard_end();
}

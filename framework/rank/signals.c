/* Signal dispositions. The kernel holds the resident's trampoline wherever the application has a
 * handler; what the application set is kept in the gate page (so it is saved), and is what it reads
 * back. */
#include "rank/guard.h"
#include "rank/placement.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <errno.h>
#include <signal.h>

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

/* The kernel's struct: handler, flags, restorer, mask, as in struct dv_sigaction. */
#define MASK_BYTES 8

static int is_handler(uint64_t handler)
{
    return handler > 1; /* neither SIG_DFL nor SIG_IGN */
}

#define ALL_BUT_SIGSEGV (~(1ull << (SIGSEGV - 1)))

/* While memory is protected: what the kernel gets for SIGSEGV when it is no longer. */
static struct dv_sigaction natural_sigsegv;

static struct dv_sigaction natural(struct dv_sigaction action)
{
    if (is_handler(action.handler)) {
        action.handler = dv_resident_deliver_address;
        action.flags |= SA_RESTORER;
        action.restorer = dv_resident_restorer_address;
        if (dv_guard_has_stack()) /* which is not the application's */
            action.flags &= ~(uint64_t)SA_ONSTACK;
    }
    return action;
}

static struct dv_sigaction guarded(struct dv_sigaction action)
{
    if (is_handler(action.handler)) {
        action.handler = dv_resident_deliver_guarded_address;
        action.flags |= SA_ONSTACK | SA_RESTORER;
        action.restorer = dv_resident_restorer_address;
        action.mask = ALL_BUT_SIGSEGV;
    }
    return action;
}

static long install(int sig, struct dv_sigaction action)
{
    if (DV_GATE->guard.on && sig == SIGSEGV) {
        natural_sigsegv = natural(action);
        return 0;
    }
    action = DV_GATE->guard.on ? guarded(action) : natural(action);
    return DV_RAW(SYS_rt_sigaction, sig, &action, 0, MASK_BYTES);
}

static void install_parking(void)
{
    struct dv_sigaction park = {dv_resident_park_address, SA_SIGINFO | SA_RESTART | SA_RESTORER,
                                dv_resident_restorer_address, ~0ull};
    if (dv_guard_wanted()) /* memory may be protected when its handler goes on */
        park.mask = ALL_BUT_SIGSEGV;
    if (DV_GATE->guard.on) {
        park.handler = dv_resident_park_guarded_address;
        park.flags |= SA_ONSTACK;
    }
    DV_RAW(SYS_rt_sigaction, DV_PARK_SIGNAL, &park, 0, MASK_BYTES);
}

void dv_signals_guard(int on)
{
    struct dv_sigaction fault = {dv_resident_fault_address,
                                 SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER,
                                 dv_resident_restorer_address, ALL_BUT_SIGSEGV};
    if (on)
        DV_RAW(SYS_rt_sigaction, SIGSEGV, &fault, &natural_sigsegv, MASK_BYTES);
    else
        DV_RAW(SYS_rt_sigaction, SIGSEGV, &natural_sigsegv, 0, MASK_BYTES);
    for (int sig = 1; sig < DV_SIGNALS; sig++)
        if (sig != SIGSEGV && sig != DV_PARK_SIGNAL && is_handler(DV_GATE->signals[sig].handler))
            install(sig, DV_GATE->signals[sig]);
    install_parking();
}

void dv_signals_start(void)
{
    for (int sig = 1; sig < DV_SIGNALS; sig++) {
        struct dv_sigaction *entry = &DV_GATE->signals[sig];
        DV_RAW(SYS_rt_sigaction, sig, 0, entry, MASK_BYTES);
        if (is_handler(entry->handler)) /* execve leaves none: it is our own libc's */
            *entry = (struct dv_sigaction){0, 0, 0, 0};
    }
    install_parking();
}

void dv_signals_restore(void)
{
    for (int sig = 1; sig < DV_SIGNALS; sig++)
        if (sig != SIGKILL && sig != SIGSTOP && sig != DV_PARK_SIGNAL)
            install(sig, DV_GATE->signals[sig]);
    install_parking();
}

long dv_signals_action(uint64_t sig, uint64_t act, uint64_t oact, uint64_t set_bytes)
{
    if (set_bytes != MASK_BYTES || sig == 0 || sig >= DV_SIGNALS)
        return -EINVAL;
    struct dv_sigaction *entry = &DV_GATE->signals[sig], old = *entry, new;
    long ret = 0;
    if (act != 0) {
        if (sig == SIGKILL || sig == SIGSTOP)
            return -EINVAL;
        ret = dv_place_read(&new, act, sizeof new);
        if (ret == 0) {
            /* The table first: from the moment the kernel knows the trampoline, it must find the
             * handler there. */
            *entry = new;
            ret = sig == DV_PARK_SIGNAL ? 0 : install((int)sig, new);
            if (ret != 0)
                *entry = old;
        }
    }
    if (ret == 0 && oact != 0)
        ret = dv_place_write(oact, &old, sizeof old);
    return ret;
}

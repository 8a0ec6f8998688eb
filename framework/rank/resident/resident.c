/* The resident: the little of DejaVu that lives in the upper half of every program, MPI or not.
 *
 * It is shaped like a vdso, and is given to the application as one (AT_SYSINFO_EHDR), so that
 * libc's time functions jump through pointers which each restore refreshes, and nothing in the
 * application caches the address of the real vdso. It also holds the code that the kernel enters on
 * signals, which must be at the same address after a restore:
 *
 *   dv_resident_park        handler of the parking signal: brings the main thread to a safe point
 *   dv_resident_deliver     stands before every handler of the application: gives it the upper
 * thread pointer when the signal arrived while the thread was in the lower half
 *   dv_resident_restorer    sa_restorer of all handlers: whoever is there goes back to code that a signal interrupted,
 *                           which may be bound to this process
 *   dv_resident_fault       handler of SIGSEGV while memory is protected (rank/guard.h)
 *   dv_resident_park_guarded, dv_resident_deliver_guarded
 *                           the two above while memory is protected: on the guard's signal stack
 *
 * Freestanding: no libc, no relocations, no data of its own; all state is in the gate page. Thread
 * context: any upper thread, asynchronously. */
#include "gate/gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/types.h>
#include <ucontext.h>

#define EXPORT __attribute__((visibility("default")))
#define SIGSEGV_BIT (1ull << (SIGSEGV - 1))
#define PAGE_FAULT_WRITE 2   /* of a page fault's error code */
#define FOREVER_S 1000000000 /* a timeout of 30 years: no deadline is kept */

static long syscall4(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    long ret;
    register uint64_t fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return ret;
}

static long syscall3(long number, uint64_t a, uint64_t b, uint64_t c)
{
    return syscall4(number, a, b, c, 0);
}

/* The real vdso may hand a result to the kernel to write, whom protected memory does not let: write to it first. */
static void touch(void *result, unsigned long bytes)
{
    if (DV_GATE->guard.on && result != 0) {
        volatile char *first = result, *last = first + bytes - 1;
        char byte = *first;
        *first = byte;
        byte = *last;
        *last = byte;
    }
}

/* ---- the vdso's functions ------------------------------------------------ */

/* NOLINTBEGIN(readability-identifier-naming): the kernel's names */
EXPORT int __vdso_clock_gettime(clockid_t clock, struct timespec *time);
EXPORT int __vdso_gettimeofday(struct timeval *time, void *zone);
EXPORT time_t __vdso_time(time_t *time);
EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *cache);
EXPORT int __vdso_clock_getres(clockid_t clock, struct timespec *resolution);
/* NOLINTEND(readability-identifier-naming) */
EXPORT void dv_resident_park(int sig, siginfo_t *info, void *context);
EXPORT void dv_resident_deliver(int sig, siginfo_t *info, void *context);
EXPORT void dv_resident_restorer(void);
EXPORT void dv_resident_fault(int sig, siginfo_t *info, void *context);
EXPORT void dv_resident_park_guarded(int sig, siginfo_t *info, void *context);
EXPORT void dv_resident_deliver_guarded(int sig, siginfo_t *info, void *context);

int __vdso_clock_gettime(clockid_t clock, struct timespec *time)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))DV_GATE->vdso_clock_gettime;
    touch(time, sizeof *time);
    return real ? real(clock, time)
                : (int)syscall3(SYS_clock_gettime, (uint64_t)clock, (uint64_t)time, 0);
}

int __vdso_gettimeofday(struct timeval *time, void *zone)
{
    int (*real)(struct timeval *, void *) =
        (int (*)(struct timeval *, void *))DV_GATE->vdso_gettimeofday;
    touch(time, sizeof *time);
    touch(zone, sizeof(struct timezone));
    return real ? real(time, zone)
                : (int)syscall3(SYS_gettimeofday, (uint64_t)time, (uint64_t)zone, 0);
}

time_t __vdso_time(time_t *time)
{
    time_t (*real)(time_t *) = (time_t(*)(time_t *))DV_GATE->vdso_time;
    touch(time, sizeof *time);
    return real ? real(time) : syscall3(SYS_time, (uint64_t)time, 0, 0);
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *cache)
{
    long (*real)(unsigned *, unsigned *, void *) =
        (long (*)(unsigned *, unsigned *, void *))DV_GATE->vdso_getcpu;
    touch(cpu, sizeof *cpu);
    touch(node, sizeof *node);
    return real ? real(cpu, node, cache) : syscall3(SYS_getcpu, (uint64_t)cpu, (uint64_t)node, 0);
}

int __vdso_clock_getres(clockid_t clock, struct timespec *resolution)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))DV_GATE->vdso_clock_getres;
    touch(resolution, sizeof *resolution);
    return real ? real(clock, resolution)
                : (int)syscall3(SYS_clock_getres, (uint64_t)clock, (uint64_t)resolution, 0);
}

/* ---- system calls that the parking signal interrupted -------------------- */

/* A handler makes the kernel end some system calls with EINTR whatever SA_RESTART says (signal(7)).
 * The application would not have seen that, so the call is made again: rip back onto the `syscall`
 * instruction, rax its number. */

static int64_t now_ns(void)
{
    struct timespec t = {0, 0};
    syscall3(SYS_clock_gettime, CLOCK_MONOTONIC, (uint64_t)&t, 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The number of the interrupted call, or -1: what the agent saw the thread blocked in just before
 * the signal, else the `mov $number, %eax` right before the instruction. */
static long interrupted_call(const greg_t *reg)
{
    const struct dv_gate *g = DV_GATE;
    const unsigned char *ip = (const unsigned char *)reg[REG_RIP];
    if (reg[REG_RAX] != -EINTR || ip[-2] != 0x0f || ip[-1] != 0x05)
        return -1;
    if (g->blocked.ip == (uint64_t)ip && g->blocked.sp == (uint64_t)reg[REG_RSP] &&
        g->blocked.arg0 == (uint64_t)reg[REG_RDI] && g->blocked.arg1 == (uint64_t)reg[REG_RSI])
        return g->blocked.number;
    if (ip[-7] == 0xb8 && ip[-4] == 0 && ip[-3] == 0)
        return ip[-6] | ip[-5] << 8;
    return -1;
}

/* Relative sleeps: go on with what was left, which the kernel wrote to `rem`. With no `rem` it is
 * given one, so that only the first interruption of a sleep may prolong it. */
static void continue_sleep(greg_t *request, greg_t *remaining)
{
    struct dv_gate *g = DV_GATE;
    if (*remaining != 0) {
        g->sleep_request = *(struct timespec *)*remaining;
        *request = (greg_t)&g->sleep_request;
    } else {
        g->sleep_remaining = *(struct timespec *)*request;
        *remaining = (greg_t)&g->sleep_remaining;
    }
}

/* The time that is left to a call whose first interruption set the deadline. */
static int64_t left_ns(void)
{
    int64_t left = DV_GATE->sleep_deadline_ns - now_ns();
    return left > 0 ? left : 0;
}

/* Relative timeouts in milliseconds: the deadline is kept from the first interruption of the call on. A call that goes on
 * is told from a new one at the same place by a mark in the upper half of the register, which the kernel does not look at. */
static void continue_milliseconds(greg_t *timeout_ms, const greg_t *reg)
{
    struct dv_gate *g = DV_GATE;
    uint64_t mark = (uint64_t)*timeout_ms >> 32;
    int timeout = (int)*timeout_ms;
    if (timeout <= 0)
        return;
    if (mark != 0 && mark == g->sleep_mark && g->sleep_ip == (uint64_t)reg[REG_RIP] &&
        g->sleep_sp == (uint64_t)reg[REG_RSP]) {
        timeout = (int)((left_ns() + 999999) / 1000000);
    } else {
        g->sleep_ip = (uint64_t)reg[REG_RIP];
        g->sleep_sp = (uint64_t)reg[REG_RSP];
        g->sleep_mark++;
        g->sleep_deadline_ns = now_ns() + (int64_t)timeout * 1000000;
    }
    *timeout_ms = (greg_t)((uint64_t)g->sleep_mark << 32 | (uint32_t)timeout);
}

/* Relative timeouts that the kernel reads and does not update: from the first interruption on it reads ours, which is also
 * how a call that goes on is told from a new one. */
static void continue_timespec(greg_t *timeout)
{
    struct dv_gate *g = DV_GATE;
    const struct timespec *given = (const struct timespec *)*timeout;
    if (given == 0 || given->tv_sec >= FOREVER_S)
        return;
    if (given != &g->sleep_timeout) {
        g->sleep_deadline_ns = now_ns() + (int64_t)given->tv_sec * 1000000000 + given->tv_nsec;
        g->sleep_timeout = *given;
        *timeout = (greg_t)&g->sleep_timeout;
        return;
    }
    int64_t left = left_ns();
    g->sleep_timeout = (struct timespec){left / 1000000000, left % 1000000000};
}

static void restart_call(greg_t *reg, long number)
{
    switch (number) {
    case SYS_nanosleep:
        continue_sleep(&reg[REG_RDI], &reg[REG_RSI]);
        break;
    case SYS_clock_nanosleep:
        if ((reg[REG_RSI] & TIMER_ABSTIME) == 0)
            continue_sleep(&reg[REG_RDX], &reg[REG_R10]);
        break;
    case SYS_poll:
        continue_milliseconds(&reg[REG_RDX], reg);
        break;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        continue_milliseconds(&reg[REG_R10], reg);
        break;
    case SYS_rt_sigtimedwait:
        continue_timespec(&reg[REG_RDX]);
        break;
    case SYS_futex:
        if ((reg[REG_RSI] & FUTEX_CMD_MASK) == FUTEX_WAIT)
            continue_timespec(&reg[REG_R10]);
        break;
    case SYS_epoll_pwait2:
    case SYS_semtimedop:
        continue_timespec(&reg[REG_R10]);
        break;
    default: /* select, ppoll: the kernel has updated the timeout; the others have none or an
                absolute one */
        break;
    }
    reg[REG_RAX] = number;
    reg[REG_RIP] -= 2;
}

/* ---- safe points --------------------------------------------------------- */

/* A program without MPI: the only counter is the phase, which it never leaves. */
static void safe_point_without_mpi(void)
{
    struct dv_gate *g = DV_GATE;
    struct dv_cut_entry phase = {DV_CUT_PHASE, 0};
    enum dv_cut_verdict verdict = DV_CUT_ABORT;
    uint64_t fs = dv_gate_enter(g->main_lower_fs);
    uint64_t epoch = g->lower->stop_epoch();
    if (epoch != 0)
        verdict = g->lower->cut_wait(epoch, &phase, 1);
    dv_gate_leave(fs);
    if (epoch == 0 || verdict != DV_CUT_REACHED)
        return;
    if (dv_gate_capture(epoch) == DV_OUTCOME_RESTORED) {
        fs = dv_gate_enter(g->main_lower_fs);
        g->lower->record("rebuild_ns", 0);
        dv_gate_leave(fs);
    }
}

static int on_main_thread(void)
{
    return syscall3(SYS_gettid, 0, 0, 0) == syscall3(SYS_getpid, 0, 0, 0);
}

/* Libc's own use of the signal (setuid and friends tell all threads with it). */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    uint64_t handler = DV_GATE->signals[sig].handler;
    if (handler > 1)
        ((void (*)(int, siginfo_t *, void *))handler)(sig, info, context);
}

/* Going back to the code that a signal interrupted, the kernel puts the signal stack and the mask back that were in force
 * there: since then memory may have been protected, which stands on the guard's stack and on SIGSEGV being unblocked. */
static void go_back(ucontext_t *context)
{
    const struct dv_gate *g = DV_GATE;
    if (!g->guard.on)
        return;
    if (*(const uint64_t *)&context->uc_sigmask & SIGSEGV_BIT) {
        g->guard.leave();
    } else if (g->guard.has_stack && (context->uc_stack.ss_flags & SS_DISABLE)) {
        context->uc_stack.ss_sp = (void *)DV_GUARD_STACK;
        context->uc_stack.ss_size = DV_GUARD_STACK_BYTES;
        context->uc_stack.ss_flags = 0;
    } else if (g->guard.has_stack && (uint64_t)context->uc_stack.ss_sp != DV_GUARD_STACK) {
        g->guard.leave(); /* the application's own comes back */
    }
}

/* A safe point inside the parking signal's handler: what the tracker has to know of the code that it interrupted. */
static void safe_point(ucontext_t *context)
{
    struct dv_gate *g = DV_GATE;
    g->guard.parked_mask = *(const uint64_t *)&context->uc_sigmask;
    g->guard.parked = 1;
    if (g->upper != NULL)
        g->upper->safe_point();
    else
        safe_point_without_mpi();
    g->guard.parked = 0;
    go_back(context);
}

/* Code that may hold addresses of this process's lower half or vdso in registers: both of these, and the resident on its way
 * to them. */
static int is_bound_to_process(const greg_t *reg)
{
    uint64_t ip = (uint64_t)reg[REG_RIP];
    return ip >= DV_SPLIT || (ip >= DV_RESIDENT_BASE && ip < DV_BREAK_BASE);
}

/* Is there a frame of such code on the stack, under a handler of the application? A handler may have been left by siglongjmp:
 * then the stack comes up above that frame sooner or later. */
static int over_vdso(const greg_t *reg)
{
    struct dv_gate *g = DV_GATE;
    if (g->vdso_sp != 0 && (uint64_t)reg[REG_RSP] >= g->vdso_sp)
        g->vdso_sp = 0;
    return g->vdso_sp != 0;
}

void dv_resident_park(int sig, siginfo_t *info, void *context)
{
    struct dv_gate *g = DV_GATE;
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (info->si_code != SI_TKILL || !on_main_thread() ||
        (g->stop == 0 && g->signals[sig].handler > 1)) {
        pass_on(sig, info, context);
        return;
    }
    /* In the lower half, in the real vdso, in the resident, or in MPI's wrappers: not here. A
     * wrapper looks at `stop` when it ends; for the rest the agent signals again. */
    if (dv_fs_get() >= DV_SPLIT || is_bound_to_process(reg))
        return;
    if (g->upper != NULL && *g->upper->in_mpi != 0)
        return;
    /* Also when the request is gone by now: the system call has been interrupted all the same. */
    long number = interrupted_call(reg);
    if (g->stop != 0 && !over_vdso(reg))
        safe_point(context);
    if (number >= 0)
        restart_call(reg, number);
}

void dv_resident_deliver(int sig, siginfo_t *info, void *context)
{
    struct dv_gate *g = DV_GATE;
    const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct dv_sigaction *action = &g->signals[sig];
    uint64_t handler = action->handler;
    if (action->flags & SA_RESETHAND)
        action->handler = 0;
    uint64_t fs = dv_fs_get();
    if (fs >= DV_SPLIT)
        dv_fs_set(*(uint64_t *)(fs + (uint64_t)g->upper_fs_offset));
    int in_vdso = fs < DV_SPLIT && is_bound_to_process(reg) && on_main_thread();
    uint64_t outer = g->vdso_sp;
    if (in_vdso && outer < (uint64_t)reg[REG_RSP])
        g->vdso_sp = (uint64_t)reg[REG_RSP];
    if (handler > 1)
        ((void (*)(int, siginfo_t *, void *))handler)(sig, info, context);
    if (in_vdso)
        g->vdso_sp = outer;
    if (fs >= DV_SPLIT)
        dv_fs_set(fs);
    go_back(context);
}

/* ---- while memory is protected ------------------------------------------- */

/* The kernel cannot write a signal frame to protected memory, and the stack in use may be anywhere in it. So all handlers
 * are entered on the guard's own signal stack, with all signals but SIGSEGV blocked, and the frame is moved from there to
 * where the application expects it. That is done by ordinary code, whose writes may fault. */

struct frame { /* as the kernel builds it; the floating-point state is elsewhere */
    uint64_t restorer;
    unsigned char context[304];
    siginfo_t info;
};
#define FP_EXTENDED 0x1ul /* uc_flags: the state is larger than FXSAVE's, and says how large */
#define FP_BYTES 512u
#define RED_ZONE 128u

static void copy(uint64_t to, uint64_t from, uint64_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

/* The signal stack that was in force when the frame was made is the application's own. */
static int has_own_stack(const ucontext_t *context)
{
    return !(context->uc_stack.ss_flags & SS_DISABLE) &&
           (uint64_t)context->uc_stack.ss_sp != DV_GUARD_STACK;
}

/* Would the kernel have left the frame where it is, had it been given the application's flags? */
static int is_in_place(int sig, const ucontext_t *context, uint64_t sp)
{
    uint64_t start = (uint64_t)context->uc_stack.ss_sp;
    if (sp > start && sp <= start + context->uc_stack.ss_size)
        return 1; /* it was on that stack already */
    return has_own_stack(context) && (DV_GATE->signals[sig].flags & SA_ONSTACK);
}

/* Returns where the frame is from now on. Called by dv_resident_*_guarded. */
__attribute__((used)) static struct frame *move_frame(struct frame *frame, int sig);
static struct frame *move_frame(struct frame *frame, int sig)
{
    const ucontext_t *context = (const ucontext_t *)frame->context;
    uint64_t sp = (uint64_t)context->uc_mcontext.gregs[REG_RSP];
    if (is_in_place(sig, context, sp))
        return frame;
    uint64_t state = (uint64_t)context->uc_mcontext.fpregs, bytes = FP_BYTES;
    if (context->uc_flags & FP_EXTENDED)
        bytes = *(const uint32_t *)(state + 468); /* struct _fpx_sw_bytes: extended_size */
    uint64_t to = state == 0 ? sp - RED_ZONE : (sp - RED_ZONE - bytes) & ~63ul;
    if (state != 0)
        copy(to, state, bytes);
    struct frame *moved = (struct frame *)(((to - sizeof *frame) & ~15ul) - 8);
    copy((uint64_t)moved, (uint64_t)frame, sizeof *frame);
    if (state != 0)
        ((ucontext_t *)moved->context)->uc_mcontext.fpregs = (fpregset_t)to;
    return moved;
}

/* The mask that the handler expects; until here all but SIGSEGV is blocked. */
__attribute__((used)) static void deliver_moved(int sig, siginfo_t *info, void *context);
static void deliver_moved(int sig, siginfo_t *info, void *context)
{
    const struct dv_gate *g = DV_GATE;
    const struct dv_sigaction *action = &g->signals[sig];
    uint64_t mask = *(const uint64_t *)&((ucontext_t *)context)->uc_sigmask | action->mask;
    if (!(action->flags & SA_NODEFER))
        mask |= 1ull << (sig - 1);
    /* A small stack of its own is not to hold the frames of faults besides. */
    int own_stack = has_own_stack(context) && (action->flags & SA_ONSTACK);
    if (g->guard.on && ((mask & SIGSEGV_BIT) || own_stack))
        g->guard.leave();
    syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&mask, 0, sizeof mask);
    dv_resident_deliver(sig, info, context);
}

/* Not the tracker's: once more, as without DejaVu. The kernel gets the application's own disposition, and the instruction
 * faults again, or the signal is sent again. */
void dv_resident_fault(int sig, siginfo_t *info, void *context)
{
    const struct dv_gate *g = DV_GATE;
    const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (g->guard.on && info->si_code == SEGV_ACCERR && (reg[REG_ERR] & PAGE_FAULT_WRITE) &&
        g->guard.fault((uint64_t)info->si_addr))
        return;
    if (g->guard.on)
        g->guard.leave();
    if (info->si_code <= 0)
        syscall4(SYS_rt_tgsigqueueinfo, (uint64_t)syscall3(SYS_getpid, 0, 0, 0),
                 (uint64_t)syscall3(SYS_gettid, 0, 0, 0), (uint64_t)sig, (uint64_t)info);
}

/* A handler may use any register: the frame has them all. */
#define GUARDED(name, then)                                                                        \
    __asm__(".text\n"                                                                              \
            ".globl " name "\n"                                                                    \
            ".type " name ", @function\n" name ":\n"                                               \
            "    mov %rdi, %r12\n"                                                                 \
            "    mov %edi, %esi\n"                                                                 \
            "    mov %rsp, %rdi\n"                                                                 \
            "    sub $8, %rsp\n"                                                                   \
            "    call move_frame\n"                                                                \
            "    mov %rax, %rsp\n"                                                                 \
            "    mov %r12, %rdi\n"                                                                 \
            "    lea 8(%rax), %rdx\n"                                                              \
            "    lea 312(%rax), %rsi\n"                                                            \
            "    jmp " then "\n"                                                                   \
            ".size " name ", . - " name "\n")
GUARDED("dv_resident_park_guarded", "dv_resident_park");
GUARDED("dv_resident_deliver_guarded", "deliver_moved");
_Static_assert(__builtin_offsetof(struct frame, info) == 312, "assembly knows this offset");

/* These very bytes are what unwinders know a signal's frame by; they look one byte before it first. */
__asm__(".text\n"
        "    nop\n"
        ".globl dv_resident_restorer\n"
        ".type dv_resident_restorer, @function\n"
        "dv_resident_restorer:\n"
        "    mov $15, %rax\n"
        "    syscall\n"
        ".size dv_resident_restorer, . - dv_resident_restorer\n");

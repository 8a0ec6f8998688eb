/* Run a function in a child whose n-th system call fails, or is cut short, to see what it makes of it.
 *
 *     for (long n = 1; fault_point(work, arg, n, FAULT_EIO).outcome != FAULT_NOT_REACHED; n++)
 *         check what is there;
 *
 * fault_list says beforehand which calls there are. */
#ifndef DV_TESTS_FAULT_POINT_H
#define DV_TESTS_FAULT_POINT_H

#include "kill_point.h"

#include <sys/syscall.h>
#include <sys/user.h>

/* Errors, or FAULT_SHORT: a write of half of what was asked for. */
enum fault { FAULT_SHORT = 0, FAULT_ENOSPC = ENOSPC, FAULT_EIO = EIO, FAULT_EINTR = EINTR };

enum fault_outcome {
    FAULT_SURVIVED,    /* it said that it succeeded */
    FAULT_REPORTED,    /* it said that it failed */
    FAULT_CRASHED,     /* it ended by a signal */
    FAULT_NOT_REACHED, /* there are fewer system calls */
    FAULT_NOT_POSSIBLE
};

struct fault_result {
    enum fault_outcome outcome;
    long call; /* the number of the system call; -1: it is one that cannot fail so, and did not */
};

/* Of one system call of the child. */
struct fault_call {
    long number;
    unsigned long long arg[6];
};

/* Called at each entry, `n` from 1; true: this is the one that is to fail. */
typedef int (*fault_chooser)(void *chooser, long n, const struct fault_call *call);

static inline int fault_applies(const struct fault_call *call, enum fault fault)
{
    switch (call->number) {
    case SYS_getpid:
    case SYS_gettid:
    case SYS_geteuid:
    case SYS_exit_group:
    case SYS_exit:
    case SYS_rt_sigreturn:
        return 0;
    case SYS_write:
    case SYS_pwrite64:
        return fault != FAULT_SHORT || call->arg[2] > 1;
    default:
        return fault != FAULT_SHORT;
    }
}

/* At the entry of the call: make it another one, or none. At its exit: what the program sees of it. */
static inline void fault_enter(pid_t pid, enum fault fault)
{
    struct user_regs_struct r;
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
    if (fault == FAULT_SHORT)
        r.rdx /= 2;
    else
        r.orig_rax = (unsigned long long)-1;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &r), 0);
}

static inline void fault_leave(pid_t pid, enum fault fault, unsigned long long bytes)
{
    struct user_regs_struct r;
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
    if (fault == FAULT_SHORT)
        r.rdx = bytes;
    else
        r.rax = (unsigned long long)-(long long)fault;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &r), 0);
}

/* Let the child run to its end, past all of its system calls; returns how it ended (waitpid). `failed`: the call that
 * `choose` chose, number -1 if it is one that cannot fail so. */
static inline int fault_trace(pid_t pid, enum fault fault, fault_chooser choose, void *chooser,
                              struct fault_call *failed)
{
    long entered = 0;
    int status, inside = 0;
    *failed = (struct fault_call){.number = -1};
    for (long stops = 0;; stops++) {
        struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
        int signal = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status))
            return status;
        if (stops == 0) /* the SIGSTOP */
            assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
                                    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)),
                             0);
        else if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
        else if (status >> 16 == 0) /* no event */
            signal = WSTOPSIG(status);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            struct fault_call call = {.number = (long)info.entry.nr};
            memcpy(call.arg, info.entry.args, sizeof call.arg);
            if (choose(chooser, ++entered, &call) && fault_applies(&call, fault)) {
                *failed = call;
                inside = 1;
                fault_enter(pid, fault);
            }
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && inside) {
            inside = 0;
            fault_leave(pid, fault, failed->arg[2]);
        }
        /* `choose` may have killed it. */
        if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal) != 0)
            assert_int_equal(errno, ESRCH);
    }
}

struct fault_nth {
    long n, reached;
};

static inline int fault_choose_nth(void *chooser, long n, const struct fault_call *call)
{
    struct fault_nth *nth = chooser;
    (void)call;
    nth->reached = n;
    return n == nth->n;
}

static inline struct fault_result fault_point(int (*work)(void *), void *arg, long n,
                                              enum fault fault)
{
    struct fault_nth nth = {.n = n};
    struct fault_call failed;
    int status = fault_trace(traced_fork(work, arg), fault, fault_choose_nth, &nth, &failed);
    struct fault_result result = {.call = failed.number};
    if (WIFSIGNALED(status))
        result.outcome = FAULT_CRASHED;
    else if (WEXITSTATUS(status) == CANNOT_TRACE)
        result.outcome = FAULT_NOT_POSSIBLE;
    else if (nth.reached < n)
        result.outcome = FAULT_NOT_REACHED;
    else
        result.outcome = WEXITSTATUS(status) ? FAULT_REPORTED : FAULT_SURVIVED;
    return result;
}

struct fault_calls {
    struct fault_call *call; /* [n - 1]; malloc'ed, the caller frees it */
    long count, capacity;
};

static inline int fault_note(void *chooser, long n, const struct fault_call *call)
{
    struct fault_calls *calls = chooser;
    if (n > calls->capacity) {
        calls->capacity = 2 * n;
        calls->call = realloc(calls->call, (size_t)calls->capacity * sizeof *calls->call);
        assert_non_null(calls->call);
    }
    calls->call[n - 1] = *call;
    calls->count = n;
    return 0;
}

/* The calls that `work` makes when none fails; it must succeed. 0: not possible here. */
static inline int fault_list(int (*work)(void *), void *arg, struct fault_calls *calls)
{
    struct fault_call failed;
    *calls = (struct fault_calls){.count = 0};
    int status = fault_trace(traced_fork(work, arg), FAULT_EIO, fault_note, calls, &failed);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_TRACE)
        return 0;
    assert_int_equal(WEXITSTATUS(status), 0);
    return 1;
}

#endif

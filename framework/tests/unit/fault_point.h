/* Run a function in a child whose n-th system call fails, or is cut short, to see what it makes of it.
 *
 *     for (long n = 1; fault_point(work, arg, n, FAULT_EIO).outcome != FAULT_NOT_REACHED; n++)
 *         check what is there;
 */
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

static inline int fault_applies(const struct user_regs_struct *r, enum fault fault)
{
    switch (r->orig_rax) {
    case SYS_getpid:
    case SYS_gettid:
    case SYS_geteuid:
    case SYS_exit_group:
    case SYS_exit:
    case SYS_rt_sigreturn:
        return 0;
    case SYS_write:
    case SYS_pwrite64:
        return fault != FAULT_SHORT || r->rdx > 1;
    default:
        return fault != FAULT_SHORT;
    }
}

/* At the entry of the call: make it another one, or none. At its exit: what the program sees of it. */
static inline void fault_enter(pid_t pid, enum fault fault, struct fault_result *result,
                               unsigned long long *length)
{
    struct user_regs_struct r;
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
    result->call = fault_applies(&r, fault) ? (long)r.orig_rax : -1;
    *length = r.rdx;
    if (result->call < 0)
        return;
    if (fault == FAULT_SHORT)
        r.rdx /= 2;
    else
        r.orig_rax = (unsigned long long)-1;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &r), 0);
}

static inline void fault_leave(pid_t pid, enum fault fault, unsigned long long length)
{
    struct user_regs_struct r;
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
    if (fault == FAULT_SHORT)
        r.rdx = length;
    else
        r.rax = (unsigned long long)-(long long)fault;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &r), 0);
}

static inline struct fault_result fault_point(int (*work)(void *), void *arg, long n,
                                              enum fault fault)
{
    struct fault_result result = {.call = -1};
    unsigned long long length = 0;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(CANNOT_TRACE);
        raise(SIGSTOP);
        _exit(work(arg));
    }
    long entered = 0, stops = 0;
    for (;; stops++) {
        struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
        int signal = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status))
            break;
        if (stops == 0) /* the SIGSTOP */
            assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD),
                             0);
        else if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
        else
            signal = WSTOPSIG(status);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && ++entered == n)
            fault_enter(pid, fault, &result, &length);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT && entered == n && result.call >= 0)
            fault_leave(pid, fault, length);
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal), 0);
    }
    if (WIFSIGNALED(status))
        result.outcome = FAULT_CRASHED;
    else if (WEXITSTATUS(status) == CANNOT_TRACE)
        result.outcome = FAULT_NOT_POSSIBLE;
    else if (entered < n)
        result.outcome = FAULT_NOT_REACHED;
    else
        result.outcome = WEXITSTATUS(status) ? FAULT_REPORTED : FAULT_SURVIVED;
    return result;
}

#endif

/* Run a function in a child that is killed at its n-th system call, to see what a SIGKILL at any
 * moment leaves behind.
 *
 *     for (long n = 1; kill_point(work, arg, n) == KILLED; n++)
 *         check what is there;
 */
#ifndef DV_TESTS_KILL_POINT_H
#define DV_TESTS_KILL_POINT_H

#include "check.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum kill_outcome { KILLED, ENDED, FAILED, NOT_POSSIBLE };

#define CANNOT_TRACE 77

/* A child that does the work, stopped before it begins, and traced. Status CANNOT_TRACE: that is not possible here. */
static inline pid_t traced_fork(int (*work)(void *), void *arg)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(CANNOT_TRACE);
        raise(SIGSTOP);
        _exit(work(arg));
    }
    return pid;
}

/* The child stops before and after each system call; every stop counts, so a kill falls between any
 * two of them. */
static inline enum kill_outcome kill_point(int (*work)(void *), void *arg, long n)
{
    int status;
    pid_t pid = traced_fork(work, arg);
    for (long stops = 0;; stops++) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
            break;
        if (WIFSIGNALED(status))
            return FAILED;
        if (stops == n) {
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            /* Killed at the stop before its end, it may still report that. */
            return WIFSIGNALED(status) ? KILLED : ENDED;
        }
        int signal = WSTOPSIG(status) == SIGTRAP || stops == 0 ? 0 : WSTOPSIG(status);
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal), 0);
    }
    if (WEXITSTATUS(status) == CANNOT_TRACE)
        return NOT_POSSIBLE;
    return WEXITSTATUS(status) == 0 ? ENDED : FAILED;
}

#endif

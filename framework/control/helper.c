/* Work in child processes. */
#include "control/helper.h"

#include "common/fail.h"
#include "common/io.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE "control"
#define LOWEST_PRIORITY 19
#define RESULT_FD 3

/* Nobody is kept waiting by background work. */
static void become_idle(void)
{
    (void)setpriority(PRIO_PROCESS, 0, LOWEST_PRIORITY);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* Everything of the supervisor's but its standard streams and the result's pipe is given up. */
static bool leave_supervisor(pid_t parent, int result_fd)
{
    sigset_t none;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        return false;
    if (result_fd != RESULT_FD && dup2(result_fd, RESULT_FD) < 0)
        return false;
    if (syscall(SYS_close_range, RESULT_FD + 1, ~0u, 0) != 0)
        for (int fd = RESULT_FD + 1; fd < 1024; fd++)
            close(fd);
    (void)sigaction(SIGPIPE, &standard, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    return true;
}

__attribute__((noreturn)) static void
be_helper(enum dv_status (*work)(void *arg, uint64_t *figures), void *arg)
{
    struct dv_helper_result result = {.status = DV_OK};
    /* What fails is said by the supervisor, once. */
    dv_log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), -1, DV_LOG_ERROR);
    result.status = work(arg, &result.figures);
    if (result.status)
        snprintf(result.why, sizeof result.why, "%s", dv_why());
    _exit(dv_write_all(RESULT_FD, &result, sizeof result) == DV_OK ? 0 : 1);
}

enum dv_status dv_helper_start(struct dv_helper *helper,
                               enum dv_status (*work)(void *arg, uint64_t *figures), void *arg,
                               uint64_t limit_ns, bool idle)
{
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (!leave_supervisor(parent, pipe_fd[1]))
            _exit(1);
        if (idle)
            become_idle();
        be_helper(work, arg);
    }
    close(pipe_fd[1]);
    if (pid < 0) {
        close(pipe_fd[0]);
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot start a process: %s", strerror(errno));
    }
    *helper = (struct dv_helper){
        .pid = pid, .result_fd = pipe_fd[0], .began_ns = dv_now_ns(), .limit_ns = limit_ns};
    return DV_OK;
}

static void forget(struct dv_helper *helper)
{
    close(helper->result_fd);
    *helper = (struct dv_helper){0};
}

bool dv_helper_reaped(struct dv_helper *helper, pid_t pid, int wait_status,
                      struct dv_helper_result *result)
{
    size_t got = 0;
    if (!helper->pid || pid != helper->pid)
        return false;
    bool late = dv_now_ns() - helper->began_ns >= helper->limit_ns;
    enum dv_status status = dv_read_full(helper->result_fd, result, sizeof *result, &got);
    if (status || got != sizeof *result) {
        result->status = late ? DV_ERR_TIMEOUT : DV_ERR_ABORTED;
        result->figures = 0;
        if (late)
            snprintf(result->why, sizeof result->why, "it took longer than %g s",
                     (double)helper->limit_ns / 1e9);
        else if (WIFSIGNALED(wait_status))
            snprintf(result->why, sizeof result->why, "its process was killed by signal %d (%s)",
                     WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
        else
            snprintf(result->why, sizeof result->why, "its process ended with status %d",
                     WEXITSTATUS(wait_status));
    }
    result->why[sizeof result->why - 1] = '\0';
    forget(helper);
    return true;
}

void dv_helper_pause(const struct dv_helper *helper)
{
    if (helper->pid)
        (void)kill(helper->pid, SIGSTOP);
}

void dv_helper_go_on(const struct dv_helper *helper)
{
    if (helper->pid)
        (void)kill(helper->pid, SIGCONT);
}

void dv_helper_tick(struct dv_helper *helper, uint64_t now_ns)
{
    if (helper->pid && now_ns - helper->began_ns >= helper->limit_ns)
        (void)kill(helper->pid, SIGKILL);
}

uint64_t dv_helper_deadline_ns(const struct dv_helper *helper)
{
    return helper->pid ? helper->began_ns + helper->limit_ns : UINT64_MAX;
}

void dv_helper_kill(struct dv_helper *helper)
{
    if (!helper->pid)
        return;
    (void)kill(helper->pid, SIGKILL);
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(helper);
}

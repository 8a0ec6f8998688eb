#include "harness/launch/launch.h"

#include "harness/config/say.h"
#include "harness/launch/counters.h"
#include "harness/launch/tree.h"
#include "harness/launch/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_S 10.0        /* between SIGTERM and SIGKILL */
#define VICTIM_RETRY_S 1e-3 /* a victim that is not there yet is looked for again */
#define FOREVER_S 3600.0

static int signal_fd = -1;
static sigset_t mask_before;
static int interruptions;

enum dv_status dv_launch_setup(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &mask, &mask_before) != 0 ||
        (signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot prepare for child processes: %s",
                             strerror(errno));
    return DV_OK;
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            interruptions++;
    }
}

bool dv_launch_interrupted(void)
{
    take_signals();
    return interruptions > 0;
}

static double seconds_of(const struct timespec *time)
{
    return (double)time->tv_sec + (double)time->tv_nsec * 1e-9;
}

static double seconds_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return seconds_of(&now);
}

static void wait_for(int extra_fd, double seconds)
{
    struct pollfd polled[] = {{.fd = signal_fd, .events = POLLIN},
                              {.fd = extra_fd, .events = POLLIN}};
    if (seconds < 0)
        seconds = 0;
    if (seconds > FOREVER_S)
        seconds = FOREVER_S;
    struct timespec timeout = {.tv_sec = (time_t)seconds};
    timeout.tv_nsec = (long)((seconds - (double)timeout.tv_sec) * 1e9);
    ppoll(polled, 2, &timeout, NULL);
}

void dv_launch_pause(double seconds)
{
    double end = seconds_now(CLOCK_MONOTONIC) + seconds, now;
    while (!dv_launch_interrupted() && (now = seconds_now(CLOCK_MONOTONIC)) < end)
        wait_for(-1, end - now);
}

/* ---- starting ------------------------------------------------------------ */

static void redirect(const char *path, int flags, int fd)
{
    int file = open(path, flags | O_CLOEXEC, 0666);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
}

/* In the child: wait to be let go, then become the launcher. An errno goes back through `error_fd`.
 */
static _Noreturn void become_launcher(const struct dv_launch *launch, pid_t harness, int go_fd,
                                      int error_fd)
{
    char go;
    setpgid(0, 0); /* the terminal's Ctrl-C is the harness's to deal with */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != harness || read(go_fd, &go, 1) != 1)
        _exit(126);
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(launch->stdout_path, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(launch->stderr_path, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    for (char **variable = launch->environment; *variable; variable++)
        putenv(*variable);
    if (setenv(DV_RUN_VARIABLE, launch->run_variable, 1) == 0 && chdir(launch->work_directory) == 0)
        execvp(launch->argv[0], launch->argv);
    int error = errno;
    if (write(error_fd, &error, sizeof error) != sizeof error)
        _exit(126);
    _exit(127);
}

struct started {
    pid_t pid;
    int go_fd, error_fd;
};

static enum dv_status start(const struct dv_launch *launch, struct started *child)
{
    int go[2], error[2];
    if (pipe2(go, O_CLOEXEC) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(error, O_CLOEXEC) != 0) {
        close(go[0]);
        close(go[1]);
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    }
    pid_t harness = getpid();
    child->pid = fork();
    if (child->pid == 0) {
        close(go[1]);
        become_launcher(launch, harness, go[0], error[1]);
    }
    int fork_error = errno;
    close(go[0]);
    close(error[1]);
    child->go_fd = go[1];
    child->error_fd = error[0];
    if (child->pid > 0)
        return DV_OK;
    close(go[1]);
    close(error[0]);
    return dv_bench_fail(DV_ERR_SYSTEM, "cannot fork: %s", strerror(fork_error));
}

/* Did exec work? The pipe closes by itself when it did. */
static enum dv_status check_exec(const struct dv_launch *launch, const struct started *child)
{
    int error;
    ssize_t got;
    do {
        got = read(child->error_fd, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof error)
        return DV_OK;
    return dv_bench_fail(DV_ERR_SYSTEM, "cannot execute %s in %s: %s", launch->argv[0],
                         launch->work_directory, strerror(error));
}

/* ---- watching ------------------------------------------------------------ */

struct watching {
    const struct dv_launch *launch;
    struct dv_launched *result;
    struct dv_watch watch;
    pid_t pid;
    double start_s; /* CLOCK_MONOTONIC */
    double fault_s; /* time of the run at which the next fault is tried; infinite: not known yet */
    double kill_s;  /* time at which what still runs is killed; infinite: no end is under way */
    bool ended;
};

static void add_usage(struct rusage *sum, const struct rusage *more)
{
    timeradd(&sum->ru_utime, &more->ru_utime, &sum->ru_utime);
    timeradd(&sum->ru_stime, &more->ru_stime, &sum->ru_stime);
    if (more->ru_maxrss > sum->ru_maxrss)
        sum->ru_maxrss = more->ru_maxrss;
    sum->ru_minflt += more->ru_minflt;
    sum->ru_majflt += more->ru_majflt;
    sum->ru_inblock += more->ru_inblock;
    sum->ru_oublock += more->ru_oublock;
    sum->ru_nvcsw += more->ru_nvcsw;
    sum->ru_nivcsw += more->ru_nivcsw;
}

/* Children's usage includes that of the children which they waited for; orphans come to us. */
static void reap(struct watching *w)
{
    int state;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &state, WNOHANG, &usage)) > 0) {
        add_usage(&w->result->usage, &usage);
        if (pid != w->pid)
            continue;
        w->result->wall_s = seconds_now(CLOCK_MONOTONIC) - w->start_s;
        w->result->exit_status = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
        w->result->signal = WIFSIGNALED(state) ? WTERMSIG(state) : 0;
        w->ended = true;
    }
}

static const struct dv_moment *next_fault(const struct watching *w)
{
    const struct dv_moments *moments = w->launch->moments;
    return w->result->injected < moments->count ? &moments->item[w->result->injected] : NULL;
}

/* When the next fault is due; one after an epoch is once that is committed, or, after epoch 0, the
 * ranks run. */
static double fault_moment(const struct watching *w, double now_s)
{
    const struct dv_moment *moment = next_fault(w);
    const struct dv_fault *fault = w->launch->fault;
    if (!moment)
        return INFINITY;
    if (!isnan(moment->at_s))
        return moment->at_s;
    bool due =
        fault->after_epoch == 0 ? w->watch.running : w->watch.committed >= fault->after_epoch;
    return due ? now_s : INFINITY;
}

/* A victim that is not there (yet, or again) is looked for until it is. */
static void try_fault(struct watching *w, double now_s)
{
    static const enum dv_victim victims[] = {
        [DV_FAULT_RANK] = DV_VICTIM_RANK,
        [DV_FAULT_ANY_RANK] = DV_VICTIM_RANK,
        [DV_FAULT_ALL] = DV_VICTIM_ALL_RANKS,
        [DV_FAULT_MPIEXEC] = DV_VICTIM_MPIEXEC,
    };
    struct timespec sent;
    size_t killed =
        dv_tree_kill_victims(victims[w->launch->fault->kind], next_fault(w)->rank, &sent);
    if (killed == 0) {
        w->fault_s = now_s + VICTIM_RETRY_S;
        return;
    }
    struct dv_injection *injection = &w->launch->injections[w->result->injected++];
    injection->injected = true;
    injection->at_s = seconds_of(&sent) - w->start_s;
    injection->processes = killed;
    w->fault_s = fault_moment(w, now_s);
}

static void begin_end(struct watching *w, double now_s)
{
    if (!isinf(w->kill_s))
        return;
    kill(-w->pid, SIGTERM);
    w->kill_s = now_s + GRACE_S;
}

static void take_turn(struct watching *w)
{
    double now_s = seconds_now(CLOCK_MONOTONIC) - w->start_s;
    dv_watch_update(&w->watch, now_s);
    if (isinf(w->fault_s))
        w->fault_s = fault_moment(w, now_s);
    if (now_s >= w->fault_s)
        try_fault(w, now_s);
    if (interruptions > 0 && !w->result->interrupted) {
        w->result->interrupted = true;
        begin_end(w, now_s);
    }
    if (now_s >= w->launch->timeout_s && !w->result->interrupted) {
        w->result->timed_out = true;
        begin_end(w, now_s);
    }
    if (now_s >= w->kill_s || interruptions > 1)
        dv_tree_kill_victims(DV_VICTIM_EVERYTHING, 0, NULL);
}

static double next_moment(const struct watching *w)
{
    double next = w->fault_s;
    if (isinf(w->kill_s) && w->launch->timeout_s < next)
        next = w->launch->timeout_s;
    return w->kill_s < next ? w->kill_s : next;
}

static void watch_until_end(struct watching *w)
{
    for (;;) {
        take_signals();
        reap(w);
        if (w->ended)
            break;
        take_turn(w);
        double now_s = seconds_now(CLOCK_MONOTONIC) - w->start_s;
        /* Once SIGKILL is being sent, again every 10 ms: new processes may have come. */
        double wait_s = now_s >= w->kill_s ? 0.01 : next_moment(w) - now_s;
        wait_for(w->watch.inotify_fd, wait_s);
    }
    dv_watch_update(&w->watch, w->result->wall_s);
}

/* Nothing of a run may disturb the next one. */
static void clear_up(struct watching *w)
{
    while (dv_tree_kill_victims(DV_VICTIM_EVERYTHING, 0, NULL) > 0) {
        wait_for(-1, 0.002);
        take_signals();
        reap(w);
    }
    reap(w);
}

enum dv_status dv_launch_run(const struct dv_launch *launch, struct dv_tables *tables,
                             struct dv_launched *launched)
{
    struct started child = {.go_fd = -1};
    *launched = (struct dv_launched){.exit_status = -1};
    enum dv_status status = start(launch, &child);
    if (status != DV_OK)
        return status;
    struct watching w = {.launch = launch,
                         .result = launched,
                         .pid = child.pid,
                         .fault_s = INFINITY,
                         .kill_s = INFINITY};
    dv_watch_begin(&w.watch, launch->job_directory);
    struct dv_counters *counters = dv_counters_start(launch->counters, child.pid);
    launched->start_unix_ns = (int64_t)(seconds_now(CLOCK_REALTIME) * 1e9);
    w.start_s = seconds_now(CLOCK_MONOTONIC);
    if (write(child.go_fd, "g", 1) != 1)
        status =
            dv_bench_fail(DV_ERR_SYSTEM, "the launcher's process is gone: %s", strerror(errno));
    close(child.go_fd);
    if (status == DV_OK)
        status = check_exec(launch, &child);
    close(child.error_fd);
    watch_until_end(&w);
    clear_up(&w);
    launched->events_offset_s = w.watch.offset_s;
    dv_watch_end(&w.watch);
    dv_counters_finish(counters, launch->run, tables);
    dv_counters_add_rusage(&launched->usage, launch->run, tables);
    return status;
}

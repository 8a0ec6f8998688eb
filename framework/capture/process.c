/* Process state besides memory and descriptors; see process.h. */
#include "capture/process.h"

#include "capture/capture_engine.h"
#include "capture/proc.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <dejavu/log.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_BYTES 16     /* of a thread, for prctl */
#define PENDING_MAX 1024u /* signals */
#define SIGNAL_BIT(signal) (1ull << ((signal)-1))

static const int timer_kinds[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
#define TIMER_KINDS (sizeof timer_kinds / sizeof timer_kinds[0])

static struct {
    int known;
    struct rlimit limits[RLIM_NLIMITS];
} launch;

static int read_limit(int resource, struct rlimit *limit)
{
    return prlimit(0, (enum __rlimit_resource)resource, NULL, limit);
}

void dv_capture_launched(void)
{
    launch.known = 1;
    for (int i = 0; i < RLIM_NLIMITS; i++)
        if (read_limit(i, &launch.limits[i]) != 0)
            launch.known = 0;
}

/* The first process id in the list of children that the kernel keeps for one thread, or 0. */
static long first_child_of(const char *thread)
{
    char path[64], *text;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/children", thread);
    if (dv_proc_read(path, &text, NULL) != DV_OK)
        return 0;
    long child = strtol(text, NULL, 10);
    free(text);
    return child;
}

static long find_child(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return 0;
    long child = 0;
    for (struct dirent *entry; child == 0 && (entry = readdir(tasks)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]))
            child = first_child_of(entry->d_name);
    closedir(tasks);
    return child;
}

static enum dv_status check_children(void)
{
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0)
        return DV_OK; /* ECHILD: none */
    if (info.si_pid != 0)
        return dv_fail_quietly(DV_ERR_REFUSED,
                               "child process %ld has ended and was not waited for yet",
                               (long)info.si_pid);
    long child = find_child();
    char path[64], *name;
    snprintf(path, sizeof path, "/proc/%ld/comm", child);
    if (child == 0 || dv_proc_read(path, &name, NULL) != DV_OK)
        return dv_fail_quietly(DV_ERR_REFUSED, "the application has a child process");
    enum dv_status status = dv_fail_quietly(DV_ERR_REFUSED, "child process %ld (%.*s) is running",
                                            child, (int)strcspn(name, "\n"), name);
    free(name);
    return status;
}

static enum dv_status check_timers(void)
{
    char *text;
    enum dv_status status = dv_proc_read("/proc/self/timers", &text, NULL);
    if (status == DV_ERR_NOT_FOUND)
        return DV_OK; /* a kernel that does not show them */
    if (status != DV_OK)
        return status;
    if (text[0])
        status = dv_fail_quietly(DV_ERR_REFUSED, "POSIX timer %.*s (timer_create) exists",
                                 (int)strcspn(dv_proc_field(text, "ID") ?: "?", "\n"),
                                 dv_proc_field(text, "ID") ?: "?");
    free(text);
    return status;
}

enum dv_status dv_process_check(void)
{
    enum dv_status status = check_children();
    if (status == DV_OK)
        status = check_timers();
    struct stat info;
    if (status == DV_OK && (stat(".", &info) != 0 || info.st_nlink == 0))
        status = dv_fail_quietly(DV_ERR_REFUSED, "the working directory has been removed");
    return status;
}

static enum dv_status system_failed(const char *what)
{
    return dv_fail("capture", DV_ERR_SYSTEM, "cannot %s: %s", what, strerror(errno));
}

static enum dv_status capture_directory(struct dv_blob *out)
{
    char *path = getcwd(NULL, 0);
    if (!path)
        return dv_fail_quietly(DV_ERR_REFUSED, "the working directory has no path: %s",
                               strerror(errno));
    dv_blob_put_string(out, path);
    free(path);
    char *text;
    enum dv_status status = dv_proc_read("/proc/self/status", &text, NULL);
    if (status != DV_OK)
        return status;
    const char *mask = dv_proc_field(text, "Umask");
    if (mask)
        dv_blob_put_u32(out, (uint32_t)strtoul(mask, NULL, 8));
    else
        status = dv_fail("capture", DV_ERR_UNSUPPORTED,
                         "/proc/self/status does not show the umask; Linux 4.7 or newer is needed");
    free(text);
    return status;
}

static int queue_signal(const siginfo_t *info)
{
    return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), info->si_signo,
                        info);
}

/* Signals of `set` that are waiting to be unblocked, with all that their handlers will be told. Only who takes a signal sees
 * that, so they are taken, and queued again in their order. */
static enum dv_status put_pending(uint64_t set, struct dv_blob *out)
{
    siginfo_t *taken = calloc(PENDING_MAX, sizeof *taken);
    const struct timespec at_once = {0, 0};
    uint32_t count = 0;
    if (!taken)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to list pending signals");
    while (count < PENDING_MAX &&
           syscall(SYS_rt_sigtimedwait, &set, &taken[count], &at_once, sizeof set) > 0)
        count++;
    enum dv_status status =
        count < PENDING_MAX
            ? DV_OK
            : dv_fail_quietly(DV_ERR_REFUSED, "%u or more signals are pending", PENDING_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (queue_signal(&taken[i]) != 0 && status == DV_OK)
            status = system_failed("queue a pending signal again");
    dv_blob_put_u32(out, count);
    dv_blob_put_bytes(out, taken, count * sizeof *taken);
    free(taken);
    return status;
}

static enum dv_status capture_signals(struct dv_blob *out)
{
    stack_t stack;
    uint64_t blocked = 0;
    if (sigaltstack(NULL, &stack) != 0)
        return system_failed("read the signal stack");
    if ((uint64_t)(uintptr_t)stack.ss_sp == DV_GUARD_STACK) /* not the application's */
        stack = (stack_t){.ss_flags = SS_DISABLE};
    if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked) != 0)
        return system_failed("read the signal mask");
    dv_blob_put_u64(out, (uint64_t)(uintptr_t)stack.ss_sp);
    dv_blob_put_u64(out, stack.ss_size);
    dv_blob_put_u32(out, (uint32_t)stack.ss_flags & ~(uint32_t)SS_ONSTACK);
    dv_blob_put_u64(out, blocked);
    return put_pending(blocked & ~SIGNAL_BIT(DV_PARK_SIGNAL), out);
}

static enum dv_status capture_thread(struct dv_blob *out)
{
    char name[NAME_BYTES + 1] = {0};
    void *head = NULL;
    size_t length = 0;
    if (prctl(PR_GET_NAME, name) != 0)
        return system_failed("read the thread's name");
    if (syscall(SYS_get_robust_list, 0, &head, &length) != 0)
        return system_failed("read the robust list");
    dv_blob_put_string(out, name);
    /* A list above the boundary is the lower half's: the application has none. */
    uint64_t address = (uint64_t)(uintptr_t)head;
    dv_blob_put_u64(out, address < DV_SPLIT ? address : 0);
    dv_blob_put_u64(out, length);
    return DV_OK;
}

/* Stop the interval timers, or let them go on (`timers` is then what was left of them). A timer that expired between two
 * looks, one at it and one at the pending signals, would be on neither list. */
static enum dv_status stop_timers(struct itimerval timers[TIMER_KINDS])
{
    const struct itimerval stopped = {0};
    for (size_t i = 0; i < TIMER_KINDS; i++) {
        if (syscall(SYS_setitimer, timer_kinds[i], &stopped, &timers[i]) != 0)
            return system_failed("stop an interval timer");
        /* The kernel starts ITIMER_REAL anew when its signal is taken. While that is pending, as it
         * often is here where all signals are blocked, nothing seems to be left. */
        if (timers[i].it_value.tv_sec == 0 && timers[i].it_value.tv_usec == 0)
            timers[i].it_value = timers[i].it_interval;
    }
    return DV_OK;
}

static enum dv_status start_timers(const struct itimerval timers[TIMER_KINDS])
{
    for (size_t i = 0; i < TIMER_KINDS; i++)
        if (syscall(SYS_setitimer, timer_kinds[i], &timers[i], NULL) != 0)
            return system_failed("start an interval timer again");
    return DV_OK;
}

static enum dv_status capture_timers_and_signals(struct dv_blob *out)
{
    struct itimerval timers[TIMER_KINDS] = {0};
    enum dv_status status = stop_timers(timers);
    if (status == DV_OK)
        status = capture_signals(out);
    for (size_t i = 0; i < TIMER_KINDS; i++) {
        dv_blob_put_u64(out, (uint64_t)timers[i].it_interval.tv_sec);
        dv_blob_put_u64(out, (uint64_t)timers[i].it_interval.tv_usec);
        dv_blob_put_u64(out, (uint64_t)timers[i].it_value.tv_sec);
        dv_blob_put_u64(out, (uint64_t)timers[i].it_value.tv_usec);
    }
    enum dv_status started = start_timers(timers);
    return status == DV_OK ? started : status;
}

static enum dv_status capture_limits(struct dv_blob *out)
{
    struct rlimit now[RLIM_NLIMITS];
    uint32_t changed = 0;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        if (read_limit(i, &now[i]) != 0)
            return system_failed("read a resource limit");
        changed += launch.known && now[i].rlim_cur != launch.limits[i].rlim_cur;
    }
    dv_blob_put_u32(out, changed);
    for (uint32_t i = 0; i < RLIM_NLIMITS; i++) {
        if (!launch.known || now[i].rlim_cur == launch.limits[i].rlim_cur)
            continue;
        dv_blob_put_u32(out, i);
        dv_blob_put_u64(out, now[i].rlim_cur);
    }
    return DV_OK;
}

enum dv_status dv_process_capture(struct dv_blob *out)
{
    enum dv_status status = capture_directory(out);
    if (status == DV_OK)
        status = capture_thread(out);
    if (status == DV_OK)
        status = capture_limits(out);
    if (status == DV_OK)
        status = capture_timers_and_signals(out);
    return status;
}

static enum dv_status damaged(void)
{
    return dv_fail("capture", DV_ERR_DAMAGED, "the image's process section is damaged");
}

static enum dv_status restore_directory(struct dv_blob_reader *in)
{
    const char *path = dv_blob_get_string(in);
    uint32_t mask = dv_blob_get_u32(in);
    if (in->failed)
        return damaged();
    if (chdir(path) != 0)
        return dv_fail("capture", dv_status_from_errno(errno),
                       "cannot enter the application's working directory %s: %s", path,
                       strerror(errno));
    umask((mode_t)(mask & 0777));
    return DV_OK;
}

static enum dv_status change_mask(int how, uint64_t set)
{
    if (syscall(SYS_rt_sigprocmask, how, &set, NULL, sizeof set) != 0)
        return system_failed("set the signal mask");
    return DV_OK;
}

/* Signals that were waiting to be unblocked wait again. */
static enum dv_status restore_pending(const char *infos, uint32_t count)
{
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < count && status == DV_OK; i++) {
        siginfo_t info;
        memcpy(&info, infos + i * sizeof info, sizeof info);
        if (info.si_signo < 1 || info.si_signo > 64)
            return damaged();
        status = change_mask(SIG_BLOCK, SIGNAL_BIT(info.si_signo));
        if (status == DV_OK && queue_signal(&info) != 0)
            status = system_failed("raise a signal that was pending");
    }
    return status;
}

static enum dv_status restore_signals(struct dv_blob_reader *in, uint64_t *blocked)
{
    stack_t stack = {0};
    stack.ss_sp = (void *)(uintptr_t)dv_blob_get_u64(in);
    stack.ss_size = dv_blob_get_u64(in);
    stack.ss_flags = (int)dv_blob_get_u32(in);
    *blocked = dv_blob_get_u64(in);
    uint32_t count = dv_blob_get_u32(in);
    size_t bytes = 0;
    const char *infos = dv_blob_get_bytes(in, &bytes);
    if (in->failed || count >= PENDING_MAX || bytes != count * sizeof(siginfo_t))
        return damaged();
    if (sigaltstack(&stack, NULL) != 0)
        return system_failed("set the application's signal stack");
    return restore_pending(infos, count);
}

static enum dv_status restore_thread(struct dv_blob_reader *in)
{
    const char *name = dv_blob_get_string(in);
    uint64_t head = dv_blob_get_u64(in), length = dv_blob_get_u64(in);
    if (in->failed)
        return damaged();
    if (prctl(PR_SET_NAME, name) != 0)
        return system_failed("set the thread's name");
    if (head && syscall(SYS_set_robust_list, head, length) != 0)
        return system_failed("set the application's robust list");
    return DV_OK;
}

static enum dv_status restore_limits(struct dv_blob_reader *in)
{
    uint32_t count = dv_blob_get_u32(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        uint32_t resource = dv_blob_get_u32(in);
        uint64_t soft = dv_blob_get_u64(in);
        struct rlimit limit;
        if (in->failed || resource >= RLIM_NLIMITS)
            return damaged();
        if (read_limit((int)resource, &limit) != 0)
            return system_failed("read a resource limit");
        if (soft > limit.rlim_max) {
            dv_warn("capture",
                    "resource limit %u was %llu and can only be %llu here; raise the hard limit",
                    resource, (unsigned long long)soft, (unsigned long long)limit.rlim_max);
            soft = limit.rlim_max;
        }
        limit.rlim_cur = soft;
        if (prlimit(0, (enum __rlimit_resource)resource, &limit, NULL) != 0)
            return system_failed("set a resource limit");
    }
    return in->failed ? damaged() : DV_OK;
}

static enum dv_status restore_timers(struct dv_blob_reader *in)
{
    for (size_t i = 0; i < TIMER_KINDS; i++) {
        struct itimerval timer;
        timer.it_interval.tv_sec = (time_t)dv_blob_get_u64(in);
        timer.it_interval.tv_usec = (suseconds_t)dv_blob_get_u64(in);
        timer.it_value.tv_sec = (time_t)dv_blob_get_u64(in);
        timer.it_value.tv_usec = (suseconds_t)dv_blob_get_u64(in);
        if (in->failed)
            return damaged();
        if ((timer.it_value.tv_sec || timer.it_value.tv_usec) &&
            syscall(SYS_setitimer, timer_kinds[i], &timer, NULL) != 0)
            return system_failed("set an interval timer");
    }
    return DV_OK;
}

enum dv_status dv_process_restore(struct dv_blob_reader *in, uint64_t *mask)
{
    uint64_t blocked = 0;
    enum dv_status status = restore_directory(in);
    if (status == DV_OK)
        status = restore_thread(in);
    if (status == DV_OK)
        status = restore_limits(in);
    if (status == DV_OK)
        status = restore_signals(in, &blocked);
    if (status == DV_OK)
        status = restore_timers(in);
    if (status == DV_OK && in->at != in->end)
        status = damaged();
    if (status != DV_OK)
        return status;
    if (mask)
        *mask = blocked;
    else
        status = change_mask(SIG_SETMASK, blocked);
    return status;
}

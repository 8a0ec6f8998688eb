/* Starting the ranks. */
#include "control/launch.h"

#include "common/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE "control"
/* Where the supervisor's standard streams are handed down through mpiexec; above what hydra opens
 * for itself, below the smallest limit on descriptors that is in use (256). */
#define STDIO_BASE 200
#define STREAMS 2 /* 0 and 1 */
#define MOST_DESCRIPTORS 1024

struct arguments {
    char **list;
    size_t count;
    bool failed;
};

static void add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct arguments *a, const char *format, ...)
{
    char **larger = realloc(a->list, (a->count + 2) * sizeof *larger);
    if (!larger) {
        a->failed = true;
        return;
    }
    a->list = larger;
    va_list args;
    va_start(args, format);
    if (vasprintf(&larger[a->count], format, args) < 0) {
        larger[a->count] = NULL;
        a->failed = true;
    } else {
        larger[++a->count] = NULL;
    }
    va_end(args);
}

static void free_arguments(struct arguments *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->list[i]);
    free(a->list);
}

/* Where mpiexec starts ranks through other programs than itself, its descriptors do not reach them.
 */
static bool all_ranks_are_here(void)
{
    static const char *const elsewhere[] = {"SLURM_JOB_ID",  "PBS_JOBID",     "LSB_JOBID",
                                            "JOB_ID",        "LOADL_STEP_ID", "HYDRA_HOST_FILE",
                                            "HYDRA_LAUNCHER"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (getenv(elsewhere[i]))
            return false;
    return true;
}

static bool is_named(const struct dv_job *job, int fd)
{
    char names[2][40];
    snprintf(names[0], sizeof names[0], "/dev/fd/%d", fd);
    snprintf(names[1], sizeof names[1], "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < job->arg_count; i++)
        if (strstr(job->args[i], names[0]) || strstr(job->args[i], names[1]))
            return true;
    return false;
}

/* A descriptor that this process was given besides 0, 1 and 2, for the ranks to have too: one that
 * is not closed by an exec, since all of our own are. Pipes and sockets that leaked from whoever
 * started us (make's job server, an editor) are not handed on, unless the arguments name them: no
 * checkpoint would be possible for their sake. */
static bool is_handed_on(const struct dv_job *job, int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) || fstat(fd, &st) != 0)
        return false;
    return !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) || is_named(job, fd);
}

/* As "7,9"; "-" if there are none. */
static void list_inherited(const struct dv_job *job, char *text, size_t text_bytes)
{
    size_t used = 0;
    snprintf(text, text_bytes, "-");
    for (int fd = 3; fd < MOST_DESCRIPTORS; fd++) {
        if (!is_handed_on(job, fd))
            continue;
        int n = snprintf(text + used, text_bytes - used, "%s%d", used ? "," : "", fd);
        if (n < 0 || (size_t)n >= text_bytes - used)
            break;
        used += (size_t)n;
    }
}

/* dejavu-stdio <fd>:<device>:<inode> <the same> <descriptors to keep> */
static enum dv_status add_stdio(struct arguments *a, const struct dv_launch *what)
{
    char keep[1024];
    add(a, "%s", what->stdio_program);
    for (int fd = 0; fd < STREAMS; fd++) {
        struct stat st;
        if (fstat(fd, &st) != 0)
            return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot examine descriptor %d: %s", fd,
                           strerror(errno));
        add(a, "%d:%" PRIu64 ":%" PRIu64, STDIO_BASE + fd, (uint64_t)st.st_dev,
            (uint64_t)st.st_ino);
    }
    list_inherited(what->job, keep, sizeof keep);
    add(a, "%s", keep);
    return DV_OK;
}

static void add_rank(struct arguments *a, const struct dv_launch *what)
{
    const struct dv_job *job = what->job;
    add(a, "%s", what->rank_program);
    add(a, "--job");
    add(a, "%s", what->job_directory);
    add(a, "--host");
    add(a, "%s", what->host);
    add(a, "--port");
    add(a, "%u", what->port);
    add(a, "--incarnation");
    add(a, "%u", what->incarnation);
    add(a, "--restore");
    add(a, "%" PRIu64, what->restore_epoch);
    add(a, "--restore-how");
    add(a, "%s", what->eager ? "eager" : job->restore ? job->restore : "auto");
    add(a, "--engine");
    add(a, "%s", job->engine ? job->engine : "");
    add(a, "--capture");
    add(a, "%s", job->capture);
    add(a, "--capture-options");
    add(a, "%s", job->capture_options);
    add(a, "--protocol");
    add(a, "%s", job->protocol);
    add(a, "--protocol-options");
    add(a, "%s", job->protocol_options);
    add(a, "--argv0");
    add(a, "%s", job->argv0);
    add(a, "--");
    add(a, "%s", job->program);
    for (size_t i = 0; i < job->arg_count; i++)
        add(a, "%s", job->args[i]);
}

/* In the child, between fork and exec. Returns only on failure, with errno set. */
static void become(const struct dv_launch *what, char **arguments, bool hand_down, pid_t parent)
{
    /* Without its supervisor a job must not run on: a restart would find it in the way. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return;
    if (getppid() != parent)
        _exit(127);
    for (int fd = 3; fd < MOST_DESCRIPTORS; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC) && !is_handed_on(what->job, fd))
            close(fd);
    }
    if (hand_down) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null < 0 || out < 0)
            return;
        for (int fd = 0; fd < STREAMS; fd++)
            if (dup2(fd, STDIO_BASE + fd) < 0)
                return;
        if (dup2(null, 0) < 0 || dup2(out, 1) < 0)
            return;
    }
    if (chdir(what->job->cwd) != 0)
        return;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGCHLD, &standard, NULL);
    (void)sigaction(SIGPIPE, &standard, NULL);
    (void)sigprocmask(SIG_SETMASK, what->signal_mask, NULL);
    execvpe(arguments[0], arguments, what->env);
}

static enum dv_status spawn(const struct dv_launch *what, char **arguments, bool hand_down,
                            pid_t *child)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        close(report[0]);
        close(report[1]);
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot start a process: %s", strerror(errno));
    }
    if (pid == 0) {
        become(what, arguments, hand_down, parent);
        int error = errno;
        ssize_t ignored = write(report[1], &error, sizeof error);
        (void)ignored;
        _exit(127);
    }
    close(report[1]);
    int error = 0;
    ssize_t n;
    while ((n = read(report[0], &error, sizeof error)) < 0 && errno == EINTR)
        ;
    close(report[0]);
    if (n == (ssize_t)sizeof error) {
        (void)waitpid(pid, NULL, 0);
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot start %s in %s: %s%s", arguments[0],
                       what->job->cwd, strerror(error),
                       error == ENOENT && what->job->ranks ? " (is mpich installed? see --mpiexec)"
                                                           : "");
    }
    *child = pid;
    return DV_OK;
}

enum dv_status dv_launch_start(const struct dv_launch *what, pid_t *child)
{
    struct arguments a = {0};
    enum dv_status status = DV_OK;
    bool hand_down = what->job->ranks && all_ranks_are_here();
    if (what->job->ranks) {
        add(&a, "%s", what->job->mpiexec);
        add(&a, "-n");
        add(&a, "%u", what->job->ranks);
    }
    if (hand_down)
        status = add_stdio(&a, what);
    add_rank(&a, what);
    if (!status && a.failed)
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the command line of the ranks");
    if (!status)
        status = spawn(what, a.list, hand_down, child);
    free_arguments(&a);
    return status;
}

enum dv_status dv_beside(const char *name, const char *override, char *path, size_t path_bytes)
{
    const char *given = override ? getenv(override) : NULL;
    int n;
    if (given && *given) {
        n = snprintf(path, path_bytes, "%s", given);
    } else {
        char self[4096];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
        if (length < 0)
            return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot read /proc/self/exe: %s",
                           strerror(errno));
        self[length] = '\0';
        *(strrchr(self, '/') + 1) = '\0';
        n = snprintf(path, path_bytes, "%s%s", self, name);
    }
    if (n < 0 || (size_t)n >= path_bytes)
        return dv_fail(MODULE, DV_ERR_SYSTEM, "the path of %s is too long", name);
    if (access(path, X_OK) != 0)
        return dv_fail(MODULE, DV_ERR_SYSTEM,
                       "%s cannot be run: %s; the installation is not complete (make all)", path,
                       strerror(errno));
    return DV_OK;
}

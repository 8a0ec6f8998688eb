/* Run a job whose supervisor has one system call fail, or is killed, while it commits an epoch; for store.py.
 *
 *   usage: fault-commit FAULT N EPOCH COMMAND...
 *
 * FAULT: kill, short, or the number of an error. N: the call that it befalls, counted from 1, which opens the manifest of the
 * EPOCH-th commit. Only the command itself is traced, not its children. The exit status is the command's, 128 + the signal
 * that ended it, or 77 if it cannot be traced here; on stderr it is said which call it was. */
#include "framework/tests/unit/fault_point.h"

#include <sys/uio.h>

#define FAULT_KILL (-1)

struct moment {
    pid_t pid;
    int fault;
    long call, commit; /* wanted */
    long calls, commits;
};

static char **command;

static int execute(void *unused)
{
    (void)unused;
    execv(command[0], command);
    fprintf(stderr, "fault-commit: cannot run %s: %s\n", command[0], strerror(errno));
    return 127;
}

static int opens_manifest(pid_t pid, const struct fault_call *call)
{
    char path[PATH_MAX] = "";
    const uintptr_t start = call->arg[1], next_page = (start | 4095) + 1;
    struct iovec here = {path, sizeof path - 1};
    /* In two pieces: what is behind the page of its start need not be there. */
    struct iovec there[] = {{(void *)start, next_page - start}, {(void *)next_page, 4096}};
    if (call->number != SYS_openat || !(call->arg[2] & O_CREAT))
        return 0;
    if (process_vm_readv(pid, &here, 1, there, 2, 0) <= 0)
        return 0;
    return strstr(path, "/manifest") != NULL || strncmp(path, "manifest", 8) == 0;
}

static int choose(void *arg, long n, const struct fault_call *call)
{
    struct moment *m = arg;
    (void)n;
    if (m->commits < m->commit && opens_manifest(m->pid, call))
        m->commits++;
    if (m->commits < m->commit || ++m->calls != m->call)
        return 0;
    fprintf(stderr, "fault-commit: fault %d at system call %ld\n", m->fault, call->number);
    if (m->fault != FAULT_KILL)
        return 1;
    kill(m->pid, SIGKILL);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: fault-commit FAULT N EPOCH COMMAND...\n");
        return 2;
    }
    struct moment m = {.call = atol(argv[2]), .commit = atol(argv[3])};
    struct fault_call failed;
    m.fault = strcmp(argv[1], "kill") == 0    ? FAULT_KILL
              : strcmp(argv[1], "short") == 0 ? FAULT_SHORT
                                              : atoi(argv[1]);
    command = argv + 4;
    m.pid = traced_fork(execute, NULL);
    int status = fault_trace(m.pid, (enum fault)m.fault, choose, &m, &failed);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

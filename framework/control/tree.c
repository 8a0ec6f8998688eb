/* All descendants of this process, and how processes ended. */
#include "control/launch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; probed by use. */
#define PIDFD_INFO_EXIT_BIT (1ull << 3)
struct pidfd_info_v2 {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
    uint32_t coredump_mask, coredump_signal;
};
#define PIDFD_GET_INFO_V2 _IOWR(0xFF, 11, struct pidfd_info_v2)

struct process {
    pid_t pid, parent;
    bool ours;
};

static bool read_parent(const char *pid, pid_t *parent, char *state)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    /* The name, in parentheses, may hold anything. */
    char *end = strrchr(text, ')');
    return end && sscanf(end + 1, " %c %d", state, parent) == 2;
}

static struct process *list_processes(size_t *count)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return NULL;
    struct process *list = NULL;
    size_t used = 0, room = 0;
    for (struct dirent *d; (d = readdir(proc));) {
        pid_t parent;
        char state;
        if (d->d_name[0] < '0' || d->d_name[0] > '9' || !read_parent(d->d_name, &parent, &state) ||
            state == 'Z')
            continue;
        if (used == room) {
            room = room ? 2 * room : 256;
            struct process *larger = realloc(list, room * sizeof *list);
            if (!larger)
                break;
            list = larger;
        }
        list[used++] = (struct process){.pid = (pid_t)atol(d->d_name), .parent = parent};
    }
    closedir(proc);
    *count = used;
    return list;
}

static bool is_ours(const struct process *list, size_t count, pid_t pid, pid_t self)
{
    if (pid == self)
        return true;
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == pid)
            return list[i].ours;
    return false;
}

unsigned dv_tree_kill(int signal_number)
{
    size_t count = 0;
    struct process *list = list_processes(&count);
    pid_t self = getpid();
    unsigned found = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (list[i].ours || !is_ours(list, count, list[i].parent, self))
                continue;
            list[i].ours = more = true;
            found++;
            (void)kill(list[i].pid, signal_number);
        }
    }
    free(list);
    return found;
}

int dv_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool dv_pidfd_wait_status(int pidfd, int *wait_status)
{
    struct pidfd_info_v2 info;
    memset(&info, 0, sizeof info);
    info.mask = PIDFD_INFO_EXIT_BIT;
    if (pidfd < 0 || ioctl(pidfd, PIDFD_GET_INFO_V2, &info) != 0 ||
        !(info.mask & PIDFD_INFO_EXIT_BIT))
        return false;
    *wait_status = info.exit_code;
    return true;
}

#include "harness/launch/tree.h"

#include "harness/config/arena.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRON_BYTES (256u << 10)

struct process {
    pid_t pid, parent;
    char name[32];
    bool ours;
};

struct processes {
    struct process *item;
    size_t count;
};

static bool read_process(const char *pid, struct process *process)
{
    char path[64], text[1024], state;
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || sscanf(close + 1, " %c %d", &state, &process->parent) != 2 ||
        state == 'Z')
        return false;
    process->pid = (pid_t)atol(pid);
    process->ours = false;
    snprintf(process->name, sizeof process->name, "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

static struct processes list_processes(void)
{
    struct processes list = {NULL, 0};
    size_t room = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (list.count == room) {
            room = room ? 2 * room : 256;
            list.item = dv_reallocate(list.item, room, sizeof *list.item);
        }
        if (read_process(entry->d_name, &list.item[list.count]))
            list.count++;
    }
    if (proc)
        closedir(proc);
    return list;
}

static const struct process *find_process(const struct processes *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->item[i].pid == pid)
            return &list->item[i];
    }
    return NULL;
}

/* A parent may come behind its child in the list, so until nothing changes. */
static void mark_descendants(struct processes *list)
{
    pid_t self = getpid();
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < list->count; i++) {
            struct process *p = &list->item[i];
            const struct process *parent = find_process(list, p->parent);
            if (!p->ours && (p->parent == self || (parent && parent->ours)))
                p->ours = changed = true;
        }
    }
}

/* The value of a variable in a process's environment. */
static bool read_variable(pid_t pid, const char *name, char *value, size_t value_bytes)
{
    static char text[ENVIRON_BYTES];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t got;
    while (length < sizeof text - 1 &&
           (got = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = '\0';
    size_t name_length = strlen(name);
    for (const char *word = text; word < text + length; word += strlen(word) + 1) {
        if (strncmp(word, name, name_length) != 0 || word[name_length] != '=')
            continue;
        snprintf(value, value_bytes, "%s", word + name_length + 1);
        return true;
    }
    return false;
}

static bool is_rank(const struct process *p, int64_t wanted, bool any)
{
    char rank[32], parents[32];
    if (!read_variable(p->pid, "PMI_RANK", rank, sizeof rank) ||
        read_variable(p->parent, "PMI_RANK", parents, sizeof parents))
        return false;
    return any || strtoll(rank, NULL, 10) == wanted;
}

static bool is_victim(const struct process *p, enum dv_victim victim, int64_t rank)
{
    switch (victim) {
    case DV_VICTIM_RANK:
        return is_rank(p, rank, false);
    case DV_VICTIM_ALL_RANKS:
        return is_rank(p, 0, true);
    case DV_VICTIM_MPIEXEC:
        return strncmp(p->name, "mpiexec", strlen("mpiexec")) == 0;
    case DV_VICTIM_EVERYTHING:
        break;
    }
    return true;
}

size_t dv_tree_kill_victims(enum dv_victim victim, int64_t rank, struct timespec *sent)
{
    struct processes list = list_processes();
    pid_t *chosen = dv_reallocate(NULL, list.count + 1, sizeof *chosen);
    size_t count = 0, killed = 0;
    mark_descendants(&list);
    for (size_t i = 0; i < list.count; i++) {
        if (list.item[i].ours && is_victim(&list.item[i], victim, rank))
            chosen[count++] = list.item[i].pid;
    }
    /* Chosen first and killed then, so that all of them go at one moment. */
    if (sent)
        clock_gettime(CLOCK_MONOTONIC, sent);
    for (size_t i = 0; i < count; i++)
        killed += kill(chosen[i], SIGKILL) == 0;
    free(chosen);
    free(list.item);
    return killed;
}

size_t dv_tree_kill_strays(const char *campaign)
{
    struct processes list = list_processes();
    size_t killed = 0;
    for (size_t i = 0; i < list.count; i++) {
        char value[80];
        pid_t pid = list.item[i].pid;
        if (pid != getpid() && read_variable(pid, DV_RUN_VARIABLE, value, sizeof value) &&
            strncmp(value, campaign, strlen(campaign)) == 0)
            killed += kill(pid, SIGKILL) == 0;
    }
    free(list.item);
    return killed;
}

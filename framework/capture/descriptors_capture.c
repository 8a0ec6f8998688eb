/* Capturing descriptors; see descriptors.h. */
#include "capture/descriptors.h"
#include "capture/descriptors_record.h"
#include "capture/descriptors_special.h"
#include "capture/proc.h"
#include "common/fail.h"
#include "common/io.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

void dv_fd_identity_read(int fd, struct dv_fd_identity *identity)
{
    struct stat info;
    *identity = (struct dv_fd_identity){0};
    if (fstat(fd, &info) != 0)
        return;
    *identity = (struct dv_fd_identity){.dev = info.st_dev,
                                        .ino = info.st_ino,
                                        .rdev = info.st_rdev,
                                        .mode = info.st_mode,
                                        .present = 1};
}

static int compare_descriptors(const void *left, const void *right)
{
    const struct dv_open_fd *a = left, *b = right;
    return (a->fd > b->fd) - (a->fd < b->fd);
}

static enum dv_status examine(struct dv_open_fd *open_fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", open_fd->fd);
    ssize_t length = readlink(path, open_fd->link, sizeof open_fd->link - 1);
    int flags = fcntl(open_fd->fd, F_GETFL), fd_flags = fcntl(open_fd->fd, F_GETFD);
    if (length < 0 || flags < 0 || fd_flags < 0 || fstat(open_fd->fd, &open_fd->info) != 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot examine descriptor %d: %s", open_fd->fd,
                       strerror(errno));
    open_fd->link[length] = 0;
    open_fd->flags = flags;
    open_fd->close_on_exec = (fd_flags & FD_CLOEXEC) != 0;
    return DV_OK;
}

/* Descriptors below `limit`: the application's, all of them and no others (rank/opener.c), ascending. */
static enum dv_status list_descriptors(int limit, struct dv_open_fd **list, size_t *count)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open /proc/self/fd: %s", strerror(errno));
    enum dv_status status = DV_OK;
    struct dv_open_fd *items = NULL;
    size_t used = 0, capacity = 0;
    for (struct dirent *entry; status == DV_OK && (entry = readdir(directory)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        int fd = atoi(entry->d_name);
        if (fd >= limit || fd == dirfd(directory))
            continue;
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct dv_open_fd *grown = realloc(items, capacity * sizeof *grown);
            if (!grown) {
                status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to list descriptors");
                break;
            }
            items = grown;
        }
        items[used] = (struct dv_open_fd){.fd = fd, .same_as = DV_FD_NONE};
        status = examine(&items[used]);
        used += status == DV_OK;
    }
    closedir(directory);
    if (status != DV_OK) {
        free(items);
        return status;
    }
    if (used > 1)
        qsort(items, used, sizeof *items, compare_descriptors);
    *list = items;
    *count = used;
    return DV_OK;
}

static int is_same_file(const struct dv_open_fd *a, const struct dv_open_fd *b)
{
    return a->info.st_dev == b->info.st_dev && a->info.st_ino == b->info.st_ino;
}

/* Descriptors that share position and flags, made by dup or fcntl. */
static void find_duplicates(struct dv_open_fd *list, size_t count)
{
    pid_t self = getpid();
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (list[j].same_as == DV_FD_NONE && is_same_file(&list[i], &list[j]) &&
                list[i].flags == list[j].flags &&
                syscall(SYS_kcmp, self, self, KCMP_FILE, list[i].fd, list[j].fd) == 0) {
                list[i].same_as = (uint32_t)list[j].fd;
                break;
            }
}

enum dv_status dv_fd_refuse(const struct dv_open_fd *open_fd, const char *what)
{
    return dv_fail_quietly(DV_ERR_REFUSED, "descriptor %d (%s) is %s", open_fd->fd, open_fd->link,
                           what);
}

/* Memory devices without state: the same everywhere, whoever opens them. */
static int is_plain_device(const struct stat *info)
{
    if (!S_ISCHR(info->st_mode))
        return 0;
    unsigned number = minor(info->st_rdev);
    if (major(info->st_rdev) == 5)
        return number == 0; /* /dev/tty */
    return major(info->st_rdev) == 1 &&
           (number == 3 || number == 5 || number == 7 || number == 8 || number == 9);
}

/* Which of the launch's 0, 1, 2 this is; its own number first, -1 if none. */
static int inherited_from(const struct dv_open_fd *open_fd, const struct dv_fd_identity *stdio)
{
    int found = -1;
    for (int i = 0; i < DV_INHERITED_COUNT; i++) {
        if (!stdio[i].present || stdio[i].dev != open_fd->info.st_dev ||
            stdio[i].ino != open_fd->info.st_ino || stdio[i].rdev != open_fd->info.st_rdev)
            continue;
        if (i == open_fd->fd)
            return i;
        if (found < 0 && !is_plain_device(&open_fd->info))
            found = i;
    }
    return found;
}

static uint64_t position_of(const struct dv_open_fd *open_fd)
{
    off_t position = open_fd->flags & O_PATH ? 0 : lseek(open_fd->fd, 0, SEEK_CUR);
    return position < 0 ? 0 : (uint64_t)position;
}

/* Does its path still lead to it? */
static int has_name(const struct dv_open_fd *open_fd)
{
    struct stat info;
    return open_fd->link[0] == '/' && open_fd->info.st_nlink > 0 &&
           stat(open_fd->link, &info) == 0 && info.st_dev == open_fd->info.st_dev &&
           info.st_ino == open_fd->info.st_ino;
}

/* "lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF" */
static int parse_lock(const char *line, struct dv_blob *out)
{
    char family[16], access[16], last[24];
    unsigned long long start;
    if (sscanf(line, "lock: %*d: %15s %*s %15s %*d %*s %llu %23s", family, access, &start, last) !=
        4)
        return 0;
    uint32_t kind = strcmp(family, "FLOCK") == 0    ? DV_FD_LOCK_FLOCK
                    : strcmp(family, "POSIX") == 0  ? DV_FD_LOCK_POSIX
                    : strcmp(family, "OFDLCK") == 0 ? DV_FD_LOCK_OFD
                                                    : 0;
    if (!kind)
        return 0; /* a lease */
    if (out) {
        dv_blob_put_u32(out, kind);
        dv_blob_put_u32(out, strcmp(access, "WRITE") == 0);
        dv_blob_put_u64(out, start);
        dv_blob_put_u64(out, strcmp(last, "EOF") == 0 ? UINT64_MAX : strtoull(last, NULL, 10));
    }
    return 1;
}

static uint32_t each_lock(const char *text, struct dv_blob *out)
{
    uint32_t count = 0;
    for (const char *line = strstr(text, "lock:"); line; line = strstr(line + 1, "\nlock:")) {
        line += *line == '\n';
        count += (uint32_t)parse_lock(line, out);
    }
    return count;
}

enum dv_status dv_fd_info_read(const struct dv_open_fd *open_fd, char **text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", open_fd->fd);
    return dv_proc_read(path, text, NULL);
}

static enum dv_status put_locks(const struct dv_open_fd *open_fd, struct dv_blob *out)
{
    char *text;
    enum dv_status status = dv_fd_info_read(open_fd, &text);
    if (status != DV_OK)
        return status;
    uint32_t count = each_lock(text, NULL);
    if (count > DV_FD_LOCKS_MAX)
        status = dv_fd_refuse(open_fd, "a file with too many locks");
    dv_blob_put_u32(out, count);
    each_lock(text, out);
    free(text);
    return status;
}

static enum dv_status put_file(const struct dv_open_fd *open_fd, struct dv_blob *out)
{
    dv_blob_put_string(out, open_fd->link);
    dv_blob_put_u64(out, position_of(open_fd));
    dv_blob_put_u64(out, (uint64_t)open_fd->info.st_size);
    return put_locks(open_fd, out);
}

/* A descriptor to read the file of list[at] through: one that the application has, or else
 * *opened, a new one. But closing that would drop POSIX locks, so not if there are any. */
static enum dv_status find_readable(const struct dv_open_fd *list, size_t count, size_t at, int *fd,
                                    int *opened)
{
    enum dv_status status = DV_OK;
    uint32_t locks = 0;
    for (size_t i = 0; i < count && status == DV_OK; i++) {
        if (!is_same_file(&list[i], &list[at]))
            continue;
        if ((list[i].flags & O_ACCMODE) != O_WRONLY) {
            *fd = list[i].fd;
            return DV_OK;
        }
        char *text;
        status = dv_fd_info_read(&list[i], &text);
        if (status == DV_OK) {
            locks += each_lock(text, NULL);
            free(text);
        }
    }
    if (status != DV_OK)
        return status;
    if (locks)
        return dv_fd_refuse(&list[at], "a removed file, open for writing only, with locks");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", list[at].fd);
    *fd = *opened = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return dv_fd_refuse(&list[at], "a removed file that cannot be read");
    return DV_OK;
}

static enum dv_status put_content(const struct dv_open_fd *list, size_t count, size_t at,
                                  struct dv_blob *out)
{
    size_t size = (size_t)list[at].info.st_size, got = 0;
    int fd = -1, opened = -1;
    enum dv_status status = find_readable(list, count, at, &fd, &opened);
    if (status != DV_OK)
        return status;
    char *bytes = malloc(size ? size : 1);
    if (!bytes)
        status =
            dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for the contents of %s", list[at].link);
    if (status == DV_OK && (dv_pread_full(fd, bytes, size, 0, &got) != DV_OK || got != size))
        status = dv_fail("capture", DV_ERR_IO, "cannot read the removed file %s: %s", list[at].link,
                         strerror(errno));
    if (status == DV_OK)
        dv_blob_put_bytes(out, bytes, size);
    free(bytes);
    if (opened >= 0)
        close(opened);
    return status;
}

/* A file that no path leads to any more: its contents are saved, once for all that share it. */
static enum dv_status put_unnamed(const struct dv_open_fd *list, size_t count, size_t at,
                                  struct dv_blob *out)
{
    const struct dv_open_fd *open_fd = &list[at];
    dv_blob_put_string(out, open_fd->link);
    dv_blob_put_u64(out, position_of(open_fd));
    size_t first = 0;
    while (!is_same_file(&list[first], open_fd))
        first++;
    dv_blob_put_u32(out, first < at ? (uint32_t)list[first].fd : DV_FD_NONE);
    enum dv_status status = first < at ? DV_OK : put_content(list, count, at, out);
    return status == DV_OK ? put_locks(open_fd, out) : status;
}

static void put_reopened(const struct dv_open_fd *open_fd, struct dv_blob *out)
{
    /* /proc/<pid>/... of this process is another directory in the next. */
    char own[32];
    int length = snprintf(own, sizeof own, "/proc/%d/", (int)getpid());
    if (strncmp(open_fd->link, own, (size_t)length) == 0) {
        char path[PATH_MAX + 16];
        snprintf(path, sizeof path, "/proc/self/%s", open_fd->link + length);
        dv_blob_put_string(out, path);
    } else {
        dv_blob_put_string(out, open_fd->link);
    }
    dv_blob_put_u64(out, position_of(open_fd));
}

static int is_kernel_file(const struct dv_open_fd *open_fd)
{
    struct statfs info;
    return fstatfs(open_fd->fd, &info) == 0 &&
           (info.f_type == PROC_SUPER_MAGIC || info.f_type == SYSFS_MAGIC);
}

/* The kind of a descriptor that is a file, directory or device; 0: refused, dv_why() says why. */
static enum dv_fd_kind kind_of_path(const struct dv_open_fd *open_fd)
{
    const struct stat *info = &open_fd->info;
    enum dv_status refused = DV_ERR_REFUSED;
    if (S_ISREG(info->st_mode) && is_kernel_file(open_fd))
        return DV_FD_REOPENED;
    if (open_fd->flags & O_PATH) {
        if (has_name(open_fd))
            return DV_FD_REOPENED;
        refused = dv_fd_refuse(open_fd, "a path (O_PATH) that does not lead anywhere any more");
    } else if (S_ISREG(info->st_mode)) {
        if (has_name(open_fd))
            return DV_FD_FILE;
        if ((uint64_t)info->st_size <= DV_FD_CONTENT_MAX)
            return DV_FD_UNNAMED_FILE;
        refused = dv_fd_refuse(open_fd, "a removed file of more than 64 MiB");
    } else if (S_ISDIR(info->st_mode)) {
        if (has_name(open_fd))
            return DV_FD_REOPENED;
        refused = dv_fd_refuse(open_fd, "a removed directory");
    } else if (S_ISCHR(info->st_mode)) {
        if (is_plain_device(info) || (major(info->st_rdev) >= 136 && major(info->st_rdev) <= 143))
            return DV_FD_REOPENED;
        refused = dv_fd_refuse(open_fd, "a device");
    } else {
        refused =
            dv_fd_refuse(open_fd, S_ISBLK(info->st_mode) ? "a block device" : "of an unknown type");
    }
    (void)refused;
    return 0;
}

static enum dv_status put_path(const struct dv_open_fd *list, size_t count, size_t at,
                               struct dv_blob *out)
{
    const struct dv_open_fd *open_fd = &list[at];
    enum dv_fd_kind kind = kind_of_path(open_fd);
    if (!kind)
        return DV_ERR_REFUSED;
    if (!out)
        return DV_OK;
    /* O_TMPFILE leaves O_DIRECTORY in the flags of a regular file. */
    int flags =
        open_fd->flags & DV_FD_OPEN_FLAGS & ~(S_ISREG(open_fd->info.st_mode) ? O_DIRECTORY : 0);
    dv_blob_put_u32(out, kind);
    dv_blob_put_u32(out, (uint32_t)flags);
    if (kind == DV_FD_FILE)
        return put_file(open_fd, out);
    if (kind == DV_FD_UNNAMED_FILE)
        return put_unnamed(list, count, at, out);
    put_reopened(open_fd, out);
    return DV_OK;
}

static enum dv_status put_descriptor(const struct dv_open_fd *list, size_t count, size_t at,
                                     const struct dv_fd_identity *stdio, struct dv_blob *out)
{
    const struct dv_open_fd *open_fd = &list[at];
    if (out) {
        dv_blob_put_u32(out, (uint32_t)open_fd->fd);
        dv_blob_put_u32(out, (uint32_t)open_fd->close_on_exec);
        dv_blob_put_u32(out, open_fd->same_as);
    }
    if (open_fd->same_as != DV_FD_NONE)
        return DV_OK;
    int which = inherited_from(open_fd, stdio);
    if (which >= 0 && out) {
        dv_blob_put_u32(out, DV_FD_INHERITED);
        dv_blob_put_u32(out, (uint32_t)open_fd->flags);
        dv_blob_put_u32(out, (uint32_t)which);
    }
    if (which >= 0)
        return DV_OK;
    if (S_ISSOCK(open_fd->info.st_mode))
        return dv_fd_refuse_socket(open_fd);
    if (S_ISFIFO(open_fd->info.st_mode))
        return dv_fd_put_pipe(list, count, at, out);
    if (strncmp(open_fd->link, "anon_inode:", 11) == 0)
        return dv_fd_put_special(list, count, at, out);
    return put_path(list, count, at, out);
}

enum dv_status dv_descriptors_capture(int lower_fd_base, const struct dv_fd_identity *stdio,
                                      struct dv_blob *out)
{
    struct dv_open_fd *list = NULL;
    size_t count = 0;
    enum dv_status status = list_descriptors(lower_fd_base, &list, &count);
    if (status != DV_OK)
        return status;
    find_duplicates(list, count);
    if (out)
        dv_blob_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count && status == DV_OK; i++)
        status = put_descriptor(list, count, i, stdio, out);
    free(list);
    return status;
}

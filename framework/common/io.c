/* Files and descriptors. */
#include "common/io.h"

#include "common/fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODULE "files"

uint64_t dv_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Advance after a transfer of n bytes; nonzero: go on with the loop. A transfer of nothing is an
 * i/o error, lest the caller loop for ever. */
static int write_went_on(ssize_t n, const char **p, size_t *length)
{
    if (n > 0) {
        *p += n;
        *length -= (size_t)n;
        return 1;
    }
    if (n == 0)
        errno = EIO;
    return n < 0 && errno == EINTR;
}

enum dv_status dv_write_all(int fd, const void *buffer, size_t length)
{
    const char *p = buffer;
    while (length)
        if (!write_went_on(write(fd, p, length), &p, &length))
            return dv_status_from_errno(errno);
    return DV_OK;
}

enum dv_status dv_pwrite_all(int fd, const void *buffer, size_t length, uint64_t offset)
{
    const char *p = buffer;
    while (length) {
        uint64_t at = offset + (uint64_t)(p - (const char *)buffer);
        if (!write_went_on(pwrite(fd, p, length, (off_t)at), &p, &length))
            return dv_status_from_errno(errno);
    }
    return DV_OK;
}

enum dv_status dv_read_full(int fd, void *buffer, size_t length, size_t *got)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = read(fd, (char *)buffer + done, length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_status_from_errno(errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return DV_OK;
}

enum dv_status dv_pread_full(int fd, void *buffer, size_t length, uint64_t offset, size_t *got)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = pread(fd, (char *)buffer + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_status_from_errno(errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return DV_OK;
}

/* Report errno of a failed operation on a path; a name that does not exist is left to the caller.
 */
static enum dv_status path_failed(const char *what, const char *path)
{
    int error = errno;
    enum dv_status status = dv_status_from_errno(error);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail_quietly(status, "cannot %s %s: %s", what, path, dv_errno_text(error));
    return dv_fail(MODULE, status, "cannot %s %s: %s", what, path, dv_errno_text(error));
}

enum dv_status dv_read_file(const char *path, size_t max_bytes, char **bytes, size_t *length)
{
    /* O_NONBLOCK: a FIFO in the file's place must not hold us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return path_failed("open", path);
    enum dv_status status = DV_ERR_DAMAGED;
    struct stat st;
    char *buffer = NULL;
    if (fstat(fd, &st) < 0) {
        status = path_failed("examine", path);
        goto out_close;
    }
    if (!S_ISREG(st.st_mode)) {
        dv_fail(MODULE, status, "%s is not a regular file", path);
        goto out_close;
    }
    if ((uint64_t)st.st_size > max_bytes) {
        dv_fail(MODULE, status, "%s is larger (%llu bytes) than such a file can be (%zu)", path,
                (unsigned long long)st.st_size, max_bytes);
        goto out_close;
    }
    size_t size = (size_t)st.st_size, got = 0;
    buffer = malloc(size + 1);
    if (!buffer) {
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", path);
        goto out_close;
    }
    status = dv_read_full(fd, buffer, size, &got);
    if (status) {
        status = path_failed("read", path);
        free(buffer);
        goto out_close;
    }
    buffer[got] = '\0';
    *bytes = buffer;
    if (length)
        *length = got;
out_close:
    close(fd);
    return status;
}

enum dv_status dv_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return path_failed("open directory", path);
    enum dv_status status = DV_OK;
    int result;
    do
        result = fsync(fd);
    while (result < 0 && errno == EINTR);
    /* EINVAL: a file system that cannot sync directories keeps their order by itself. */
    if (result < 0 && errno != EINVAL)
        status = path_failed("sync directory", path);
    close(fd);
    return status;
}

static enum dv_status write_and_sync(const char *path, const void *bytes, size_t length,
                                     mode_t mode)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return path_failed("remove old", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return path_failed("create", path);
    enum dv_status status = DV_OK;
    if (fchmod(fd, mode) < 0 || dv_write_all(fd, bytes, length) || fsync(fd) < 0)
        status = path_failed("write", path);
    if (close(fd) < 0 && !status)
        status = path_failed("close", path);
    return status;
}

enum dv_status dv_write_file_durably(const char *directory, const char *name, const void *bytes,
                                     size_t length, mode_t mode)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    int m = snprintf(temporary, sizeof temporary, "%s/%s.tmp", directory, name);
    if (n < 0 || m < 0 || (size_t)m >= sizeof temporary)
        return dv_fail(MODULE, DV_ERR_USAGE, "path too long: %.100s.../%s", directory, name);
    enum dv_status status = write_and_sync(temporary, bytes, length, mode);
    if (status)
        goto out_unlink;
    if (rename(temporary, path) < 0) {
        status = path_failed("rename to", path);
        goto out_unlink;
    }
    return dv_sync_directory(directory);
out_unlink:
    unlink(temporary);
    return status;
}

/* The directory that holds `path`, for syncing it after a change. */
static enum dv_status sync_parent(const char *path)
{
    char parent[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length && path[length - 1] != '/')
        length--;
    if (length >= sizeof parent)
        return dv_fail(MODULE, DV_ERR_USAGE, "path too long: %.100s...", path);
    if (length == 0)
        return dv_sync_directory(".");
    memcpy(parent, path, length);
    parent[length] = '\0';
    return dv_sync_directory(parent);
}

enum dv_status dv_make_directory_private(const char *path)
{
    int made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot make directory %s: %s", path,
                       dv_errno_text(error));
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        if (error == ENOTDIR || error == ELOOP)
            return dv_fail(MODULE, DV_ERR_USAGE, "%s is in the way: it is not a directory", path);
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot open directory %s: %s", path,
                       dv_errno_text(error));
    }
    enum dv_status status = DV_OK;
    struct stat st;
    if ((made && fchmod(fd, 0700) < 0) || fstat(fd, &st) < 0)
        status = path_failed("examine directory", path);
    else if (st.st_uid != geteuid())
        status = dv_fail(MODULE, DV_ERR_USAGE,
                         "%s belongs to user %u, not to you (%u); give a directory of your own",
                         path, (unsigned)st.st_uid, (unsigned)geteuid());
    else if (st.st_mode & 077)
        status =
            dv_fail(MODULE, DV_ERR_USAGE, "%s is open to other users (mode %04o); chmod 700 it",
                    path, (unsigned)st.st_mode & 07777u);
    close(fd);
    if (made && !status)
        status = sync_parent(path);
    return status;
}

static int is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* 0, or -1 with errno and the name that could not be removed in `culprit`. */
static int remove_at(int parent, const char *name, char *culprit, size_t culprit_bytes)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        goto failed;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        goto failed;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        goto failed;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(directory)) != NULL)
        if (!is_dots(entry->d_name))
            result = remove_at(fd, entry->d_name, culprit, culprit_bytes);
    int error = errno;
    closedir(directory);
    errno = error;
    if (result)
        return result;
    if (error == 0 && (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT))
        return 0;
failed:;
    int cause = errno;
    snprintf(culprit, culprit_bytes, "%s", name);
    errno = cause;
    return -1;
}

enum dv_status dv_remove_tree(const char *path)
{
    char culprit[NAME_MAX + 1] = "";
    if (remove_at(AT_FDCWD, path, culprit, sizeof culprit) == 0)
        return DV_OK;
    int error = errno;
    return dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s (at %s): %s", path,
                   culprit, dv_errno_text(error));
}

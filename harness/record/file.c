#include "harness/record/file.h"

#include "harness/config/arena.h"
#include "harness/config/say.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_DESCRIPTORS 32

static enum dv_status fail_errno(const char *what, const char *path)
{
    enum dv_status status = errno == ENOSPC || errno == EDQUOT ? DV_ERR_NO_SPACE : DV_ERR_SYSTEM;
    return dv_bench_fail(status, "cannot %s %s: %s", what, path, strerror(errno));
}

enum dv_status dv_file_make_directories(const char *path)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof part)
        return dv_bench_fail(DV_ERR_USAGE, "path is too long: %.60s...", path);
    for (size_t i = 1;; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail_errno("make directory", part);
        if (path[i] == '\0')
            break;
    }
    struct stat info;
    if (stat(path, &info) != 0)
        return fail_errno("use directory", path);
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return fail_errno("use directory", path);
    }
    return DV_OK;
}

enum dv_status dv_file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("open", path);
    enum dv_status status = fsync(fd) == 0 ? DV_OK : fail_errno("sync", path);
    close(fd);
    return status;
}

static enum dv_status sync_parent(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash++;
    if (slash)
        *slash = '\0';
    return dv_file_sync(slash ? parent : ".");
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        bytes += done;
        length -= (size_t)done;
    }
    return true;
}

enum dv_status dv_file_write_durably(const char *path, const char *bytes, size_t length)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno("write", temporary);
    enum dv_status status = DV_OK;
    if (!write_all(fd, bytes, length) || fsync(fd) != 0)
        status = fail_errno("write", temporary);
    if (close(fd) != 0 && status == DV_OK)
        status = fail_errno("write", temporary);
    if (status == DV_OK && rename(temporary, path) != 0)
        status = fail_errno("rename to", path);
    if (status == DV_OK)
        return sync_parent(path);
    unlink(temporary);
    return status;
}

enum dv_status dv_file_read(const char *path, char **text, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? DV_ERR_NOT_FOUND : fail_errno("open", path);
    size_t used = 0, room = 0;
    char *buffer = NULL;
    for (;;) {
        if (room - used < 4096) {
            room = room ? 2 * room : 65536;
            buffer = dv_reallocate(buffer, room, 1);
        }
        ssize_t got = read(fd, buffer + used, room - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            enum dv_status status = fail_errno("read", path);
            free(buffer);
            close(fd);
            return status;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    buffer[used] = '\0';
    *text = buffer;
    *length = used;
    return DV_OK;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)walk;
    return (kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT
               ? 0
               : -1;
}

enum dv_status dv_file_remove_tree(const char *path)
{
    if (nftw(path, remove_entry, TREE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return fail_errno("remove", path);
    return DV_OK;
}

bool dv_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

enum dv_status dv_file_shorten(const char *path, size_t head, size_t tail)
{
    struct stat info;
    if (stat(path, &info) != 0 || (size_t)info.st_size <= head + tail + 256)
        return DV_OK;
    char *text;
    size_t length = 0;
    enum dv_status status = dv_file_read(path, &text, &length);
    if (status != DV_OK)
        return status;
    char note[96];
    size_t note_bytes = (size_t)snprintf(note, sizeof note, "\n[dejavu-bench left %zu bytes out]\n",
                                         length - head - tail);
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): cannot be; the analyser loses track */
    memcpy(text + head, note, note_bytes);
    memmove(text + head + note_bytes, text + length - tail, tail);
    status = dv_file_write_durably(path, text, head + note_bytes + tail);
    free(text);
    return status;
}

/* Restoring descriptors; see descriptors.h.
 *
 * Everything below the lower half's numbers is closed first, so any number that a call returns is
 * free; it is moved to its own at once. Pipes and the new process's 0, 1 and 2 wait above. */
#include "capture/descriptors.h"
#include "capture/descriptors_record.h"
#include "capture/descriptors_special.h"
#include "common/fail.h"
#include "common/io.h"

#include <dejavu/log.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
    uint32_t fd, close_on_exec, same_as, kind, flags;
};

/* One pipe being made again; both ends above the boundary until all descriptors are there. */
struct kept_pipe {
    uint64_t number;
    int ends[2];
    struct kept_pipe *next;
};

/* What waits until all descriptors are there: an epoll's targets, and locks, since closing any
 * other descriptor of a file drops the process's POSIX locks on it. */
struct late {
    struct record record;
    struct dv_blob_reader in; /* where its part of the record begins */
    enum dv_status (*finish)(const struct record *record, struct dv_blob_reader in);
    struct late *next;
};

struct restore {
    struct dv_blob_reader *in;
    int base;
    const struct dv_fd_identity *stdio;
    int kept[DV_INHERITED_COUNT]; /* the new process's; -1: closed */
    struct kept_pipe *pipes;
    struct late *late;
};

static enum dv_status damaged(void)
{
    return dv_fail("capture", DV_ERR_DAMAGED, "the image's list of descriptors is damaged");
}

static enum dv_status cannot(const struct record *record, const char *what, const char *path)
{
    return dv_fail("capture", dv_status_from_errno(errno), "descriptor %u: cannot %s %s: %s",
                   record->fd, what, path, strerror(errno));
}

static enum dv_status keep_stdio(struct restore *r)
{
    for (int i = 0; i < DV_INHERITED_COUNT; i++)
        r->kept[i] = -1;
    for (int i = 0; i < DV_INHERITED_COUNT; i++) {
        r->kept[i] = r->stdio[i].present ? fcntl(i, F_DUPFD_CLOEXEC, r->base) : -1;
        if (r->kept[i] < 0 && r->stdio[i].present && errno != EBADF)
            return dv_fail("capture", DV_ERR_SYSTEM, "cannot keep descriptor %d: %s", i,
                           strerror(errno));
    }
    return DV_OK;
}

/* Only what is open: the range may be wide. */
static enum dv_status close_below(int base)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open /proc/self/fd: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && fd < base && fd != dirfd(directory))
            close(fd);
    }
    closedir(directory);
    return DV_OK;
}

/* Give `fd` its number; `fd` itself is closed if that is another one. */
static enum dv_status place(const struct record *record, int fd)
{
    int wanted = (int)record->fd, cloexec = record->close_on_exec ? O_CLOEXEC : 0;
    enum dv_status status = DV_OK;
    if (fd == wanted) {
        if (fcntl(fd, F_SETFD, record->close_on_exec ? FD_CLOEXEC : 0) != 0)
            status = cannot(record, "set", "its flags");
        return status;
    }
    if (dup3(fd, wanted, cloexec) < 0)
        status = cannot(record, "take", "its number");
    close(fd);
    return status;
}

static enum dv_status place_copy(const struct record *record, int fd)
{
    if (dup3(fd, (int)record->fd, record->close_on_exec ? O_CLOEXEC : 0) < 0)
        return cannot(record, "take", "its number");
    return DV_OK;
}

static enum dv_status set_nonblocking(const struct record *record, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = (flags & ~O_NONBLOCK) | (int)(record->flags & O_NONBLOCK);
    if (flags < 0 || (flags != wanted && fcntl(fd, F_SETFL, wanted) != 0))
        return cannot(record, "set", "its flags");
    return DV_OK;
}

static enum dv_status restore_inherited(struct restore *r, const struct record *record)
{
    uint32_t which = dv_blob_get_u32(r->in);
    if (r->in->failed || which >= DV_INHERITED_COUNT)
        return damaged();
    int fd = r->kept[which];
    if (fd >= 0) {
        enum dv_status status = set_nonblocking(record, fd);
        return status == DV_OK ? place_copy(record, fd) : status;
    }
    dv_warn("capture", "descriptor %u was the launcher's %u, which is closed here; /dev/null it is",
            record->fd, which);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return cannot(record, "open", "/dev/null");
    return place(record, fd);
}

static enum dv_status finish_later(struct restore *r, const struct record *record,
                                   enum dv_status (*finish)(const struct record *record,
                                                            struct dv_blob_reader in))
{
    struct late *late = calloc(1, sizeof *late);
    if (!late)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to restore descriptor %u",
                       record->fd);
    *late = (struct late){*record, *r->in, finish, r->late};
    r->late = late;
    return DV_OK;
}

static enum dv_status lock_again(const struct record *record, uint32_t kind, uint32_t exclusive,
                                 const uint64_t range[2])
{
    int fd = (int)record->fd, result;
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)range[0],
                         .l_len = range[1] == UINT64_MAX ? 0 : (off_t)(range[1] - range[0] + 1)};
    if (kind == DV_FD_LOCK_FLOCK)
        result = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    else
        result = fcntl(fd, kind == DV_FD_LOCK_OFD ? F_OFD_SETLK : F_SETLK, &lock);
    return result == 0 ? DV_OK : cannot(record, "lock again", "the file that was locked");
}

static enum dv_status take_locks(const struct record *record, struct dv_blob_reader in)
{
    uint32_t count = dv_blob_get_u32(&in);
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < count && status == DV_OK; i++) {
        uint32_t kind = dv_blob_get_u32(&in), exclusive = dv_blob_get_u32(&in);
        uint64_t range[2];
        range[0] = dv_blob_get_u64(&in);
        range[1] = dv_blob_get_u64(&in);
        status = in.failed ? damaged() : lock_again(record, kind, exclusive, range);
    }
    return status;
}

/* Pass over the locks now, take them at the end. */
static enum dv_status restore_locks(struct restore *r, const struct record *record)
{
    enum dv_status status = finish_later(r, record, take_locks);
    uint32_t count = dv_blob_get_u32(r->in);
    if (count > DV_FD_LOCKS_MAX)
        return damaged();
    for (uint32_t i = 0; i < count; i++) {
        dv_blob_get_u64(r->in); /* kind and access */
        dv_blob_get_u64(r->in); /* start */
        dv_blob_get_u64(r->in); /* end */
    }
    return r->in->failed ? damaged() : status;
}

static int can_write(const struct record *record)
{
    return (record->flags & O_ACCMODE) != O_RDONLY;
}

static enum dv_status check_size(const struct record *record, int fd, const char *path,
                                 uint64_t size)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return cannot(record, "examine", path);
    if (!S_ISREG(info.st_mode))
        return dv_fail("capture", DV_ERR_MISMATCH, "%s is not a regular file any more", path);
    if ((uint64_t)info.st_size < size)
        return dv_fail("capture", DV_ERR_MISMATCH,
                       "%s has %llu bytes, but had %llu at the checkpoint; put the file back", path,
                       (unsigned long long)info.st_size, (unsigned long long)size);
    /* What was written after the checkpoint will be written again. */
    if ((uint64_t)info.st_size > size && can_write(record) && ftruncate(fd, (off_t)size) != 0)
        return cannot(record, "cut to its size at the checkpoint", path);
    return DV_OK;
}

static enum dv_status seek(const struct record *record, int fd, const char *path, uint64_t position)
{
    if (lseek(fd, (off_t)position, SEEK_SET) < 0 && position != 0)
        return cannot(record, "set the position in", path);
    return DV_OK;
}

static enum dv_status restore_file(struct restore *r, const struct record *record)
{
    const char *path = dv_blob_get_string(r->in);
    uint64_t position = dv_blob_get_u64(r->in), size = dv_blob_get_u64(r->in);
    if (r->in->failed)
        return damaged();
    /* Not to wait if a named pipe has taken the file's place. */
    int fd =
        open(path, (int)(record->flags & DV_FD_OPEN_FLAGS) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cannot(record, "open again", path);
    enum dv_status status = check_size(record, fd, path, size);
    if (status == DV_OK)
        status = set_nonblocking(record, fd);
    if (status == DV_OK)
        status = seek(record, fd, path, position);
    if (status == DV_OK)
        status = restore_locks(r, record);
    if (status == DV_OK)
        return place(record, fd);
    close(fd);
    return status;
}

/* A file without a name, where the old one was if possible. */
static int make_unnamed(const char *path)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    int fd = -1;
    if (slash && strncmp(path, "/memfd:", 7) != 0) {
        slash[slash == directory] = 0;
        fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        fd = memfd_create(slash ? slash + 1 : "file", MFD_CLOEXEC);
    return fd;
}

static enum dv_status fill_unnamed(struct restore *r, const struct record *record, const char *path,
                                   int *fd)
{
    size_t length;
    const void *content = dv_blob_get_bytes(r->in, &length);
    if (r->in->failed)
        return damaged();
    int made = make_unnamed(path);
    if (made < 0)
        return cannot(record, "make a file in place of", path);
    if (length && dv_pwrite_all(made, content, length, 0) != DV_OK) {
        enum dv_status status = cannot(record, "fill a file in place of", path);
        close(made);
        return status;
    }
    *fd = made;
    return DV_OK;
}

static enum dv_status restore_unnamed(struct restore *r, const struct record *record)
{
    const char *path = dv_blob_get_string(r->in);
    uint64_t position = dv_blob_get_u64(r->in);
    uint32_t content_of = dv_blob_get_u32(r->in);
    int made = -1;
    enum dv_status status = DV_OK;
    if (r->in->failed || (content_of != DV_FD_NONE && content_of >= record->fd))
        return damaged();
    if (content_of == DV_FD_NONE)
        status = fill_unnamed(r, record, path, &made);
    if (status != DV_OK)
        return status;
    /* Opened once more through /proc for the access that the application had. */
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d",
             content_of == DV_FD_NONE ? made : (int)content_of);
    int fd =
        open(name, (int)(record->flags & DV_FD_OPEN_FLAGS & ~(uint32_t)O_NOFOLLOW) | O_CLOEXEC);
    if (fd < 0)
        status = cannot(record, "open", path);
    if (made >= 0)
        close(made);
    if (status == DV_OK)
        status = seek(record, fd, path, position);
    if (status == DV_OK)
        status = restore_locks(r, record);
    if (status == DV_OK)
        return place(record, fd);
    if (fd >= 0)
        close(fd);
    return status;
}

static enum dv_status restore_reopened(struct restore *r, const struct record *record)
{
    const char *path = dv_blob_get_string(r->in);
    uint64_t position = dv_blob_get_u64(r->in);
    if (r->in->failed)
        return damaged();
    int fd = open(path, (int)(record->flags & DV_FD_OPEN_FLAGS) | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cannot(record, "open again", path);
    enum dv_status status = seek(record, fd, path, position);
    if (status == DV_OK)
        return place(record, fd);
    close(fd);
    return status;
}

static enum dv_status make_pipe(struct restore *r, const struct record *record, uint64_t number,
                                uint32_t capacity, struct kept_pipe **made)
{
    struct kept_pipe *kept = calloc(1, sizeof *kept);
    if (!kept)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to make a pipe again");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(kept);
        return cannot(record, "make", "a pipe");
    }
    kept->number = number;
    kept->next = r->pipes;
    r->pipes = kept;
    for (int i = 0; i < 2; i++)
        kept->ends[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, r->base);
    close(ends[0]);
    close(ends[1]);
    if (kept->ends[0] < 0 || kept->ends[1] < 0 ||
        fcntl(kept->ends[1], F_SETPIPE_SZ, (int)capacity) < 0)
        return cannot(record, "make", "a pipe");
    *made = kept;
    return DV_OK;
}

static enum dv_status restore_pipe(struct restore *r, const struct record *record)
{
    uint64_t number = dv_blob_get_u64(r->in);
    uint32_t write_end = dv_blob_get_u32(r->in), capacity = dv_blob_get_u32(r->in);
    size_t length;
    const void *content = dv_blob_get_bytes(r->in, &length);
    if (r->in->failed || write_end > 1 || length > capacity)
        return damaged();
    struct kept_pipe *kept = r->pipes;
    while (kept && kept->number != number)
        kept = kept->next;
    enum dv_status status = DV_OK;
    if (!kept)
        status = make_pipe(r, record, number, capacity, &kept);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    if (status == DV_OK && length && dv_write_all(kept->ends[1], content, length) != DV_OK)
        status = cannot(record, "fill", "a pipe");
    if (status == DV_OK)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
        status = set_nonblocking(record, kept->ends[write_end]);
    return status == DV_OK ? place_copy(record, kept->ends[write_end]) : status;
}

static enum dv_status fill_epoll(const struct record *record, struct dv_blob_reader in)
{
    return dv_fd_fill_epoll(in, (int)record->fd);
}

static enum dv_status restore_epoll(struct restore *r, const struct record *record)
{
    enum dv_status status = finish_later(r, record, fill_epoll);
    if (status != DV_OK)
        return status;
    size_t length;
    dv_blob_get_u32(r->in);
    dv_blob_get_bytes(r->in, &length);
    if (r->in->failed)
        return damaged();
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return cannot(record, "make", "an epoll");
    return place(record, fd);
}

static enum dv_status restore_made(struct restore *r, const struct record *record,
                                   enum dv_status (*get)(struct dv_blob_reader *in, uint32_t flags,
                                                         int *fd))
{
    int fd = -1;
    enum dv_status status = get(r->in, record->flags, &fd);
    if (status != DV_OK)
        return status;
    return r->in->failed ? damaged() : place(record, fd);
}

static enum dv_status restore_kind(struct restore *r, const struct record *record)
{
    switch (record->kind) {
    case DV_FD_INHERITED:
        return restore_inherited(r, record);
    case DV_FD_FILE:
        return restore_file(r, record);
    case DV_FD_UNNAMED_FILE:
        return restore_unnamed(r, record);
    case DV_FD_REOPENED:
        return restore_reopened(r, record);
    case DV_FD_PIPE:
        return restore_pipe(r, record);
    case DV_FD_EVENTFD:
        return restore_made(r, record, dv_fd_get_eventfd);
    case DV_FD_TIMERFD:
        return restore_made(r, record, dv_fd_get_timerfd);
    case DV_FD_SIGNALFD:
        return restore_made(r, record, dv_fd_get_signalfd);
    case DV_FD_EPOLL:
        return restore_epoll(r, record);
    default:
        return damaged();
    }
}

static enum dv_status restore_descriptor(struct restore *r)
{
    struct record record = {.fd = dv_blob_get_u32(r->in)};
    record.close_on_exec = dv_blob_get_u32(r->in);
    record.same_as = dv_blob_get_u32(r->in);
    if (r->in->failed || record.fd >= (uint32_t)r->base)
        return damaged();
    if (record.same_as != DV_FD_NONE)
        return record.same_as < record.fd ? place_copy(&record, (int)record.same_as) : damaged();
    record.kind = dv_blob_get_u32(r->in);
    record.flags = dv_blob_get_u32(r->in);
    return r->in->failed ? damaged() : restore_kind(r, &record);
}

static void forget(struct restore *r)
{
    for (int i = 0; i < DV_INHERITED_COUNT; i++)
        if (r->kept[i] >= 0)
            close(r->kept[i]);
    while (r->pipes) {
        struct kept_pipe *next = r->pipes->next;
        for (int i = 0; i < 2; i++)
            if (r->pipes->ends[i] >= 0)
                close(r->pipes->ends[i]);
        free(r->pipes);
        r->pipes = next;
    }
    while (r->late) {
        struct late *next = r->late->next;
        free(r->late);
        r->late = next;
    }
}

enum dv_status dv_descriptors_restore(struct dv_blob_reader *in, int lower_fd_base,
                                      const struct dv_fd_identity *stdio)
{
    struct restore r = {.in = in, .base = lower_fd_base, .stdio = stdio};
    uint32_t count = dv_blob_get_u32(in);
    if (in->failed || count > DV_FD_COUNT_MAX)
        return damaged();
    enum dv_status status = keep_stdio(&r);
    if (status == DV_OK)
        status = close_below(lower_fd_base);
    for (uint32_t i = 0; i < count && status == DV_OK; i++)
        status = restore_descriptor(&r);
    if (status == DV_OK && (in->failed || in->at != in->end))
        status = damaged();
    for (struct late *late = r.late; late && status == DV_OK; late = late->next)
        status = late->finish(&late->record, late->in);
    forget(&r);
    return status;
}

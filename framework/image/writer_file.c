/* The writer's temporary file: made or recycled, filled through a buffer or a kept mapping. */
#include "common/fail.h"
#include "common/io.h"
#include "image/mapping.h"
#include "image/writer.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MODULE "image"
/* From here on, a write of its own costs less than a copy. */
#define DIRECT_BYTES (64u << 10)

enum dv_status dv_writer_failed(struct dv_image_writer *w, uint64_t offset)
{
    int error = errno;
    enum dv_status status = dv_status_from_errno(error);
    if (status == DV_ERR_SYSTEM)
        status = DV_ERR_IO;
    const char *remedy = "";
    if (error == EFBIG)
        remedy = "; raise the limit on file sizes (ulimit -f)";
    else if (status == DV_ERR_NO_SPACE)
        remedy = "; free some space or use another job directory";
    return w->status = dv_fail(MODULE, status, "cannot write %s at offset %llu: %s%s", w->temporary,
                               (unsigned long long)offset, dv_errno_text(error), remedy);
}

enum dv_status dv_writer_check(struct dv_image_writer *w)
{
    if (!w->status && atomic_load_explicit(&w->shared->cancelled, memory_order_relaxed))
        w->status = dv_fail_quietly(DV_ERR_ABORTED, "writing %s was given up", w->temporary);
    return w->status;
}

enum dv_status dv_writer_put_at(struct dv_image_writer *w, const void *bytes, size_t length,
                                uint64_t offset)
{
    if (length == 0)
        return DV_OK;
    if (offset + length <= w->mapped_bytes) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
        memcpy(w->mapped + offset, bytes, length);
        return DV_OK;
    }
    if (offset + length > w->size_limit) {
        errno = EFBIG;
        return dv_writer_failed(w, offset);
    }
    if (dv_pwrite_all(w->fd, bytes, length, offset))
        return dv_writer_failed(w, offset);
    return DV_OK;
}

enum dv_status dv_writer_flush(struct dv_image_writer *w)
{
    size_t length = w->out_used;
    w->out_used = 0;
    return dv_writer_put_at(w, w->out, length, w->offset - length);
}

enum dv_status dv_writer_put(struct dv_image_writer *w, const void *bytes, size_t length)
{
    enum dv_status status = dv_writer_check(w);
    int direct = length >= DIRECT_BYTES || w->offset + length <= w->mapped_bytes;
    if (!status && (direct || w->out_used + length > DV_WRITER_OUT_BYTES))
        status = dv_writer_flush(w);
    if (status)
        return status;
    if (direct) {
        status = dv_writer_put_at(w, bytes, length, w->offset);
    } else if (length) {
        memcpy(w->out + w->out_used, bytes, length);
        w->out_used += length;
    }
    if (!status)
        w->offset += length;
    return status;
}

enum dv_status dv_writer_pad(struct dv_image_writer *w, uint64_t offset)
{
    static const char zeros[DV_DISK_PAGE];
    return offset > w->offset ? dv_writer_put(w, zeros, offset - w->offset) : DV_OK;
}

/* A file that another process is writing must be left alone: it would be renamed under our feet. */
static enum dv_status take_lock(int fd, const char *path)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return DV_OK;
    int error = errno;
    if (error == EWOULDBLOCK)
        return dv_fail(MODULE, DV_ERR_BUSY, "%s is being written by another process", path);
    /* ENOLCK, EOPNOTSUPP: a file system without locks. The job directory has its own lock. */
    dv_debug(MODULE, "%s cannot be locked: %s", path, dv_errno_text(error));
    return DV_OK;
}

/* What an earlier attempt that was killed has left under the temporary name. The lock is held until the name has gone, lest
 * two that clear remove each other's new files. */
enum dv_status dv_writer_clear(struct dv_image_writer *w)
{
    enum dv_status status = DV_OK;
    int fd = open(w->temporary, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return DV_OK;
    if (fd >= 0)
        status = take_lock(fd, w->temporary);
    if (!status && unlink(w->temporary) < 0 && errno != ENOENT) {
        int error = errno;
        status = dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", w->temporary,
                         dv_errno_text(error));
    }
    if (fd >= 0)
        close(fd);
    return status;
}

/* Take an old image over as the new temporary file. That it cannot be had is no error: a new file
 * costs more time. */
static int recycle(struct dv_image_writer *w, const char *old)
{
    struct stat st;
    int fd = open(old, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        dv_debug(MODULE, "%s is not there to be recycled: %s", old, dv_errno_text(errno));
        return -1;
    }
    const char *reason = NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        reason = "not a file of yours";
    else if (st.st_nlink != 1)
        reason = "it has other names";
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        /* A rank that was restored lazily maps it for as long as it runs. */
        dv_debug(MODULE, "%s is in use and not recycled", old);
        close(fd);
        return -1;
    } else if (fchmod(fd, 0600) < 0 || rename(old, w->temporary) < 0)
        reason = dv_errno_text(errno);
    if (!reason)
        return fd;
    dv_warn(MODULE, "cannot recycle %s (%s); writing a new file", old, reason);
    close(fd);
    return -1;
}

enum dv_status dv_writer_open(struct dv_image_writer *w)
{
    enum dv_status status = dv_writer_clear(w);
    if (status)
        return w->status = status;
    if (w->recycle[0])
        w->fd = recycle(w, w->recycle);
    if (w->fd >= 0) {
        w->created = 1;
        /* Kept mappings belong to the process that made them, and their list has a lock. */
        if (!w->forked)
            w->mapped = dv_mapping_take(w->fd, &w->mapped_bytes);
        if (!w->mapped)
            w->mapped_bytes = 0;
        return DV_OK;
    }
    w->fd = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    w->created = w->fd >= 0;
    if (w->fd < 0 || fchmod(w->fd, 0600) < 0) {
        int error = errno;
        return w->status = dv_fail(MODULE, dv_status_from_errno(error), "cannot create %s: %s",
                                   w->temporary, dv_errno_text(error));
    }
    return w->status = take_lock(w->fd, w->temporary);
}

/* Magic numbers that linux/magic.h of this Debian lacks. */
#define LUSTRE_MAGIC 0x0bd00bd0
#define CIFS_MAGIC 0xff534d42u
#define GPFS_MAGIC 0x47504653

double dv_writer_store_ps(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return 500;
    switch ((unsigned long)fs.f_type & 0xffffffffu) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
        return 200; /* 5 GB/s */
    case NFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case CIFS_MAGIC:
    case CEPH_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case V9FS_MAGIC:
    case LUSTRE_MAGIC:
    case GPFS_MAGIC:
        return 2000; /* 0.5 GB/s: shared with others */
    default:
        return 500; /* 2 GB/s */
    }
}

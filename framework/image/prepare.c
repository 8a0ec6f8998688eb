/* Spare images made ready while the application runs, so that the next checkpoint finds memory that
 * is allocated and mapped: allocating it costs several times as much as filling it. */
#include "common/background.h"
#include "common/io.h"
#include "image/image.h"
#include "image/mapping.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MODULE "image"
#define STEP_BYTES                                                                                 \
    (1u << 20) /* between two looks at `halts`: a writer waits for one step at most */

static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static atomic_int halts; /* writers that are being opened */

/* At most half of the room that is left, and within the limit on file sizes (beyond which a write
 * raises a signal in the application). */
static int may_grow(int fd, uint64_t from, uint64_t to)
{
    struct statfs fs;
    struct rlimit limit;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        return 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && to > limit.rlim_cur)
        return 0;
    return to <= from || (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / 2 > to - from;
}

static int is_on_tmpfs(const char *directory)
{
    struct statfs fs;
    return statfs(directory, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int open_spare(const char *directory, const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (dv_make_directory_private(directory) != DV_OK)
        return -1;
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int must_stop(void)
{
    return atomic_load(&halts) > 0 || dv_background_halted();
}

/* Zeros up to `bytes`. What was written before a halt or a full disk is of use too. */
static void grow(int fd, const char *path, uint64_t at, uint64_t bytes)
{
    static const char zeros[STEP_BYTES];
    while (at < bytes && !must_stop()) {
        size_t length = bytes - at < STEP_BYTES ? (size_t)(bytes - at) : STEP_BYTES;
        if (dv_pwrite_all(fd, zeros, length, at) != DV_OK) {
            dv_debug(MODULE, "%s is made ready up to %llu bytes: %s", path, (unsigned long long)at,
                     strerror(errno));
            return;
        }
        at += length;
    }
}

/* Is it ours alone, and still there? Pruning may have put another file in its place. */
static int is_usable(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
           st->st_nlink == 1;
}

static void prepare(const char *directory, const char *path, uint64_t bytes)
{
    struct stat st;
    int fd = open_spare(directory, path);
    if (fd < 0) {
        dv_debug(MODULE, "%s cannot be made ready: %s", path, strerror(errno));
        return;
    }
    if (is_usable(fd, &st) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        if (may_grow(fd, (uint64_t)st.st_size, bytes))
            grow(fd, path, (uint64_t)st.st_size, bytes);
        if (atomic_load(&halts) == 0 && is_usable(fd, &st))
            dv_mapping_keep(fd);
        flock(fd, LOCK_UN);
    }
    close(fd);
}

void dv_image_prepare(const char *directory, const char *name, uint64_t bytes)
{
    char path[PATH_MAX], parent[PATH_MAX];
    const char *slash = strrchr(directory, '/');
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof path || !slash)
        return;
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - directory), directory);
    if (!is_on_tmpfs(parent)) /* before anything is made */
        return;
    pthread_mutex_lock(&busy);
    if (!must_stop())
        prepare(directory, path, bytes);
    pthread_mutex_unlock(&busy);
}

void dv_image_prepare_halt(void)
{
    atomic_fetch_add(&halts, 1);
    pthread_mutex_lock(&busy);
    pthread_mutex_unlock(&busy);
}

void dv_image_prepare_go_on(void)
{
    atomic_fetch_sub(&halts, 1);
}

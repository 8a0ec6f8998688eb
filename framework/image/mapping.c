/* Images on tmpfs that stay mapped between epochs. */
#include "image/mapping.h"

#include "image/format.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAX_MAPPINGS 8
#define FAULT_AROUND_BYTES 65536u /* the kernel maps this much around a read fault */

struct mapping {
    void *base; /* NULL: the entry is free */
    size_t length, populated;
    dev_t device;
    ino_t inode;
    int fd; /* keeps telling whether the file still has a name */
    uint64_t last_use;
    int taken;
};

static struct mapping mappings[MAX_MAPPINGS];
static uint64_t uses;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void drop(struct mapping *m)
{
    struct stat st;
    munmap(m->base, m->length);
    /* Should the application have closed our descriptor, the number may be its own by now. */
    if (fstat(m->fd, &st) == 0 && st.st_dev == m->device && st.st_ino == m->inode)
        close(m->fd);
    memset(m, 0, sizeof *m);
}

static int is_stale(const struct mapping *m)
{
    struct stat st;
    return fstat(m->fd, &st) < 0 || st.st_dev != m->device || st.st_ino != m->inode ||
           st.st_nlink == 0;
}

static struct mapping *find(const struct stat *st)
{
    for (int i = 0; i < MAX_MAPPINGS; i++)
        if (mappings[i].base && mappings[i].device == st->st_dev && mappings[i].inode == st->st_ino)
            return &mappings[i];
    return NULL;
}

/* An entry for a new mapping, at the cost of the one not used for longest; NULL if all are taken.
 */
static struct mapping *free_entry(void)
{
    struct mapping *oldest = NULL;
    for (int i = 0; i < MAX_MAPPINGS; i++) {
        if (!mappings[i].base)
            return &mappings[i];
        if (!mappings[i].taken && (!oldest || mappings[i].last_use < oldest->last_use))
            oldest = &mappings[i];
    }
    if (oldest)
        drop(oldest);
    return oldest;
}

/* tmpfs counts the pages that exist: as many as the size says means that there is no hole. */
static int has_no_hole(const struct stat *st)
{
    uint64_t pages = ((uint64_t)st->st_size + DV_DISK_PAGE - 1) / DV_DISK_PAGE;
    return (uint64_t)st->st_blocks * 512u >= pages * DV_DISK_PAGE;
}

void *dv_mapping_take(int fd, size_t *usable)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size <= 0 || !has_no_hole(&st))
        return NULL;
    void *base = NULL;
    pthread_mutex_lock(&lock);
    struct mapping *m = find(&st);
    if (m && !m->taken) {
        size_t size = (size_t)st.st_size;
        base = m->base;
        *usable = size < m->populated ? size : m->populated;
        m->taken = 1;
        m->last_use = ++uses;
    }
    pthread_mutex_unlock(&lock);
    return base;
}

void dv_mapping_release(void *base)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_MAPPINGS; i++)
        if (mappings[i].base == base)
            mappings[i].taken = 0;
    pthread_mutex_unlock(&lock);
}

static struct mapping *map_anew(int fd, const struct stat *st)
{
    struct mapping *m = free_entry();
    if (!m)
        return NULL;
    /* Room to grow: what lies beyond the end of the file is not touched, so it costs nothing. */
    size_t length = (size_t)st->st_size + (size_t)st->st_size / 4 + (16u << 20);
    length &= ~(size_t)(DV_DISK_PAGE - 1);
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        dv_debug("image", "an image is not kept mapped: mmap of %zu bytes: %s", length,
                 strerror(errno));
        return NULL;
    }
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, fd);
    if (kept < 0) {
        munmap(base, length);
        return NULL;
    }
    madvise(base, length, MADV_DONTFORK);
    madvise(base, length, MADV_DONTDUMP);
    *m = (struct mapping){
        .base = base, .length = length, .device = st->st_dev, .inode = st->st_ino, .fd = kept};
    return m;
}

/* Read faults map 16 pages at a time, and tmpfs pages are mapped writable at once: a quarter of the
 * cost of write faults. */
static void populate(struct mapping *m, size_t size)
{
    const volatile char *base = m->base;
    size_t from = m->populated & ~(size_t)(FAULT_AROUND_BYTES - 1);
    for (size_t at = from; at < size; at += FAULT_AROUND_BYTES)
        (void)base[at];
    m->populated = size;
}

void dv_mapping_keep(int fd)
{
    struct statfs fs;
    struct stat st;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC || fstat(fd, &st) < 0 || st.st_size <= 0 ||
        !has_no_hole(&st))
        return;
    pthread_mutex_lock(&lock);
    struct mapping *m = find(&st);
    size_t size = (size_t)st.st_size;
    if (m && m->taken)
        goto out_unlock;
    if (m && size > m->length) {
        drop(m);
        m = NULL;
    }
    if (!m)
        m = map_anew(fd, &st);
    if (m) {
        /* A file that was cut meanwhile lost the pages behind its end. */
        if (m->populated > size)
            m->populated = size;
        populate(m, size);
        m->last_use = ++uses;
    }
out_unlock:
    pthread_mutex_unlock(&lock);
}

void dv_mapping_trim(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_MAPPINGS; i++)
        if (mappings[i].base && !mappings[i].taken && is_stale(&mappings[i]))
            drop(&mappings[i]);
    pthread_mutex_unlock(&lock);
}

void dv_mapping_drop_all(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_MAPPINGS; i++)
        if (mappings[i].base && !mappings[i].taken)
            drop(&mappings[i]);
    pthread_mutex_unlock(&lock);
}

#include "capture/held.h"

#include "capture/regions.h"
#include "common/fail.h"
#include "store/files.h"

#include <dejavu/log.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MOST_FILES 4096u

struct held {
    uint64_t device, inode;
    off_t size;
    struct timespec changed;       /* st_ctim: tells every write, but through shared mappings */
    char name[DV_FILE_NAME_BYTES]; /* "": cannot be kept */
};

static struct {
    pthread_mutex_t lock;
    struct held *files[MOST_FILES]; /* never freed: names are handed out */
    size_t count;
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int is_same(const struct held *file, const struct stat *st)
{
    return file->inode == st->st_ino && file->size == st->st_size &&
           file->changed.tv_sec == st->st_ctim.tv_sec &&
           file->changed.tv_nsec == st->st_ctim.tv_nsec;
}

/* Is this the file that is mapped? A path may name another one by now. */
static int is_mapped(const struct dv_region *region, const struct stat *st)
{
    uint64_t device = (uint64_t)major(st->st_dev) << 32 | minor(st->st_dev);
    return S_ISREG(st->st_mode) && st->st_ino == region->inode && device == region->device;
}

static const struct held *find(const struct dv_region *region, const struct stat *st)
{
    const struct held *found = NULL;
    pthread_mutex_lock(&held.lock);
    for (size_t i = held.count; i-- > 0 && !found;)
        if (held.files[i]->device == region->device && is_same(held.files[i], st))
            found = held.files[i];
    pthread_mutex_unlock(&held.lock);
    return found;
}

static void note(const struct held *file)
{
    struct held *copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = *file;
    pthread_mutex_lock(&held.lock);
    if (held.count < MOST_FILES)
        held.files[held.count++] = copy;
    else
        free(copy);
    pthread_mutex_unlock(&held.lock);
}

static void keep(const char *job, const struct dv_region *region)
{
    struct stat before, after;
    int fd = open(region->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (fstat(fd, &before) == 0 && is_mapped(region, &before) && !find(region, &before)) {
        struct held file = {.device = region->device,
                            .inode = region->inode,
                            .size = before.st_size,
                            .changed = before.st_ctim};
        if (dv_files_keep(job, fd, region->path, file.name) != DV_OK)
            file.name[0] = '\0';
        if (fstat(fd, &after) == 0 && is_same(&file, &after))
            note(&file);
    }
    close(fd);
}

void dv_held_note(int fd, const char *name)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return;
    struct held file = {.device = (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev),
                        .inode = st.st_ino,
                        .size = st.st_size,
                        .changed = st.st_ctim};
    snprintf(file.name, sizeof file.name, "%s", name);
    note(&file);
}

/* Writes through a shared mapping do not change st_ctim each time, and may come while the file is copied. */
static int is_shared_too(const struct dv_maps *maps, const struct dv_region *region)
{
    for (size_t i = 0; i < maps->count; i++)
        if (maps->kinds[i] == DV_MAP_SHARED_FILE && maps->regions[i].inode == region->inode &&
            maps->regions[i].device == region->device)
            return 1;
    return 0;
}

void dv_held_prepare(const char *job)
{
    struct dv_maps maps;
    if (dv_maps_read(&maps) != DV_OK)
        return;
    for (size_t i = 0; i < maps.count; i++)
        if (maps.kinds[i] == DV_MAP_PRIVATE && (maps.regions[i].flags & DV_REGION_FILE) &&
            !is_shared_too(&maps, &maps.regions[i]))
            keep(job, &maps.regions[i]);
    dv_maps_free(&maps);
}

const char *dv_held_find(const struct dv_maps *maps, const struct dv_region *region)
{
    struct stat st;
    if (is_shared_too(maps, region) || stat(region->path, &st) != 0 || !is_mapped(region, &st))
        return NULL;
    const struct held *file = find(region, &st);
    return file && file->name[0] ? file->name : NULL;
}

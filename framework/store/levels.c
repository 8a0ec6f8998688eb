/* Redundancy between nodes: what all levels have in common. */
#include "common/fail.h"
#include "common/io.h"
#include "image/image.h"
#include "store/levels_internal.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define MODULE "store"

/* ---- places --------------------------------------------------------------- */

static enum dv_status check_counts(const struct dv_place *p)
{
    const char *name = dv_level_name(p->level);
    if (p->level == DV_LEVEL_SHARED && p->node_count)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "--nodes has no meaning with --level shared; give --level memory, disk, "
                       "partner or rs");
    if (p->level != DV_LEVEL_SHARED && !p->node_count)
        return dv_fail(MODULE, DV_ERR_USAGE, "--level %s needs --nodes", name);
    if (p->node_count > DV_MOST_NODES)
        return dv_fail(MODULE, DV_ERR_USAGE, "--nodes: %" PRIu32 " are more than %u", p->node_count,
                       DV_MOST_NODES);
    if (p->level == DV_LEVEL_PARTNER && p->node_count < 2)
        return dv_fail(MODULE, DV_ERR_USAGE, "--level partner needs two nodes at least");
    if (p->level == DV_LEVEL_RS && (p->parity == 0 || p->parity >= p->node_count))
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "--level rs: --parity must be from 1 to %" PRIu32 " with %" PRIu32 " node%s",
                       p->node_count ? p->node_count - 1 : 0, p->node_count,
                       p->node_count == 1 ? "" : "s");
    return DV_OK;
}

static bool is_in_memory(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* The directory that the user named; others may share it (/dev/shm). */
static enum dv_status check_named(const struct dv_place *p, const char *path, struct stat *st)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return dv_fail(MODULE, DV_ERR_USAGE, "--nodes: cannot make %s: %s", path,
                       dv_errno_text(errno));
    if (stat(path, st) != 0 || !S_ISDIR(st->st_mode))
        return dv_fail(MODULE, DV_ERR_USAGE, "--nodes: %s is not a directory", path);
    if (p->level == DV_LEVEL_MEMORY && !is_in_memory(path))
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "--level memory: %s is not in memory (tmpfs); give --level disk, or a "
                       "directory in /dev/shm",
                       path);
    return DV_OK;
}

enum dv_status dv_level_check(const struct dv_place *place, char *const *named)
{
    struct stat st[DV_MOST_NODES] = {0};
    enum dv_status status = check_counts(place);
    for (uint32_t i = 0; i < place->node_count && !status; i++) {
        status = check_named(place, named[i], &st[i]);
        for (uint32_t j = 0; j < i && !status; j++)
            if (st[i].st_dev == st[j].st_dev && st[i].st_ino == st[j].st_ino)
                status = dv_fail(MODULE, DV_ERR_USAGE,
                                 "--nodes: %s and %s are the same directory, so not two nodes",
                                 named[j], named[i]);
    }
    return status;
}

static enum dv_status make_below(const char *base, const char *name)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return dv_make_directory_private(path);
}

/* A node's directory may be lost together with what the user named, and even above. */
static enum dv_status make_root(const char *root)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", root);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return dv_fail(MODULE, dv_status_from_errno(errno), "cannot make directory %s: %s",
                           path, dv_errno_text(errno));
        *slash = '/';
    }
    enum dv_status status = dv_make_directory_private(root);
    if (!status)
        status = make_below(root, "epochs");
    return status ? status : make_below(root, "spare");
}

enum dv_status dv_level_make_roots(const struct dv_place *place)
{
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < place->node_count && !status; i++)
        status = make_root(place->node[i]);
    return status;
}

static enum dv_status make_anew(const char *base, uint64_t epoch)
{
    char path[PATH_MAX];
    dv_epoch_directory(base, epoch, path, sizeof path);
    enum dv_status status = dv_remove_tree(path);
    return status ? status : dv_make_directory_private(path);
}

enum dv_status dv_level_make_epoch(const char *job, const struct dv_place *place, uint64_t epoch)
{
    /* A node's directory may have been lost since the last epoch. */
    enum dv_status status = dv_level_make_roots(place);
    if (!status)
        status = make_anew(job, epoch);
    for (uint32_t i = 0; i < place->node_count && !status; i++)
        status = make_anew(place->node[i], epoch);
    return status;
}

enum dv_status dv_level_remove_epoch(const char *job, const struct dv_place *place, uint64_t epoch)
{
    char path[PATH_MAX], manifest[PATH_MAX + 16];
    enum dv_status first = DV_OK;
    /* A commit that failed late may have left one; without it a kill from here on leaves no epoch that is half there. */
    dv_epoch_directory(job, epoch, path, sizeof path);
    snprintf(manifest, sizeof manifest, "%s/manifest", path);
    if (unlink(manifest) != 0 && errno != ENOENT)
        first = dv_fail(MODULE, dv_status_from_errno(errno), "cannot remove %s: %s", manifest,
                        dv_errno_text(errno));
    for (uint32_t i = 0; i <= place->node_count; i++) {
        dv_epoch_directory(i < place->node_count ? place->node[i] : job, epoch, path, sizeof path);
        enum dv_status status = dv_remove_tree(path);
        first = first ? first : status;
    }
    return first;
}

/* ---- helpers -------------------------------------------------------------- */

void dv_level_path(const struct dv_manifest *m, uint32_t node, const char *name, char *path,
                   size_t path_bytes)
{
    char directory[PATH_MAX];
    dv_epoch_directory(m->place.node[node], m->epoch, directory, sizeof directory);
    int n = snprintf(path, path_bytes, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= path_bytes)
        path[0] = '\0'; /* opening it will fail */
}

void dv_level_image_path(const struct dv_manifest *m, uint32_t rank, char *path, size_t path_bytes)
{
    char name[64];
    dv_store_image_name(rank, m->generation, name, sizeof name);
    dv_level_path(m, dv_place_node(&m->place, rank, m->ranks), name, path, path_bytes);
}

bool dv_level_image_is_good(const struct dv_manifest *m, uint32_t rank, const char *path, bool deep)
{
    struct dv_image_reader *reader = NULL;
    if (access(path, F_OK) != 0) {
        dv_info(MODULE, "%s is lost: %s", path, dv_errno_text(errno));
        return false;
    }
    if (dv_image_reader_open(path, &reader) != DV_OK)
        return false;
    bool good = dv_manifest_fits(m, rank, path, reader) == DV_OK &&
                (!deep || dv_image_reader_verify(reader) == DV_OK);
    dv_image_reader_close(reader);
    return good;
}

enum dv_status dv_level_make_directory(const struct dv_manifest *m, uint32_t node)
{
    char path[PATH_MAX];
    enum dv_status status = make_root(m->place.node[node]);
    dv_epoch_directory(m->place.node[node], m->epoch, path, sizeof path);
    return status ? status : dv_make_directory_private(path);
}

void dv_level_name_nodes(const struct dv_manifest *m, const bool *marked, char *text,
                         size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < m->place.node_count; i++) {
        if (!marked[i])
            continue;
        int n = snprintf(text + used, text_bytes - used, "%snode %" PRIu32 " (%s)",
                         used ? ", " : "", i, m->place.node[i]);
        if (n < 0 || (size_t)n >= text_bytes - used)
            break;
        used += (size_t)n;
    }
}

enum dv_status dv_level_finish_file(int fd, const char *path)
{
    char temporary[PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int error = fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error && rename(temporary, path) != 0)
        error = errno;
    if (!error)
        return DV_OK;
    unlink(temporary);
    return dv_fail(MODULE, dv_status_from_errno(error), "cannot make %s durable: %s", path,
                   dv_errno_text(error));
}

enum dv_status dv_level_sync(const struct dv_manifest *m)
{
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < m->place.node_count && !status; i++) {
        char directory[PATH_MAX];
        dv_epoch_directory(m->place.node[i], m->epoch, directory, sizeof directory);
        status = dv_sync_directory(directory);
    }
    return status;
}

/* ---- making and using redundancy ------------------------------------------ */

enum dv_status dv_level_protect(const struct dv_manifest *m)
{
    switch (m->place.level) {
    case DV_LEVEL_PARTNER:
        return dv_partner_protect(m);
    case DV_LEVEL_RS:
        return dv_rs_protect(m);
    default:
        return DV_OK;
    }
}

static enum dv_status rebuild_epoch(const struct dv_manifest *m, bool deep, unsigned *rebuilt)
{
    char path[PATH_MAX];
    enum dv_status status = DV_OK;
    unsigned before = *rebuilt;
    bool *good = calloc(m->ranks, sizeof *good);
    if (!good)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot check epoch %" PRIu64 ": out of memory",
                       m->epoch);
    for (uint32_t r = 0; r < m->ranks; r++) {
        dv_level_image_path(m, r, path, sizeof path);
        good[r] = dv_level_image_is_good(m, r, path, deep);
    }
    for (uint32_t i = 0; i < m->place.node_count && !status; i++)
        status = dv_level_make_directory(m, i);
    if (!status)
        status = m->place.level == DV_LEVEL_RS ? dv_rs_rebuild(m, good, deep, rebuilt)
                                               : dv_partner_rebuild(m, good, deep, rebuilt);
    free(good);
    if (*rebuilt > before)
        dv_info(MODULE, "epoch %" PRIu64 ": %u lost or damaged file%s rebuilt", m->epoch,
                *rebuilt - before, *rebuilt - before == 1 ? "" : "s");
    return status;
}

enum dv_status dv_level_rebuild(const char *job, uint64_t epoch, int deep, unsigned *rebuilt)
{
    enum dv_status status = DV_OK;
    *rebuilt = 0;
    while (epoch && !status) {
        struct dv_manifest m;
        status = dv_manifest_read(job, epoch, &m);
        if (status)
            return status;
        if (m.place.level == DV_LEVEL_PARTNER || m.place.level == DV_LEVEL_RS)
            status = rebuild_epoch(&m, deep, rebuilt);
        epoch = m.parent_epoch;
        dv_manifest_free(&m);
    }
    return status;
}

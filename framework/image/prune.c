/* Pruning: old epochs go, their images' blocks are kept for the next ones.
 *
 * An epoch dies in this order, so that a kill at any point leaves either a whole committed epoch or
 * one that the next prune takes for never committed: its manifest is removed and the directory
 * synced; its images are renamed into spare/ (or removed if there is one for the rank already); the
 * directory goes. Nothing is touched before all manifests have been read. */
#include "common/fail.h"
#include "common/io.h"
#include "image/epochs.h"
#include "image/manifest.h"

#include <dejavu/log.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "manifest"

enum verdict { KEEP, REMOVE_COMMITTED, REMOVE_UNCOMMITTED };

struct epoch {
    uint64_t number, parent;
    enum dv_status state; /* of its manifest: DV_OK, DV_ERR_NOT_FOUND, DV_ERR_DAMAGED */
    enum verdict verdict;
};

static enum dv_status read_epochs(const char *job, struct epoch **epochs, size_t *count)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    enum dv_status status = dv_epochs_scan(job, &numbers, &n);
    if (status)
        return status;
    struct epoch *list = calloc(n ? n : 1, sizeof *list);
    if (!list) {
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot prune %s: out of memory", job);
        goto out_free;
    }
    for (size_t i = 0; i < n; i++) {
        struct dv_manifest m;
        enum dv_status state = dv_manifest_read(job, numbers[i], &m);
        if (state && state != DV_ERR_NOT_FOUND && state != DV_ERR_DAMAGED) {
            status = state;
            free(list);
            goto out_free;
        }
        list[i] = (struct epoch){.number = numbers[i], .state = state};
        if (state == DV_OK) {
            list[i].parent = m.parent_epoch;
            dv_manifest_free(&m);
        }
    }
    *epochs = list;
    *count = n;
out_free:
    free(numbers);
    return status;
}

/* An epoch that is kept needs its parent, and that one its own. Parents are older: one pass from
 * the newest on. */
static void keep_parents(struct epoch *epochs, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (epochs[i].verdict != KEEP || epochs[i].state != DV_OK || !epochs[i].parent)
            continue;
        for (size_t j = 0; j < i; j++)
            if (epochs[j].number == epochs[i].parent)
                epochs[j].verdict = KEEP;
    }
}

static void judge(struct epoch *epochs, size_t count, unsigned keep)
{
    unsigned good = 0;
    for (size_t i = count; i-- > 0;) {
        struct epoch *e = &epochs[i];
        if (e->state == DV_ERR_NOT_FOUND)
            e->verdict = REMOVE_UNCOMMITTED;
        else
            /* A damaged one among the newest is left for a person to look at; it does not count as
             * good. */
            e->verdict = good < keep ? KEEP : REMOVE_COMMITTED;
        good += e->state == DV_OK;
    }
    keep_parents(epochs, count);
}

/* "rank-3.dvi" or "rank-3.dvi.tmp" -> "rank-3.dvi"; 0: not an image. */
static int spare_name(const char *name, char *spare, size_t spare_bytes)
{
    unsigned rank = 0;
    char tail[16] = "";
    if (sscanf(name, "rank-%9u.%15s", &rank, tail) != 2 ||
        (strcmp(tail, "dvi") != 0 && strcmp(tail, "dvi.tmp") != 0))
        return 0;
    snprintf(spare, spare_bytes, "rank-%u.dvi", rank);
    return 1;
}

/* Move one image to spare/, unless there is one already: then it goes. */
static enum dv_status retire(const char *job, const char *path, const char *name)
{
    char spare[64], target[PATH_MAX + 80];
    struct stat st;
    if (!spare_name(name, spare, sizeof spare))
        return dv_remove_tree(path);
    snprintf(target, sizeof target, "%s/spare/%s", job, spare);
    if (lstat(target, &st) == 0 || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return dv_remove_tree(path);
    if (rename(path, target) < 0) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot move %s to %s: %s", path,
                       target, strerror(error));
    }
    return DV_OK;
}

static enum dv_status empty_directory(const char *job, const char *directory)
{
    DIR *d = opendir(directory);
    if (!d) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot list %s: %s", directory,
                       strerror(error));
    }
    enum dv_status status = DV_OK;
    struct dirent *entry;
    while (!status && (errno = 0, entry = readdir(d)) != NULL) {
        char path[PATH_MAX + NAME_MAX + 2];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        status = retire(job, path, entry->d_name);
    }
    closedir(d);
    return status;
}

static enum dv_status remove_epoch(const char *job, const struct epoch *e)
{
    char directory[PATH_MAX], manifest[PATH_MAX + 16];
    dv_epoch_directory(job, e->number, directory, sizeof directory);
    if (e->verdict == REMOVE_COMMITTED) {
        snprintf(manifest, sizeof manifest, "%s/manifest", directory);
        if (unlink(manifest) < 0 && errno != ENOENT) {
            int error = errno;
            return dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", manifest,
                           strerror(error));
        }
        enum dv_status status = dv_sync_directory(directory);
        if (status)
            return status;
    }
    enum dv_status status = empty_directory(job, directory);
    if (!status && rmdir(directory) < 0 && errno != ENOENT) {
        int error = errno;
        status = dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", directory,
                         strerror(error));
    }
    return status;
}

enum dv_status dv_manifest_prune(const char *job, unsigned keep)
{
    struct epoch *epochs = NULL;
    size_t count = 0;
    char spare[PATH_MAX];
    if (keep == 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "at least one epoch must be kept");
    enum dv_status status = read_epochs(job, &epochs, &count);
    if (status)
        return status;
    judge(epochs, count, keep);
    snprintf(spare, sizeof spare, "%s/spare", job);
    size_t doomed = 0;
    for (size_t i = 0; i < count; i++)
        doomed += epochs[i].verdict != KEEP;
    if (doomed)
        status = dv_make_directory_private(spare);
    for (size_t i = 0; i < count && !status; i++)
        if (epochs[i].verdict != KEEP)
            status = remove_epoch(job, &epochs[i]);
    free(epochs);
    return status;
}

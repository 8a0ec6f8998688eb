/* Files of the store removed, or kept for recycling. */
#include "store/remove.h"

#include "common/fail.h"
#include "common/io.h"
#include "store/epochs.h"
#include "store/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "store"

static bool ends_with(const char *name, const char *tail)
{
    size_t length = strlen(name), tail_length = strlen(tail);
    return length >= tail_length && strcmp(name + length - tail_length, tail) == 0;
}

/* "rank-3.dvi", "rank-3.g1.dvi" or such a name with ".tmp" -> "rank-3.dvi"; false: not an image. */
static bool spare_name(const char *name, char *spare, size_t spare_bytes)
{
    char plain[NAME_MAX + 1];
    uint32_t rank, generation;
    snprintf(plain, sizeof plain, "%s", name);
    if (ends_with(plain, ".tmp"))
        plain[strlen(plain) - 4] = '\0';
    if (!dv_store_parse_name(plain, &rank, &generation))
        return false;
    dv_store_image_name(rank, 0, spare, spare_bytes);
    return true;
}

static enum dv_status discard(struct dv_remove *remove, const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0) {
        remove->pruned.files++;
        remove->pruned.bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    }
    return dv_remove_tree(path);
}

/* Move one image to spare/, unless there is one already: then it goes. */
static enum dv_status retire(struct dv_remove *remove, const char *path, const char *name)
{
    char spare[64], directory[PATH_MAX + 8], target[PATH_MAX + 80];
    struct stat st;
    if (!remove->recycle || !spare_name(name, spare, sizeof spare))
        return discard(remove, path);
    snprintf(directory, sizeof directory, "%s/spare", remove->base);
    snprintf(target, sizeof target, "%s/%s", directory, spare);
    if (lstat(target, &st) == 0 || lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
        return discard(remove, path);
    enum dv_status status = dv_make_directory_private(directory);
    if (!status && rename(path, target) < 0) {
        int error = errno;
        status = dv_fail(MODULE, dv_status_from_errno(error), "cannot move %s to %s: %s", path,
                         target, strerror(error));
    }
    return status;
}

/* Is the file of an epoch that stays one that it does not need? */
static bool is_stale(const char *name, uint32_t generation)
{
    static const char *const forms[] = {"rank-%*[0-9].g%9" SCNu32 ".dvi",
                                        "copy-%*[0-9].g%9" SCNu32 ".dvi",
                                        "parity.g%9" SCNu32 ".dvp"};
    uint32_t rank, own = 0;
    if (ends_with(name, ".tmp"))
        return true;
    if (dv_store_parse_name(name, &rank, &own))
        return own != generation;
    if (strncmp(name, "copy-", 5) != 0 && strncmp(name, "parity.", 7) != 0)
        return false;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (sscanf(name, forms[i], &own) == 1)
            break;
    return own != generation;
}

/* All names in a directory but . and ..; `stale_of` NULL: every one, else those that are stale. */
static enum dv_status empty(struct dv_remove *remove, const char *directory,
                            const uint32_t *stale_of)
{
    DIR *d = opendir(directory);
    if (!d) {
        int error = errno;
        if (error == ENOENT)
            return DV_OK;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot list %s: %s", directory,
                       strerror(error));
    }
    enum dv_status status = DV_OK;
    struct dirent *entry;
    while (!status && (errno = 0, entry = readdir(d)) != NULL) {
        char path[PATH_MAX + NAME_MAX + 2];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            (stale_of && !is_stale(entry->d_name, *stale_of)))
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        status = retire(remove, path, entry->d_name);
    }
    closedir(d);
    return status;
}

enum dv_status dv_remove_epoch(struct dv_remove *remove, const char *directory)
{
    enum dv_status status = empty(remove, directory, NULL);
    if (!status && rmdir(directory) < 0 && errno != ENOENT) {
        int error = errno;
        status = dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", directory,
                         strerror(error));
    }
    return status;
}

enum dv_status dv_remove_stale(struct dv_remove *remove, const char *directory, uint32_t generation)
{
    return empty(remove, directory, &generation);
}

enum dv_status dv_remove_spares(struct dv_remove *remove, const char *base)
{
    char directory[PATH_MAX + 8];
    snprintf(directory, sizeof directory, "%s/spare", base);
    remove->base = base;
    remove->recycle = false;
    return empty(remove, directory, NULL);
}

/* A write lease is granted only on a file that nobody else has open (where there are leases; elsewhere the lock of the
 * supervisor has to do). */
static bool is_open_elsewhere(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool open_elsewhere = fcntl(fd, F_SETLEASE, F_WRLCK) != 0 && errno == EAGAIN;
    if (!open_elsewhere)
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    close(fd);
    return open_elsewhere;
}

static enum dv_status check_directory(const char *directory)
{
    DIR *d = opendir(directory);
    struct dirent *entry;
    enum dv_status status = DV_OK;
    while (d && !status && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX + NAME_MAX + 2];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (ends_with(entry->d_name, ".tmp") && is_open_elsewhere(path))
            status = dv_fail(MODULE, DV_ERR_BUSY,
                             "%s is being written by a process that is still alive; try again when "
                             "it has ended",
                             path);
    }
    if (d)
        closedir(d);
    return status;
}

enum dv_status dv_remove_check_writers(const char *base)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    if (access(base, F_OK) != 0 && errno == ENOENT)
        return DV_OK;
    enum dv_status status = dv_epochs_scan(base, &numbers, &n);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++) {
        char directory[PATH_MAX];
        dv_epoch_directory(base, numbers[i], directory, sizeof directory);
        status = check_directory(directory);
    }
    free(numbers);
    return status;
}

#include "store/files.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "files"

/* The file's bytes, mapped, under the name that they have. */
struct contents {
    const void *bytes;
    size_t length;
    char name[DV_FILE_NAME_BYTES];
};

static void let_go(struct contents *c)
{
    if (c->length)
        munmap((void *)(uintptr_t)c->bytes, c->length);
}

static enum dv_status take_in(int fd, const char *path, struct contents *c)
{
    *c = (struct contents){.bytes = ""};
    struct stat st;
    uint64_t digest[2];
    if (fstat(fd, &st) != 0)
        return dv_fail(MODULE, DV_ERR_IO, "cannot examine %s: %s", path, strerrordesc_np(errno));
    c->length = (size_t)st.st_size;
    if (c->length) {
        void *bytes = mmap(NULL, c->length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (bytes == MAP_FAILED) {
            c->length = 0;
            return dv_fail(MODULE, DV_ERR_IO, "cannot read %s: %s", path, strerrordesc_np(errno));
        }
        c->bytes = bytes;
    }
    dv_checksum128(c->bytes, c->length, digest);
    snprintf(c->name, sizeof c->name, "%016" PRIx64 "%016" PRIx64 "-%zu", digest[1], digest[0],
             c->length);
    return DV_OK;
}

static enum dv_status store(const char *job, const struct contents *c)
{
    char directory[PATH_MAX], path[PATH_MAX + DV_FILE_NAME_BYTES], name[DV_FILE_NAME_BYTES + 32];
    struct stat st;
    snprintf(directory, sizeof directory, "%s/files", job);
    snprintf(path, sizeof path, "%s/%s", directory, c->name);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == c->length)
        return DV_OK;
    enum dv_status status = dv_make_directory_private(directory);
    if (status)
        return status;
    /* Ranks may do this at the same time: each under a temporary name of its own. */
    snprintf(name, sizeof name, "%s.%d", c->name, (int)getpid());
    status = dv_write_file_durably(directory, name, c->bytes, c->length, 0600);
    if (status)
        return status;
    char from[PATH_MAX + sizeof name];
    snprintf(from, sizeof from, "%s/%s", directory, name);
    if (rename(from, path) != 0)
        return dv_fail(MODULE, dv_status_from_errno(errno), "cannot rename %s to %s: %s", from,
                       path, strerrordesc_np(errno));
    return dv_sync_directory(directory);
}

enum dv_status dv_files_keep(const char *job, int fd, const char *path,
                             char name[DV_FILE_NAME_BYTES])
{
    struct contents c;
    enum dv_status status = take_in(fd, path, &c);
    if (status)
        return status;
    status = store(job, &c);
    if (status == DV_OK)
        memcpy(name, c.name, sizeof c.name);
    let_go(&c);
    return status;
}

/* A name from an image must not lead out of the directory. */
static int is_name(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");
    return digits == 32 && name[32] == '-' && name[33] &&
           strspn(name + 33, "0123456789") == strlen(name + 33) &&
           strlen(name) < DV_FILE_NAME_BYTES;
}

/* Open `path` if it is there and holds what `name` says; else -1, and nothing is reported but what fails in between. */
static int open_if_same(const char *path, const char *name)
{
    struct contents c;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), same = 0;
    struct stat st;
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && take_in(fd, path, &c) == DV_OK) {
        same = strcmp(c.name, name) == 0;
        let_go(&c);
    }
    if (same)
        return fd;
    close(fd);
    return -1;
}

enum dv_status dv_files_open(const char *job, const char *name, const char *original, int *fd)
{
    char path[PATH_MAX], kept[DV_FILE_NAME_BYTES];
    if (!is_name(name))
        return dv_fail(MODULE, DV_ERR_DAMAGED, "an image names a kept file that cannot be: %.80s",
                       name);
    snprintf(path, sizeof path, "%s/files/%s", job, name);
    *fd = open_if_same(path, name);
    if (*fd >= 0)
        return DV_OK;
    *fd = original && original[0] ? open_if_same(original, name) : -1;
    if (*fd < 0)
        return dv_fail(
            MODULE, DV_ERR_DAMAGED,
            "%s, a copy of %s, is lost or damaged, and the original is not there as it was", path,
            original && original[0] ? original : "a file that the application maps");
    dv_warn(MODULE, "%s is lost or damaged; copying %s again, which is as it was", path, original);
    (void)unlink(path);
    if (dv_files_keep(job, *fd, original, kept) != DV_OK)
        dv_warn(MODULE, "it could not be copied");
    return DV_OK;
}

static enum dv_status check_one(const char *job, const char *name, const char *original, int deep)
{
    char path[PATH_MAX];
    struct stat st;
    int fd = -1;
    snprintf(path, sizeof path, "%s/files/%.*s", job, DV_FILE_NAME_BYTES, name);
    /* Without looking at contents: the copy is there, or the original, which a restore would take. */
    if (!deep && is_name(name) &&
        ((lstat(path, &st) == 0 && S_ISREG(st.st_mode)) || stat(original, &st) == 0))
        return DV_OK;
    enum dv_status status = dv_files_open(job, name, original, &fd);
    if (status == DV_OK)
        close(fd);
    return status;
}

enum dv_status dv_files_check(const char *job, const char *list, size_t length, int deep)
{
    enum dv_status status = DV_OK;
    while (length > 0 && status == DV_OK) {
        char line[PATH_MAX + DV_FILE_NAME_BYTES];
        const char *end = memchr(list, '\n', length);
        size_t taken = end ? (size_t)(end - list) : length;
        if (taken >= sizeof line)
            return dv_fail(MODULE, DV_ERR_DAMAGED, "an image names a kept file that cannot be");
        memcpy(line, list, taken);
        line[taken] = '\0';
        char *original = strchrnul(line, ' ');
        if (*original)
            *original++ = '\0';
        status = check_one(job, line, original, deep);
        taken += end != NULL;
        list += taken;
        length -= taken;
    }
    return status;
}

/* Reading files of /proc; see proc.h. */
#include "capture/proc.h"

#include "common/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Read to the end; 0 or -1 with errno. */
static int read_all(int fd, char **text, size_t *length)
{
    size_t capacity = 64 * 1024, used = 0;
    char *bytes = malloc(capacity);
    if (!bytes)
        return -1;
    for (;;) {
        if (capacity - used < 8192) {
            char *grown = realloc(bytes, capacity * 2);
            if (!grown)
                goto out_free;
            bytes = grown;
            capacity *= 2;
        }
        ssize_t got = read(fd, bytes + used, capacity - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto out_free;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    bytes[used] = 0;
    *text = bytes;
    *length = used;
    return 0;

out_free:
    free(bytes);
    return -1;
}

enum dv_status dv_proc_read(const char *path, char **text, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return dv_fail_quietly(DV_ERR_NOT_FOUND, "%s does not exist", path);
    if (fd < 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    size_t used = 0;
    int error = read_all(fd, text, &used) != 0 ? errno : 0;
    close(fd);
    if (error)
        return dv_fail("capture", dv_status_from_errno(error), "cannot read %s: %s", path,
                       strerror(error));
    if (length)
        *length = used;
    return DV_OK;
}

const char *dv_proc_field(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            line += length + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

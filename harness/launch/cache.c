#include "harness/launch/cache.h"

#include "harness/config/say.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char drop_caches[] = "/proc/sys/vm/drop_caches";

static enum dv_status write_there(const char *text, size_t length)
{
    int fd = open(drop_caches, O_WRONLY | O_CLOEXEC);
    int error = fd < 0 || write(fd, text, length) != (ssize_t)length ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (!error)
        return DV_OK;
    return dv_bench_fail(DV_ERR_SYSTEM,
                         "cache: drop: cannot write %s: %s; run as root, or with --set cache=warm",
                         drop_caches, strerror(error));
}

enum dv_status dv_cache_check(void)
{
    return write_there("", 0);
}

enum dv_status dv_cache_drop(void)
{
    sync();
    return write_there("3", 1);
}

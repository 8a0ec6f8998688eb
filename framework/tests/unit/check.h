/* What every unit test includes: cmocka with the headers it needs before it, and a private
 * temporary directory. */
#ifndef DV_TESTS_CHECK_H
#define DV_TESTS_CHECK_H

/* cmocka.h needs the others before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "common/io.h"

#include <dejavu/log.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Expected failures are reported, too: not on the test's stderr unless CHECK_VERBOSE is set. */
static inline void check_quiet(void)
{
    int fd = getenv("CHECK_VERBOSE") ? 2 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    dv_log_setup(fd, -1, DV_LOG_INFO);
}

/* cmocka fixtures: *state is the path of a new directory, 0700, removed with all in it afterwards.
 */
static inline int check_make_directory(void **state)
{
    static char path[PATH_MAX];
    const char *parent = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/dejavu-check.XXXXXX", parent ? parent : "/tmp");
    *state = path;
    return mkdtemp(path) ? 0 : -1;
}

static inline int check_remove_directory(void **state)
{
    return dv_remove_tree(*state) ? -1 : 0;
}

static inline const char *check_path(void **state, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", (const char *)*state, name);
    return path;
}

#endif

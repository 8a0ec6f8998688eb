/* Failures: the text of the last one is kept per thread. */
#include "common/fail.h"

#include <dejavu/log.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread char last_text[1024];

enum dv_status dv_fail(const char *module, enum dv_status status, const char *format, ...)
{
    int saved_errno = errno;
    char text[sizeof last_text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(last_text, sizeof last_text, "%s", text);
    dv_error(module, "%s", text);
    errno = saved_errno;
    return status;
}

enum dv_status dv_fail_quietly(enum dv_status status, const char *format, ...)
{
    int saved_errno = errno;
    char text[sizeof last_text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(last_text, sizeof last_text, "%s", text);
    errno = saved_errno;
    return status;
}

const char *dv_why(void)
{
    return last_text;
}

enum dv_status dv_status_from_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return DV_ERR_NO_SPACE;
    case EIO:
        return DV_ERR_IO;
    case ENOMEM:
        return DV_ERR_NO_MEMORY;
    case ENOENT:
        return DV_ERR_NOT_FOUND;
    default:
        return DV_ERR_SYSTEM;
    }
}

const char *dv_errno_text(int error)
{
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

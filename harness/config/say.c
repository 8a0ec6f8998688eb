#include "harness/config/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

static bool progress_showing;

static void say(const char *prefix, const char *format, va_list args)
{
    char text[2048];

    vsnprintf(text, sizeof text, format, args);
    dv_bench_progress(NULL);
    fprintf(stderr, "%s: %s%s\n", program_invocation_short_name, prefix, text);
}

void dv_bench_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

enum dv_status dv_bench_fail(enum dv_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("error: ", format, args);
    va_end(args);
    return status;
}

void dv_bench_progress(const char *text)
{
    if (!text) {
        if (progress_showing)
            fputs(CLEAR_LINE, stderr);
        progress_showing = false;
        return;
    }
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "%s%s", CLEAR_LINE, text);
    fflush(stderr);
    progress_showing = true;
}

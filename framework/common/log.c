/* Messages: one stack buffer, one write(2), no lock and no allocation. */
#include "common/io.h"

#include <dejavu/log.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048
#define BLOCKED_WAIT_MS 200

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};
#define LEVELS ((int)(sizeof level_names / sizeof level_names[0]))

/* Set before other threads start, read by all of them; the epoch changes while they run. */
static struct {
    int fd, rank;
    enum dv_log_level level;
    uint64_t start_ns;
    unsigned long epoch;
} settings = {.fd = STDERR_FILENO, .rank = -1, .level = DV_LOG_INFO};

void dv_log_setup(int fd, int rank, enum dv_log_level level)
{
    settings.fd = fd;
    settings.rank = rank;
    settings.level = level;
    settings.start_ns = dv_now_ns();
    const char *wanted = getenv("DEJAVU_LOG");
    if (!wanted || !*wanted)
        return;
    for (int i = 0; i < LEVELS; i++) {
        if (strcmp(wanted, level_names[i]) == 0) {
            settings.level = (enum dv_log_level)i;
            return;
        }
    }
    dv_warn("log", "DEJAVU_LOG=%.40s is not a level (error, warn, info, debug, trace); using %s",
            wanted, level_names[level]);
}

void dv_log_set_epoch(unsigned long epoch)
{
    __atomic_store_n(&settings.epoch, epoch, __ATOMIC_RELAXED);
}

enum dv_log_level dv_log_level_get(void)
{
    return settings.level;
}

static int format_prefix(char *line, size_t bytes, enum dv_log_level level, const char *module)
{
    if (settings.rank < 0) {
        switch (level) {
        case DV_LOG_ERROR:
            return snprintf(line, bytes, "dejavu: error: ");
        case DV_LOG_WARN:
            return snprintf(line, bytes, "dejavu: warning: ");
        case DV_LOG_INFO:
            return snprintf(line, bytes, "dejavu: ");
        default:
            return snprintf(line, bytes, "dejavu: %s: %s: ", level_names[level], module);
        }
    }
    uint64_t ms = (dv_now_ns() - settings.start_ns) / 1000000u;
    unsigned long epoch = __atomic_load_n(&settings.epoch, __ATOMIC_RELAXED);
    char epoch_text[32] = "";
    if (epoch)
        snprintf(epoch_text, sizeof epoch_text, " e%lu", epoch);
    return snprintf(line, bytes, "dejavu: %lu.%03lu r%d%s %s: ", (unsigned long)(ms / 1000u),
                    (unsigned long)(ms % 1000u), settings.rank, epoch_text, module);
}

/* Whole line or, when the reader is gone or stuck, whatever fits: a message must not stop the
 * program. */
static void write_line(const char *line, size_t length)
{
    while (length) {
        ssize_t n = write(settings.fd, line, length);
        if (n > 0) {
            line += n;
            length -= (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        struct pollfd p = {.fd = settings.fd, .events = POLLOUT};
        if (n < 0 && errno == EAGAIN && poll(&p, 1, BLOCKED_WAIT_MS) == 1 && (p.revents & POLLOUT))
            continue;
        return;
    }
}

void dv_log(enum dv_log_level level, const char *module, const char *format, ...)
{
    if (level > settings.level || (int)level < 0 || (int)level >= LEVELS)
        return;
    int saved_errno = errno;
    char line[LINE_BYTES];
    size_t length = (size_t)format_prefix(line, sizeof line, level, module ? module : "?");
    if (length > sizeof line / 2)
        length = sizeof line / 2;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + length, sizeof line - length, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    size_t end = length + (size_t)n;
    if (end > sizeof line - 2) {
        end = sizeof line - 2;
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): meant so */
        memcpy(line + end - 3, "...", 3);
    }
    /* One message, one line, whatever a path or an argument contains. */
    for (size_t i = length; i < end; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[end++] = '\n';
    write_line(line, end);
    errno = saved_errno;
}

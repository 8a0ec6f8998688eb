#include "harness/launch/watch.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

void dv_watch_begin(struct dv_watch *watch, const char *job_directory)
{
    *watch = (struct dv_watch){.inotify_fd = -1, .events_fd = -1, .offset_s = NAN};
    if (!job_directory)
        return;
    snprintf(watch->path, sizeof watch->path, "%s/events", job_directory);
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    /* The directory, because the file is not there yet. */
    if (watch->inotify_fd >= 0 &&
        inotify_add_watch(watch->inotify_fd, job_directory, IN_CREATE | IN_MODIFY) < 0) {
        close(watch->inotify_fd);
        watch->inotify_fd = -1;
    }
}

static void take_line(struct dv_watch *watch, const char *line, double now_s)
{
    double seconds;
    char event[64] = "";
    int used = 0;
    if (sscanf(line, "%lf %63s%n", &seconds, event, &used) != 2)
        return;
    /* A line is seen some time after it was written: the smallest difference is nearest to the
     * truth. */
    if (!(watch->offset_s <= now_s - seconds))
        watch->offset_s = now_s - seconds;
    unsigned long epoch;
    const char *field = strstr(line + used, " epoch=");
    if (strcmp(event, "running") == 0)
        watch->running = true;
    else if (strcmp(event, "committed") == 0 && field && sscanf(field, " epoch=%lu", &epoch) == 1 &&
             epoch > watch->committed)
        watch->committed = epoch;
}

static void take_bytes(struct dv_watch *watch, const char *bytes, size_t count, double now_s)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (watch->line_bytes < sizeof watch->line - 1)
                watch->line[watch->line_bytes++] = bytes[i];
            continue;
        }
        watch->line[watch->line_bytes] = '\0';
        watch->line_bytes = 0;
        take_line(watch, watch->line, now_s);
    }
}

void dv_watch_update(struct dv_watch *watch, double now_s)
{
    char bytes[8192];
    if (watch->inotify_fd < 0)
        return;
    while (read(watch->inotify_fd, bytes, sizeof bytes) > 0)
        ; /* what changed does not matter */
    if (watch->events_fd < 0)
        watch->events_fd = open(watch->path, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    while (watch->events_fd >= 0 && (got = read(watch->events_fd, bytes, sizeof bytes)) > 0)
        take_bytes(watch, bytes, (size_t)got, now_s);
}

void dv_watch_end(struct dv_watch *watch)
{
    if (watch->events_fd >= 0)
        close(watch->events_fd);
    if (watch->inotify_fd >= 0)
        close(watch->inotify_fd);
    watch->inotify_fd = watch->events_fd = -1;
}

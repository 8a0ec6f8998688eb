/* Following a job's events while it runs: the lines `committed` and `running` decide when a fault
 * is due. */
#ifndef DV_HARNESS_WATCH_H
#define DV_HARNESS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dv_watch {
    int inotify_fd; /* -1: nothing to watch */
    int events_fd;
    char path[4096];
    char line[8192]; /* the line that is not whole yet */
    size_t line_bytes;
    double offset_s;    /* see struct dv_launched */
    bool running;       /* all ranks ran */
    uint64_t committed; /* highest epoch */
};

/* `job_directory` may be NULL. */
void dv_watch_begin(struct dv_watch *watch, const char *job_directory);
/* Take in what is new; `now_s`: time of the run. */
void dv_watch_update(struct dv_watch *watch, double now_s);
void dv_watch_end(struct dv_watch *watch);

#endif

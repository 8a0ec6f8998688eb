/* One run: start the launcher, watch it, inject the fault, end it in time.
 *
 * The harness sleeps in ppoll while the run is on; it wakes for the run's end, for signals to
 * itself, for new lines in the job's events and for the moment of the fault or the timeout.
 * Standard output and error go straight to files. */
#ifndef DV_HARNESS_LAUNCH_H
#define DV_HARNESS_LAUNCH_H

#include "harness/plan/moments.h"
#include "harness/record/schema.h"

#include <sys/resource.h>

struct dv_launch {
    char *const *argv; /* argv[0]: absolute path, or looked up on the PATH */
    const char *work_directory, *stdout_path, *stderr_path;
    const char *job_directory; /* whose `events` is watched; NULL: none */
    const char *run_variable;  /* value of DEJAVU_BENCH_RUN */
    double timeout_s;
    char **environment; /* NAME=VALUE to be added, NULL at the end */
    const struct dv_fault *fault;
    const struct dv_moments *moments; /* of the fault */
    struct dv_injection *injections;  /* one for each moment: what came of it */
    const struct dv_names *counters;
    int64_t run; /* for rows */
};

/* Zeroed by the caller. */
struct dv_injection {
    bool injected;
    double at_s;
    size_t processes; /* killed */
};

struct dv_launched {
    double wall_s;
    int64_t start_unix_ns;
    int exit_status, signal; /* of the launcher; -1 / 0 as in /runs */
    bool timed_out, interrupted;
    struct rusage usage;    /* all processes */
    double events_offset_s; /* time of the run at which the job's events have time 0; NaN: no events
                               seen */
    size_t injected;        /* moments that struck; they strike in their order */
};

/* Once, before the first run: signals that end a campaign are from now on seen by dv_launch_run and
 * dv_launch_interrupted only. */
enum dv_status dv_launch_setup(void) DV_CHECKED;
/* SIGINT, SIGTERM or SIGHUP came. */
bool dv_launch_interrupted(void);
/* Sleep, or less when interrupted. */
void dv_launch_pause(double seconds);

/* Counters go to `tables`. DV_OK whenever the launcher ran, however it ended. */
enum dv_status dv_launch_run(const struct dv_launch *launch, struct dv_tables *tables,
                             struct dv_launched *launched) DV_CHECKED;

#endif

/* The job directory's own files: `job` (what to run and how, written once, enough to restart from
 * any shell), `token` and `supervisor` (who runs the job now; see store/manifest.h for the layout).
 *
 * A job file is lines `key = value`; a backslash, a newline and a carriage return in a value are
 * written \\ \n \r. `arg` and `env` are repeated, in order:
 *
 *      format = 1
 *      program = /home/a/lu
 *      program_digest = 0123...
 *      argv0 = ./lu
 *      arg = --class
 *      ranks = 4                  (0: started directly, without mpiexec)
 *      capture = full
 *      level = partner
 *      node = /local/a            (repeated, in order)
 *      env = HOME=/home/a
 *      end = 1
 *
 * All strings are owned by the job; one thread. */
#ifndef DV_CONTROL_JOB_H
#define DV_CONTROL_JOB_H

#include "control/wire.h"
#include "store/store.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dv_job {
    char *program, *argv0, *cwd, *mpiexec;
    uint8_t program_digest[16];
    char **args, **env; /* ended by NULL */
    size_t arg_count, env_count;
    uint32_t ranks; /* as given with -n; 0: one process, started directly */
    char *capture, *capture_options, *protocol, *protocol_options;
    char *restore;     /* "auto", "eager", "lazy"; NULL: auto */
    char *engine;      /* as dv_engine_parse reads it; NULL: all defaults */
    double interval_s; /* 0: no periodic checkpoints */
    double quiesce_timeout_s;
    uint32_t max_restarts, keep;
    uint32_t chain; /* longest chain of inheriting epochs before one is compacted; 0: any */
    enum dv_level level;
    uint32_t parity;
    char **nodes; /* directories as the user named them, absolute; ended by NULL */
    size_t node_count;
};

/* How many processes the job has. */
uint32_t dv_job_size(const struct dv_job *job);
/* "full+coordinated" */
void dv_job_strategy(const struct dv_job *job, char *text, size_t text_bytes);

enum dv_status dv_job_write(const char *directory, const struct dv_job *job) DV_CHECKED;
/* DV_ERR_NOT_FOUND: `directory` is not a job directory; DV_ERR_DAMAGED. Reported. */
enum dv_status dv_job_read(const char *directory, struct dv_job *job) DV_CHECKED;
void dv_job_free(struct dv_job *job);

/* Where the job's epochs go. Free with dv_place_free. */
enum dv_status dv_job_place(const struct dv_job *job, const char *directory,
                            struct dv_place *place) DV_CHECKED;

/* Make the job directory with what belongs in it, or check the one that is there (private,
 * writable). */
enum dv_status dv_job_make_directory(const char *directory) DV_CHECKED;
/* Is there a job file already? */
bool dv_job_exists(const char *directory);

/* Become the job's only supervisor; DV_ERR_BUSY (reported, with who it is) if there is one. */
enum dv_status dv_job_lock(const char *directory, int *lock_fd) DV_CHECKED;
/* Say where the supervisor listens; with port 0: nowhere any more. */
enum dv_status dv_job_announce(const char *directory, int lock_fd, const char *host,
                               unsigned port) DV_CHECKED;
/* Where the running supervisor listens. DV_ERR_NOTHING (not reported): no supervisor runs. */
enum dv_status dv_job_supervisor(const char *directory, int *pid, char *host, size_t host_bytes,
                                 unsigned *port) DV_CHECKED;

/* Make a new secret and write it; read it. */
enum dv_status dv_job_token_make(const char *directory,
                                 uint8_t token[DV_WIRE_TOKEN_BYTES]) DV_CHECKED;
enum dv_status dv_job_token_read(const char *directory,
                                 uint8_t token[DV_WIRE_TOKEN_BYTES]) DV_CHECKED;
/* In constant time. */
bool dv_token_equal(const uint8_t a[DV_WIRE_TOKEN_BYTES], const uint8_t b[DV_WIRE_TOKEN_BYTES]);

#endif

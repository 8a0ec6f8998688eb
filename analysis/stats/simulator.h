/* One job under failures, event by event: computing, checkpoints, failures, recoveries.
 *
 *   compute ....... | stall | compute, the image being written .............. | stall | ...
 *                   ^ what is saved         ^ durable: from now on it counts
 *
 * As DejaVu does it: the interval runs from the end of a stall, or of a recovery; an image counts once
 * it is committed; the next checkpoint waits for that. Of several levels it waits for the first one only;
 * the others take a checkpoint when the last one that went there has arrived. The application is tightly coupled: it goes on
 * when all nodes do. After a failure, coordinated rollback takes all nodes back to the newest
 * checkpoint that the failure has left; partial rollback only those that failed, which compute again
 * what they lost while the others wait. Failures may strike at any moment, also in a recovery. */
#ifndef DV_ANALYSIS_SIMULATOR_H
#define DV_ANALYSIS_SIMULATOR_H

#include "analysis/stats/failures.h"

#include <stdbool.h>

#define DV_LEVELS_MAX 3
/* Jobs that take this many times their work may be given up. */
#define DV_SIM_PATIENCE 100

/* A checkpoint as it was measured, scaled to the machine. */
struct dv_sim_epoch {
    double stall_s;                 /* the application stands still */
    double drag_s;                  /* and loses this much while the image is written */
    double commit_s[DV_LEVELS_MAX]; /* from the end of the stall until it is durable, by level */
};

/* A place for checkpoints. Levels are ordered: what one survives, those after it survive, too. */
struct dv_sim_level {
    int64_t every;     /* the k-th checkpoint may go here if k is a multiple; 1: all */
    double lost_share; /* of failures, by which this level's copy is lost, too */
    double read_s;     /* that a recovery from here takes beside `recoveries` */
};

struct dv_sim_job {
    double work_s;     /* running time without checkpoints and failures */
    double setup_s;    /* before work begins */
    double interval_s; /* INFINITY: no checkpoints */
    enum dv_rollback rollback;
    double replay;  /* partial: time to compute again what took 1 */
    double limit_s; /* give up after this */
    struct dv_sim_level levels[DV_LEVELS_MAX];
    size_t level_count;
    const struct dv_sim_epoch *epochs; /* drawn from */
    size_t epoch_count;
    const double *recoveries; /* drawn from: from a failure until all run again, in s; 0 if none */
    size_t recovery_count;
};

struct dv_sim_outcome {
    double time_s;
    bool finished; /* within limit_s */
    int64_t failures, checkpoints;
};

/* `failures` has begun and belongs to the caller; `rng` draws costs and what a failure leaves. */
void dv_sim_run(const struct dv_sim_job *job, struct dv_failures *failures, gsl_rng *rng,
                struct dv_sim_outcome *outcome);

/* A random generator's seed for one purpose: another one for each `part` of each `replication`. */
unsigned long dv_sim_seed(uint64_t seed, uint64_t replication, uint64_t part);

#endif

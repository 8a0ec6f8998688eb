/* What the end of a set of ranks means: pure, from what was observed to what to do. */
#ifndef DV_CONTROL_DECIDE_H
#define DV_CONTROL_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

enum dv_verdict {
    DV_VERDICT_FINISHED,     /* the application has ended by itself */
    DV_VERDICT_RECOVER,      /* ranks were lost: start again */
    DV_VERDICT_START_FAILED, /* dejavu-rank or mpiexec could not start the application */
};

/* Order numbers count up over all ranks' events, from 1; 0: did not happen. */
struct dv_rank_end {
    bool begun; /* the application ran in it (again) */
    unsigned exiting_order, lost_order;
    unsigned lost_round; /* ranks whose loss was seen at once: their order says nothing */
    int exiting_status;  /* what it announced */
    bool wait_known;
    int wait_status;
};

struct dv_end {
    bool mpiexec;      /* `child_status` is mpiexec's, else the only rank's */
    bool child_reaped; /* false: it is being looked at before it has ended */
    int child_status;  /* wait status */
    bool killed;       /* we have killed it: its status says nothing */
    const char *hang;  /* why we killed it, or NULL */
    const struct dv_rank_end *rank;
    unsigned ranks;
};

struct dv_decision {
    enum dv_verdict verdict;
    int exit_status;  /* FINISHED, START_FAILED: of the application */
    int signal;       /* RECOVER: what killed the first rank that was lost; 0: not known */
    char reason[256]; /* "rank 1 was lost (mpiexec: exit status 9)" */
};

void dv_decide(const struct dv_end *end, struct dv_decision *decision);
/* A signal that a program brings about itself, the same way every time. */
bool dv_signal_is_deterministic(int signal_number);

#endif

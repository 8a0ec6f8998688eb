/* Telling the application's own end from a failure to recover from.
 *
 * What mpiexec.mpich (hydra) returns, tried with MPICH 4.0.2: the (or'ed) exit statuses of the
 * ranks if all ended by themselves, MPI_Abort's code after MPI_Abort, and the bare signal number if
 * one was killed (the others are then killed by hydra). So its status alone does not tell exit(9)
 * from SIGKILL: what ranks announced before, and the wait status where the kernel keeps it, come
 * first. */
#include "control/decide.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

bool dv_signal_is_deterministic(int signal_number)
{
    switch (signal_number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
    case SIGPIPE:
        return true;
    default:
        return false;
    }
}

static void describe(int wait_status, char *text, size_t text_bytes)
{
    if (WIFSIGNALED(wait_status))
        snprintf(text, text_bytes, "killed by signal %d, %s", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(text, text_bytes, "exit status %d", WEXITSTATUS(wait_status));
}

/* The rank that was the first to announce a failure. */
static const struct dv_rank_end *first_announced(const struct dv_end *end)
{
    const struct dv_rank_end *found = NULL;
    for (unsigned r = 0; r < end->ranks; r++) {
        const struct dv_rank_end *rank = &end->rank[r];
        if (rank->exiting_order && rank->exiting_status &&
            (!found || rank->exiting_order < found->exiting_order))
            found = rank;
    }
    return found;
}

/* A process that has exited with 0 without saying so is not the cause of anything. */
static bool is_loss(const struct dv_rank_end *rank)
{
    return rank->lost_order && !(rank->wait_known && WIFEXITED(rank->wait_status) &&
                                 WEXITSTATUS(rank->wait_status) == 0);
}

/* hydra ends the others with SIGKILL: who ended in another way, at the same time, ended first. */
static bool is_consequence(const struct dv_rank_end *rank)
{
    return !rank->wait_known ||
           (WIFSIGNALED(rank->wait_status) && WTERMSIG(rank->wait_status) == SIGKILL);
}

/* The rank that was lost first. */
static const struct dv_rank_end *first_lost(const struct dv_end *end)
{
    const struct dv_rank_end *found = NULL;
    for (unsigned r = 0; r < end->ranks; r++) {
        const struct dv_rank_end *rank = &end->rank[r];
        if (is_loss(rank) && (!found || rank->lost_order < found->lost_order))
            found = rank;
    }
    if (!found || !is_consequence(found))
        return found;
    for (unsigned r = 0; r < end->ranks; r++) {
        const struct dv_rank_end *rank = &end->rank[r];
        if (is_loss(rank) && rank->lost_round == found->lost_round && !is_consequence(rank))
            return rank;
    }
    return found;
}

static bool any_begun(const struct dv_end *end)
{
    for (unsigned r = 0; r < end->ranks; r++)
        if (end->rank[r].begun)
            return true;
    return false;
}

static void finish(const struct dv_end *end, int status, struct dv_decision *d)
{
    d->verdict = DV_VERDICT_FINISHED;
    d->exit_status = status & 0xff ? status & 0xff : 1;
    /* What mpiexec makes of the ranks' statuses is what the user sees without DejaVu. */
    if (end->child_reaped && !end->killed && WIFEXITED(end->child_status) &&
        WEXITSTATUS(end->child_status))
        d->exit_status = WEXITSTATUS(end->child_status);
    snprintf(d->reason, sizeof d->reason, "the application ended with status %d", d->exit_status);
}

/* By others than us. mpiexec does not die by a signal of its own accord, and what the ranks do when
 * it is gone, perhaps before we hear of it, follows from that. */
static bool child_was_killed(const struct dv_end *end)
{
    return end->child_reaped && !end->killed && WIFSIGNALED(end->child_status);
}

/* The application's own end with a failure status: announced, or seen in the wait status. */
static bool ended_by_itself(const struct dv_end *end, struct dv_decision *d)
{
    const struct dv_rank_end *said = first_announced(end), *lost = first_lost(end);
    if (end->hang || child_was_killed(end))
        return false;
    if (said && (!lost || said->exiting_order < lost->lost_order)) {
        finish(end, said->exiting_status, d);
        return true;
    }
    if (lost && lost->begun && lost->wait_known && WIFEXITED(lost->wait_status)) {
        finish(end, WEXITSTATUS(lost->wait_status), d);
        return true;
    }
    if (!end->mpiexec && end->child_reaped && WIFEXITED(end->child_status) && any_begun(end)) {
        finish(end, WEXITSTATUS(end->child_status), d);
        return true;
    }
    return false;
}

/* "rank 1 was", or "3 ranks were" if they were lost at once and in no other way. */
static void name_lost(const struct dv_end *end, const struct dv_rank_end *lost, char *text,
                      size_t text_bytes)
{
    unsigned count = 0;
    for (unsigned r = 0; lost && r < end->ranks; r++)
        count += is_loss(&end->rank[r]) && end->rank[r].lost_round == lost->lost_round &&
                 is_consequence(&end->rank[r]) == is_consequence(lost);
    if (count > 1)
        snprintf(text, text_bytes, "%u ranks were", count);
    else
        snprintf(text, text_bytes, "rank %u was", lost ? (unsigned)(lost - end->rank) : 0u);
}

static void explain_loss(const struct dv_end *end, struct dv_decision *d)
{
    const struct dv_rank_end *lost = first_lost(end);
    char how[128] = "no status yet";
    if (end->hang) {
        snprintf(d->reason, sizeof d->reason, "%s", end->hang);
        return;
    }
    if (end->mpiexec && child_was_killed(end)) {
        describe(end->child_status, how, sizeof how);
        snprintf(d->reason, sizeof d->reason, "mpiexec was lost (%s)", how);
        return;
    }
    bool known = lost && lost->wait_known;
    int status = known ? lost->wait_status : end->child_status;
    if (known || (end->child_reaped && !end->killed))
        describe(status, how, sizeof how);
    if (known || !end->mpiexec)
        d->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    else if (end->child_reaped && !end->killed && WIFEXITED(status))
        d->signal = WEXITSTATUS(status) < NSIG ? WEXITSTATUS(status) : 0;
    char who[64];
    name_lost(end, lost, who, sizeof who);
    snprintf(d->reason, sizeof d->reason, "%s lost (%s%s)", who,
             !known && end->mpiexec ? "mpiexec: " : "", how);
}

void dv_decide(const struct dv_end *end, struct dv_decision *decision)
{
    struct dv_decision *d = decision;
    memset(d, 0, sizeof *d);
    if (end->child_reaped && !end->killed && WIFEXITED(end->child_status) &&
        WEXITSTATUS(end->child_status) == 0) {
        d->verdict = DV_VERDICT_FINISHED;
        snprintf(d->reason, sizeof d->reason, "the application has finished");
        return;
    }
    if (ended_by_itself(end, d))
        return;
    if (!any_begun(end) && !end->hang && !end->killed && end->child_reaped &&
        WIFEXITED(end->child_status)) {
        int status = WEXITSTATUS(end->child_status);
        /* dejavu-rank's and mpiexec's own statuses; 9 and the like are signals (see above). */
        if (status <= 4 || status >= 126 || !end->mpiexec) {
            d->verdict = DV_VERDICT_START_FAILED;
            d->exit_status = status;
            snprintf(d->reason, sizeof d->reason, "the ranks could not start (%s%d)",
                     end->mpiexec ? "mpiexec: exit status " : "dejavu-rank: exit status ", status);
            return;
        }
    }
    d->verdict = DV_VERDICT_RECOVER;
    explain_loss(end, d);
}

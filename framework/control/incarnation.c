/* Starting the ranks, seeing them end, deciding what comes next. */
#include "common/fail.h"
#include "common/io.h"
#include "control/launch.h"
#include "control/supervisor_state.h"

#include <dejavu/log.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define MS 1000000ull
#define SECOND (1000 * MS)
/* After the first loss: how long it may take to learn how the process ended, and how often to look.
 */
#define GRACE_NS (3 * SECOND)
#define LOOK_NS (50 * MS)
#define KILL_AGAIN_NS (20 * MS)
/* SIGKILLed processes that are still there after this are stuck in the kernel. */
#define DEAD_LIMIT_NS (30 * SECOND)
#define CONNECT_LIMIT_NS (120 * SECOND)
#define RESTORE_LIMIT_NS (1800 * SECOND)
#define PAUSE_FIRST_NS (100 * MS)
#define PAUSE_LONGEST_NS (5 * SECOND)
#define MPIEXEC_BROKE 255 /* exit status of hydra when it fails itself */

void dv_sup_finish(struct dv_sup *s, int exit_status, const char *reason)
{
    char quoted[700];
    s->state = DV_SUP_DONE;
    s->exit_status = exit_status;
    dv_events_log(s->events, "exit", "status=%d restarts=%u reason=%s", exit_status, s->restarts,
                  dv_events_quote(reason, quoted, sizeof quoted));
    dv_sup_clients_end(s, reason);
}

static void reset(struct dv_sup *s)
{
    dv_sup_agents_forget(s);
    s->child = 0;
    s->child_reaped = s->child_killed = s->all_reaped = false;
    s->kill_at_ns = s->dead_at_ns = UINT64_MAX;
    s->start_failure = DV_OK;
    s->start_reason[0] = s->hang[0] = '\0';
    s->checkpoint_at_ns = UINT64_MAX;
}

void dv_sup_start(struct dv_sup *s)
{
    reset(s);
    s->state = DV_SUP_LAUNCHING;
    s->launched_ns = dv_now_ns();
    s->parent_epoch = s->restore_epoch;
    const struct dv_launch launch = {
        .job_directory = s->directory,
        .job = s->job,
        .rank_program = s->rank_program,
        .stdio_program = s->stdio_program,
        .host = "127.0.0.1",
        .port = s->port,
        .incarnation = s->incarnation,
        .restore_epoch = s->restore_epoch,
        /* What made the ranks fail may have been damage in memory that was not yet checked. */
        .eager = s->restore_epoch != 0 && s->restore_epoch == s->tried_epoch,
        .env = s->env,
        .signal_mask = &s->old_mask,
    };
    s->tried_epoch = s->restore_epoch;
    enum dv_status status = dv_launch_start(&launch, &s->child);
    if (status) {
        dv_sup_finish(s, (int)dv_status_exit(status), dv_why());
        return;
    }
    dv_events_log(s->events, "launch", "incarnation=%u epoch=%" PRIu64 " pid=%d", s->incarnation,
                  s->restore_epoch, (int)s->child);
}

void dv_sup_ending(struct dv_sup *s)
{
    if (s->state != DV_SUP_LAUNCHING && s->state != DV_SUP_RUNNING)
        return;
    s->state = DV_SUP_ENDING;
    s->kill_at_ns = dv_now_ns() + LOOK_NS;
    s->grace_ends_ns = s->kill_at_ns + GRACE_NS;
}

void dv_sup_kill(struct dv_sup *s)
{
    if (s->state == DV_SUP_PAUSED || s->state == DV_SUP_DONE)
        return;
    uint64_t now = dv_now_ns();
    s->state = DV_SUP_ENDING;
    if (!s->child_reaped)
        s->child_killed = true;
    if (s->epoch_ready)
        dv_epoch_abort(&s->epoch, DV_ERR_ABORTED, -1, "the job is being ended");
    (void)dv_tree_kill(SIGKILL);
    s->kill_at_ns = now + KILL_AGAIN_NS;
    if (s->dead_at_ns == UINT64_MAX)
        s->dead_at_ns = now + DEAD_LIMIT_NS;
}

static void fill_end(struct dv_sup *s, struct dv_end *end)
{
    for (unsigned r = 0; r < s->size; r++) {
        struct dv_sup_rank *rank = &s->ranks[r];
        rank->end.wait_known = dv_pidfd_wait_status(rank->pidfd, &rank->end.wait_status);
        s->ends[r] = rank->end;
    }
    *end = (struct dv_end){
        .mpiexec = s->job->ranks != 0,
        .child_reaped = s->child_reaped,
        .child_status = s->child_status,
        .killed = s->child_killed,
        .hang = s->hang[0] ? s->hang : NULL,
        .rank = s->ends,
        .ranks = s->size,
    };
}

static void finish_by_request(struct dv_sup *s)
{
    char text[5000];
    if (s->stopping) {
        if (s->committed_epoch)
            snprintf(text, sizeof text,
                     "stopped after epoch %" PRIu64 "; continue with: dejavu restart %s",
                     s->committed_epoch, s->directory);
        else
            snprintf(text, sizeof text,
                     "stopped; no epoch is committed, so that dejavu restart %s would begin again",
                     s->directory);
        dv_info("control", "%s", text);
        dv_sup_finish(s, 128 + SIGTERM, text);
        return;
    }
    snprintf(text, sizeof text, "ended by signal %d (%s); continue with: dejavu restart %s",
             s->ended_by, strsignal(s->ended_by), s->directory);
    dv_info("control", "%s", text);
    dv_sup_finish(s, 128 + s->ended_by, text);
}

/* Restarting does not help a program that kills itself. True: the job is over. */
static bool dies_of_itself(struct dv_sup *s, const struct dv_decision *d)
{
    if (!dv_signal_is_deterministic(d->signal)) {
        s->last_signal = 0;
        return false;
    }
    bool again = s->last_signal == d->signal && s->last_signal_epoch == s->committed_epoch;
    s->last_signal = d->signal;
    s->last_signal_epoch = s->committed_epoch;
    if (!again)
        return false;
    dv_error("control", "%s, as it was before the restart; the program itself is at fault",
             d->reason);
    dv_sup_finish(s, 128 + d->signal, d->reason);
    return true;
}

/* What ranks said before they could run (again). True: the job is over. */
static bool start_failure_is_final(struct dv_sup *s)
{
    switch (s->start_failure) {
    case DV_OK:
        return false;
    case DV_ERR_DAMAGED:
        dv_error("control", "epoch %" PRIu64 " cannot be restored: %s", s->restore_epoch,
                 s->start_reason);
        if (!dv_sup_repair(s, s->restore_epoch))
            dv_sup_mark_bad(s, s->restore_epoch);
        return false;
    case DV_ERR_MISMATCH:
    case DV_ERR_UNSUPPORTED:
    case DV_ERR_USAGE:
        break;
    default:
        if (s->restore_epoch) {
            dv_error("control", "the restart failed: %s", s->start_reason);
            return false;
        }
    }
    dv_error("control", "cannot %s: %s", s->restore_epoch ? "restart" : "start", s->start_reason);
    dv_sup_finish(s, (int)dv_status_exit(s->start_failure), s->start_reason);
    return true;
}

static void recover(struct dv_sup *s, const struct dv_decision *d)
{
    snprintf(s->last_failure, sizeof s->last_failure, "%s", d->reason);
    if (start_failure_is_final(s) || dies_of_itself(s, d))
        return;
    if (s->restarts >= s->job->max_restarts) {
        dv_error("control",
                 "%s; giving up after %u restarts (--max-restarts); continue with: dejavu restart "
                 "%s",
                 d->reason, s->restarts, s->directory);
        dv_sup_finish(s, DV_EXIT_FAILED, d->reason);
        return;
    }
    uint64_t epoch = 0;
    enum dv_status status = DV_OK;
    /* An epoch that was asked for by number is not replaced by another behind the user's back. */
    if (!s->what->restart_epoch || s->committed_epoch)
        status = dv_sup_choose_epoch(s, &epoch);
    else if (s->bad_count)
        status = DV_ERR_DAMAGED;
    else
        epoch = s->what->restart_epoch;
    if (status) {
        dv_sup_finish(s, (int)dv_status_exit(status), dv_why());
        return;
    }
    s->restarts++;
    s->incarnation++;
    char quoted[300], from[64] = "the beginning, as no epoch is committed";
    if (epoch)
        snprintf(from, sizeof from, "epoch %" PRIu64, epoch);
    dv_info("control", "%s; restarting from %s (restart %u of at most %u)", d->reason, from,
            s->restarts, s->job->max_restarts);
    dv_events_log(s->events, "restart", "epoch=%" PRIu64 " incarnation=%u reason=%s", epoch,
                  s->incarnation, dv_events_quote(d->reason, quoted, sizeof quoted));
    s->restore_epoch = epoch;
    s->state = DV_SUP_PAUSED;
    uint64_t pause = 0;
    if (s->failed_starts > 1)
        pause = PAUSE_FIRST_NS << (s->failed_starts < 8 ? s->failed_starts : 8);
    s->resume_at_ns = dv_now_ns() + (pause > PAUSE_LONGEST_NS ? PAUSE_LONGEST_NS : pause);
}

/* Everything has ended that has to: what now? */
static void conclude(struct dv_sup *s, const struct dv_decision *d)
{
    if (s->epoch_ready)
        dv_epoch_abort(&s->epoch, DV_ERR_ABORTED, -1, "the application has ended");
    switch (d->verdict) {
    case DV_VERDICT_FINISHED:
        if (d->exit_status)
            dv_info("control", "%s", d->reason);
        dv_sup_finish(s, d->exit_status, d->reason);
        return;
    case DV_VERDICT_START_FAILED:
        s->failed_starts++;
        /* mpiexec's own failure may be the end of a rank that was killed before it could connect:
         * only a second one is the host's or the installation's. */
        if (s->restore_epoch || (d->exit_status == MPIEXEC_BROKE && s->failed_starts == 1)) {
            recover(s, d);
            return;
        }
        if (start_failure_is_final(s))
            return;
        dv_error("control", "%s; see the messages above, and dejavu doctor", d->reason);
        dv_sup_finish(s, DV_EXIT_ENV, d->reason);
        return;
    case DV_VERDICT_RECOVER:
        if (!s->ranks[0].restored)
            s->failed_starts++;
        recover(s, d);
        return;
    }
}

/* The child has ended. What is left of its descendants matters only if the ranks are to be started
 * again. */
static void consider(struct dv_sup *s)
{
    struct dv_end end;
    struct dv_decision decision;
    if (!s->child_reaped || s->state == DV_SUP_DONE || s->state == DV_SUP_PAUSED)
        return;
    dv_sup_agents_drain(s);
    if (s->ended_by || s->stopping) {
        if (s->all_reaped)
            finish_by_request(s);
        else
            dv_sup_kill(s);
        return;
    }
    fill_end(s, &end);
    dv_decide(&end, &decision);
    if (decision.verdict == DV_VERDICT_FINISHED || s->all_reaped)
        conclude(s, &decision);
    else
        dv_sup_kill(s); /* and come back when all are reaped: then all is known */
}

void dv_sup_reap(struct dv_sup *s)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0 && errno == ECHILD)
            s->all_reaped = s->child_reaped;
        if (pid <= 0)
            break;
        if (dv_sup_upkeep_reaped(s, pid, status))
            continue;
        if (pid == s->child) {
            s->child_reaped = true;
            s->child_status = status;
            dv_sup_ending(s);
        }
    }
    consider(s);
}

/* A rank whose process has exited without saying so (_exit) was not lost: its peers go on. True: no
 * rank was. */
static bool losses_were_exits(struct dv_sup *s)
{
    if (s->child_reaped || s->child_killed || s->ended_by || s->stopping)
        return false;
    for (unsigned r = 0; r < s->size; r++) {
        struct dv_rank_end *end = &s->ranks[r].end;
        if (s->ranks[r].lost &&
            !(end->begun && dv_pidfd_wait_status(s->ranks[r].pidfd, &end->wait_status) &&
              WIFEXITED(end->wait_status)))
            return false;
    }
    for (unsigned r = 0; r < s->size; r++) {
        struct dv_sup_rank *rank = &s->ranks[r];
        if (!rank->lost)
            continue;
        rank->lost = false;
        rank->exiting = true;
        rank->end.exiting_order = rank->end.lost_order;
        rank->end.exiting_status = WEXITSTATUS(rank->end.wait_status);
        rank->end.lost_order = 0;
    }
    return true;
}

/* Is it still open how some lost rank has ended? Its launcher may not have reaped it yet. */
static bool wait_for_status(const struct dv_sup *s, uint64_t now_ns)
{
    int status;
    if (now_ns >= s->grace_ends_ns || s->ended_by || s->stopping || s->child_killed)
        return false;
    for (unsigned r = 0; r < s->size; r++)
        if (s->ranks[r].lost && s->ranks[r].pidfd >= 0 &&
            dv_pidfd_wait_status(s->ranks[r].pidfd, &status) && WIFSIGNALED(status))
            return false;
    return true;
}

static void launch_is_late(struct dv_sup *s)
{
    unsigned late = 0;
    while (late < s->size &&
           (s->restore_epoch ? s->ranks[late].restored : s->ranks[late].connected))
        late++;
    snprintf(s->hang, sizeof s->hang, "rank %u did not %s", late,
             s->ranks[late < s->size ? late : 0].connected ? "finish its restore in time"
                                                           : "connect in time");
    dv_sup_kill(s);
}

static uint64_t launch_limit_ns(const struct dv_sup *s)
{
    for (unsigned r = 0; r < s->size; r++)
        if (!s->ranks[r].connected)
            return s->launched_ns + CONNECT_LIMIT_NS;
    return s->launched_ns + RESTORE_LIMIT_NS;
}

void dv_sup_incarnation_tick(struct dv_sup *s, uint64_t now_ns)
{
    switch (s->state) {
    case DV_SUP_LAUNCHING:
        if (now_ns >= launch_limit_ns(s))
            launch_is_late(s);
        return;
    case DV_SUP_ENDING:
        if (now_ns >= s->dead_at_ns) {
            dv_error("control", "processes of the job did not end although killed; the job cannot "
                                "go on on this host");
            dv_sup_finish(s, DV_EXIT_FAILED, "killed processes did not end");
        } else if (now_ns >= s->kill_at_ns && losses_were_exits(s)) {
            s->state = DV_SUP_RUNNING;
        } else if (now_ns >= s->kill_at_ns && wait_for_status(s, now_ns)) {
            s->kill_at_ns = now_ns + LOOK_NS;
        } else if (now_ns >= s->kill_at_ns) {
            dv_sup_kill(s);
            dv_sup_reap(s);
        }
        return;
    case DV_SUP_PAUSED:
        if (now_ns >= s->resume_at_ns)
            dv_sup_start(s);
        return;
    case DV_SUP_RUNNING:
    case DV_SUP_DONE:
        return;
    }
}

uint64_t dv_sup_incarnation_deadline_ns(const struct dv_sup *s)
{
    switch (s->state) {
    case DV_SUP_LAUNCHING:
        return launch_limit_ns(s);
    case DV_SUP_ENDING:
        return s->kill_at_ns < s->dead_at_ns ? s->kill_at_ns : s->dead_at_ns;
    case DV_SUP_PAUSED:
        return s->resume_at_ns;
    default:
        return UINT64_MAX;
    }
}

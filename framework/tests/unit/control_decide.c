/* What the end of the ranks means. Wait statuses as the kernel makes them: exit status << 8, or the
 * signal. */
#include "check.h"
#include "control/decide.h"

#include <signal.h>

#define EXITED(status) ((status) << 8)
#define KILLED(signal) (signal)

static struct dv_rank_end ranks[2];
static struct dv_decision d;

/* mpiexec ended after all that the ranks did. */
static struct dv_end job(int child_status)
{
    memset(ranks, 0, sizeof ranks);
    ranks[0].begun = ranks[1].begun = true;
    return (struct dv_end){.mpiexec = true,
                           .child_reaped = true,
                           .child_status = child_status,
                           .rank = ranks,
                           .ranks = 2};
}

static void ends_well(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(0));
    ranks[0].exiting_order = 1;
    ranks[1].exiting_order = 2;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_FINISHED);
    assert_int_equal(d.exit_status, 0);
}

static void announced_failure(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(5));
    ranks[1].exiting_order = 1;
    ranks[1].exiting_status = 5;
    ranks[0].lost_order = 2; /* killed by mpiexec */
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_FINISHED);
    assert_int_equal(d.exit_status, 5);
}

/* MPI_Abort with a multiple of 256 is still a failure. */
static void announced_status_of_256(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(1));
    ranks[1].exiting_order = 1;
    ranks[1].exiting_status = 256;
    end.killed = true;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_FINISHED);
    assert_int_equal(d.exit_status, 1);
}

static void killed_rank(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(9));
    ranks[1].lost_order = 1;
    ranks[1].lost_round = 1;
    ranks[0].lost_order = 2;
    ranks[0].lost_round = 2;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_string_equal(d.reason, "rank 1 was lost (mpiexec: exit status 9)");
    ranks[0].lost_round = 1;
    dv_decide(&end, &d);
    assert_string_equal(d.reason, "2 ranks were lost (mpiexec: exit status 9)");
    ranks[0].lost_round = 2;
    ranks[1].wait_known = true;
    ranks[1].wait_status = KILLED(SIGKILL);
    dv_decide(&end, &d);
    assert_string_equal(d.reason, "rank 1 was lost (killed by signal 9, Killed)");
    assert_int_equal(d.signal, SIGKILL);
}

/* The others fail because a rank was lost: that is not the application's own end. */
static void failure_after_a_loss(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(9));
    ranks[1].lost_order = 1;
    ranks[0].exiting_order = 2;
    ranks[0].exiting_status = 15;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
}

static void mpiexec_killed(void **state)
{
    (void)state;
    struct dv_end end = job(KILLED(SIGKILL));
    ranks[0].lost_order = 2;
    ranks[0].wait_known = true;
    ranks[0].wait_status = KILLED(SIGKILL);
    ranks[1].exiting_order = 3; /* an MPI_Abort for want of mpiexec */
    ranks[1].exiting_status = 1;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_string_equal(d.reason, "mpiexec was lost (killed by signal 9, Killed)");
}

/* Even when all ranks have ended: their last output may be lost with mpiexec. */
static void mpiexec_killed_at_the_end(void **state)
{
    (void)state;
    struct dv_end end = job(KILLED(SIGKILL));
    ranks[0].exiting_order = 1;
    ranks[1].exiting_order = 2;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
}

static void silent_exit(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(3));
    ranks[1].lost_order = 1;
    ranks[1].wait_known = true;
    ranks[1].wait_status = EXITED(3);
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_FINISHED);
    assert_int_equal(d.exit_status, 3);
    /* A rank that exits with 0 unannounced is not the cause when another is killed. */
    end = job(EXITED(9));
    ranks[1].lost_order = 1;
    ranks[1].wait_known = true;
    ranks[1].wait_status = EXITED(0);
    ranks[0].lost_order = 2;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_string_equal(d.reason, "rank 0 was lost (mpiexec: exit status 9)");
}

/* Of ranks whose losses were seen at once, the one that was not killed as a consequence. */
static void lost_at_once(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(11));
    ranks[0].lost_order = 1;
    ranks[1].lost_order = 2;
    ranks[0].lost_round = ranks[1].lost_round = 7;
    ranks[0].wait_known = ranks[1].wait_known = true;
    ranks[0].wait_status = KILLED(SIGKILL);
    ranks[1].wait_status = KILLED(SIGSEGV);
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_string_equal(d.reason, "rank 1 was lost (killed by signal 11, Segmentation fault)");
    /* Later, it is the consequence. */
    ranks[1].lost_round = 8;
    dv_decide(&end, &d);
    assert_string_equal(d.reason, "rank 0 was lost (killed by signal 9, Killed)");
}

static void direct(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(7));
    end.mpiexec = false;
    end.ranks = 1;
    ranks[0].lost_order = 1;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_FINISHED);
    assert_int_equal(d.exit_status, 7);
    end.child_status = KILLED(SIGSEGV);
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_int_equal(d.signal, SIGSEGV);
    assert_true(dv_signal_is_deterministic(d.signal));
    assert_false(dv_signal_is_deterministic(SIGKILL));
}

static void start_failure(void **state)
{
    (void)state;
    struct dv_end end = job(EXITED(3));
    ranks[0].begun = ranks[1].begun = false;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_START_FAILED);
    assert_int_equal(d.exit_status, 3);
    /* A rank was killed before it could connect: that is a failure like any other. */
    end.child_status = EXITED(9);
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    end.child_status = KILLED(SIGKILL);
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
}

static void hang(void **state)
{
    (void)state;
    struct dv_end end = job(KILLED(SIGKILL));
    end.killed = true;
    end.hang = "the job hangs";
    ranks[0].lost_order = 1;
    dv_decide(&end, &d);
    assert_int_equal(d.verdict, DV_VERDICT_RECOVER);
    assert_string_equal(d.reason, "the job hangs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_well),
        cmocka_unit_test(announced_failure),
        cmocka_unit_test(announced_status_of_256),
        cmocka_unit_test(killed_rank),
        cmocka_unit_test(failure_after_a_loss),
        cmocka_unit_test(mpiexec_killed),
        cmocka_unit_test(mpiexec_killed_at_the_end),
        cmocka_unit_test(silent_exit),
        cmocka_unit_test(lost_at_once),
        cmocka_unit_test(direct),
        cmocka_unit_test(start_failure),
        cmocka_unit_test(hang),
    };
    return cmocka_run_group_tests_name("control_decide", tests, NULL, NULL);
}

/* The state machine of one epoch, scripted: what ranks say goes in, what is told to them is written
 * down. */
#include "check.h"
#include "control/epoch.h"

#define MS 1000000ull
#define EPOCH 7u
#define RANKS 3u

static char told[2048];
static enum dv_status commit_status;
static char abort_reason[600];
static uint32_t last_version;

static void note(const char *text)
{
    strncat(told, text, sizeof told - strlen(told) - 1);
}

static void tell(void *arg, enum dv_wire_type type, uint64_t epoch)
{
    (void)arg;
    assert_int_equal(epoch, EPOCH);
    note(dv_wire_type_name(type));
    note(" ");
}

static void target(void *arg, uint64_t epoch, uint32_t version, const struct dv_wire_entry *entries,
                   uint32_t count)
{
    char text[128];
    (void)arg;
    assert_int_equal(epoch, EPOCH);
    last_version = version;
    snprintf(text, sizeof text, "TARGET%u", version);
    note(text);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, ",%u:%u", (unsigned)entries[i].comm,
                 (unsigned)entries[i].count);
        note(text);
    }
    note(" ");
}

static enum dv_status commit(void *arg, uint64_t epoch)
{
    (void)arg;
    (void)epoch;
    note("commit ");
    return commit_status;
}

static void committed(void *arg, uint64_t epoch)
{
    (void)arg;
    (void)epoch;
    note("committed ");
}

static void aborted(void *arg, uint64_t epoch, enum dv_status status, int rank, const char *reason)
{
    char text[64];
    (void)arg;
    (void)epoch;
    snprintf(text, sizeof text, "aborted(%s,%d) ", dv_status_text(status), rank);
    note(text);
    snprintf(abort_reason, sizeof abort_reason, "%s", reason);
}

static void hung(void *arg, uint64_t epoch, const char *reason)
{
    (void)arg;
    (void)epoch;
    (void)reason;
    note("hung ");
}

static enum dv_status protect_status;

static enum dv_status protect(void *arg, uint64_t epoch)
{
    (void)arg;
    (void)epoch;
    if (protect_status)
        note("protect ");
    return protect_status;
}

static const struct dv_epoch_ops ops = {tell, target, commit, committed, aborted, hung, protect};
static struct dv_epoch e;

static int begin(void **state)
{
    (void)state;
    told[0] = abort_reason[0] = '\0';
    commit_status = protect_status = DV_OK;
    last_version = 0;
    if (dv_epoch_init(&e, RANKS, 1000 * MS, 5000 * MS, &ops, NULL) != DV_OK)
        return -1;
    dv_epoch_begin(&e, EPOCH, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    dv_epoch_fini(&e);
    return 0;
}

/* What was told since the last time. */
static void expect(const char *text)
{
    assert_string_equal(told, text);
    told[0] = '\0';
}

static enum dv_status say(unsigned rank, enum dv_wire_type type, uint64_t epoch, uint32_t version,
                          uint32_t count, const struct dv_wire_entry *entries, uint64_t now)
{
    uint8_t frame[512];
    struct dv_wire_parked head = {.epoch = epoch, .version = version, .count = count};
    memcpy(frame, &head, sizeof head);
    if (count)
        memcpy(frame + sizeof head, entries, count * sizeof *entries);
    return dv_epoch_frame(&e, rank, type, frame, sizeof head + count * sizeof *entries, now);
}

static void park(unsigned rank, uint32_t version, uint64_t count, uint64_t now)
{
    struct dv_wire_entry entry = {.comm = 5, .count = count};
    assert_int_equal(say(rank, DV_WIRE_PARKED, EPOCH, version, 1, &entry, now), DV_OK);
}

static void park_unchanged(unsigned rank, uint32_t version, uint64_t now)
{
    assert_int_equal(say(rank, DV_WIRE_PARKED, EPOCH, version, 0, NULL, now), DV_OK);
}

static void rank_raise(unsigned rank, uint64_t comm, uint64_t count, uint64_t now)
{
    struct dv_wire_entry entry = {.comm = comm, .count = count};
    assert_int_equal(say(rank, DV_WIRE_RAISE, EPOCH, 0, 1, &entry, now), DV_OK);
}

static enum dv_status figures(unsigned rank, enum dv_wire_type type, uint64_t now)
{
    struct dv_wire_figures f = {.epoch = EPOCH, .file_bytes = 100 + rank};
    return dv_epoch_frame(&e, rank, type, &f, sizeof f, now);
}

static void all_at_once(void **state)
{
    (void)state;
    park(0, 0, 4, 1 * MS);
    park(1, 0, 4, 1 * MS);
    expect("");
    park(2, 0, 4, 2 * MS);
    expect("PROCEED ");
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_WRITTEN, 3 * MS), DV_OK);
    expect("RESUME ");
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_DURABLE, 4 * MS), DV_OK);
    expect("commit COMMITTED committed ");
    assert_int_equal(e.phase, DV_EPOCH_IDLE);
    assert_int_equal(dv_epoch_deadline_ns(&e), UINT64_MAX);
}

static void behind_runs_on(void **state)
{
    (void)state;
    park(0, 0, 4, 1 * MS);
    park(1, 0, 5, 1 * MS);
    expect("TARGET1,5:5 ");
    park(2, 1, 5, 2 * MS);
    park_unchanged(1, 1, 2 * MS);
    expect("");
    park(0, 1, 5, 3 * MS);
    expect("PROCEED ");
}

/* A rank that parks with a counter that is behind the target it has heard of is not at the cut. */
static void parked_behind_is_not_enough(void **state)
{
    (void)state;
    park(1, 0, 5, 1 * MS);
    park(0, 0, 4, 1 * MS);
    expect("TARGET1,5:5 ");
    park_unchanged(0, 1, 2 * MS);
    park_unchanged(1, 1, 2 * MS);
    park(2, 1, 5, 2 * MS);
    expect("");
    park(0, 1, 5, 3 * MS);
    expect("PROCEED ");
}

static void raise_makes_a_new_version(void **state)
{
    (void)state;
    park(0, 0, 4, 1 * MS);
    rank_raise(1, 5, 5, 1 * MS);
    expect("TARGET1,5:5 ");
    /* Running on to 5, rank 0 enters a collective of another communicator. */
    rank_raise(0, 9, 1, 2 * MS);
    expect("TARGET2,5:5,9:1 ");
    /* An answer to the older targets does not count. */
    park(1, 1, 5, 3 * MS);
    park(2, 2, 5, 3 * MS);
    struct dv_wire_entry own[2] = {{9, 1}, {5, 5}};
    assert_int_equal(say(0, DV_WIRE_PARKED, EPOCH, 2, 2, own, 3 * MS), DV_OK);
    expect("");
    park_unchanged(1, 2, 4 * MS);
    expect("PROCEED ");
}

static void steps_when_nothing_moves(void **state)
{
    (void)state;
    park(0, 0, 4, 1 * MS);
    park(1, 0, 4, 1 * MS);
    assert_int_equal(dv_epoch_deadline_ns(&e), 11 * MS);
    dv_epoch_tick(&e, 10 * MS);
    expect("");
    dv_epoch_tick(&e, 11 * MS);
    expect("STEP TARGET1,5:4 ");
    /* Nobody is parked now: there is nobody to step. */
    dv_epoch_tick(&e, 100 * MS);
    expect("");
    /* This one was sent before the STEP was heard. */
    park(0, 0, 4, 101 * MS);
    park(1, 1, 4, 101 * MS);
    park(2, 1, 4, 101 * MS);
    expect("");
    park(0, 1, 4, 102 * MS);
    expect("PROCEED ");
}

static void step_backs_off(void **state)
{
    (void)state;
    park(0, 0, 4, 0);
    uint64_t now = 0, last = 0;
    for (int i = 0; i < 3; i++) {
        now = dv_epoch_deadline_ns(&e);
        assert_true(now - last <= 200 * MS);
        last = now;
        dv_epoch_tick(&e, now);
        assert_non_null(strstr(told, "STEP"));
        told[0] = '\0';
        park(0, last_version, 4, now);
    }
    assert_int_equal(e.steps, 3);
}

static void quiesce_timeout_names_ranks(void **state)
{
    (void)state;
    park(1, 0, 4, 1 * MS);
    dv_epoch_tick(&e, 20 * MS);
    park(1, 1, 4, 21 * MS);
    dv_epoch_tick(&e, 1000 * MS);
    assert_non_null(strstr(told, "ABORT aborted("));
    assert_non_null(strstr(abort_reason, "ranks 0, 2 did not come to a safe point"));
    assert_int_equal(e.phase, DV_EPOCH_IDLE);
}

static void failure_aborts(void **state)
{
    (void)state;
    struct dv_wire_failed f = {.epoch = EPOCH, .status = DV_ERR_REFUSED, .reason = "a window"};
    park(0, 0, 4, 1 * MS);
    assert_int_equal(dv_epoch_frame(&e, 2, DV_WIRE_FAILED, &f, sizeof f, 1 * MS), DV_OK);
    expect("ABORT aborted(cannot checkpoint now,2) ");
    assert_string_equal(abort_reason, "a window");
    /* What crossed the ABORT is of no interest. */
    park(1, 0, 4, 2 * MS);
    assert_int_equal(dv_epoch_frame(&e, 1, DV_WIRE_FAILED, &f, sizeof f, 2 * MS), DV_OK);
    expect("");
}

static void proceed(void)
{
    for (unsigned r = 0; r < RANKS; r++)
        park(r, 0, 4, 1 * MS);
    expect("PROCEED ");
}

static void failed_write_aborts(void **state)
{
    (void)state;
    struct dv_wire_failed f = {.epoch = EPOCH, .status = DV_ERR_NO_SPACE, .reason = "disk full"};
    proceed();
    assert_int_equal(figures(0, DV_WIRE_WRITTEN, 2 * MS), DV_OK);
    assert_int_equal(dv_epoch_frame(&e, 1, DV_WIRE_FAILED, &f, sizeof f, 2 * MS), DV_OK);
    expect("ABORT aborted(no space left,1) ");
    assert_int_equal(figures(2, DV_WIRE_WRITTEN, 3 * MS), DV_OK);
    expect("");
}

static void failed_manifest_aborts(void **state)
{
    (void)state;
    proceed();
    commit_status = DV_ERR_NO_SPACE;
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_WRITTEN, 2 * MS), DV_OK);
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_DURABLE, 2 * MS), DV_OK);
    expect("RESUME commit ABORT aborted(no space left,-1) ");
}

static void hang_in_write(void **state)
{
    (void)state;
    proceed();
    assert_int_equal(dv_epoch_deadline_ns(&e), 5001 * MS);
    assert_int_equal(figures(0, DV_WIRE_WRITTEN, 2 * MS), DV_OK);
    dv_epoch_tick(&e, 5001 * MS);
    expect("ABORT aborted(timed out,-1) hung ");
    assert_non_null(strstr(abort_reason, "ranks 1, 2 did not write"));
}

static void hang_in_sync_only_aborts(void **state)
{
    (void)state;
    proceed();
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_WRITTEN, 2 * MS), DV_OK);
    expect("RESUME ");
    dv_epoch_tick(&e, 6000 * MS);
    expect("ABORT aborted(timed out,-1) ");
}

static void lost_rank(void **state)
{
    (void)state;
    proceed();
    dv_epoch_lost(&e, 1, "rank 1 was lost");
    expect("ABORT aborted(aborted,1) ");
}

static void lost_after_durable_does_no_harm(void **state)
{
    (void)state;
    proceed();
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_WRITTEN, 2 * MS), DV_OK);
    assert_int_equal(figures(1, DV_WIRE_DURABLE, 3 * MS), DV_OK);
    dv_epoch_lost(&e, 1, "rank 1 was lost");
    assert_int_equal(figures(0, DV_WIRE_DURABLE, 3 * MS), DV_OK);
    assert_int_equal(figures(2, DV_WIRE_DURABLE, 3 * MS), DV_OK);
    expect("RESUME commit COMMITTED committed ");
}

static void all_durable(void)
{
    proceed();
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_WRITTEN, 3 * MS), DV_OK);
    expect("RESUME ");
    for (unsigned r = 0; r < RANKS; r++)
        assert_int_equal(figures(r, DV_WIRE_DURABLE, 4 * MS), DV_OK);
}

/* Redundancy is made before the commit; a rank that is lost meanwhile is no matter. */
static void protection(void **state)
{
    (void)state;
    protect_status = DV_ERR_BUSY;
    all_durable();
    expect("protect ");
    assert_int_equal(e.phase, DV_EPOCH_PROTECTING);
    dv_epoch_lost(&e, 1, "gone");
    expect("");
    dv_epoch_protected(&e, DV_OK, "");
    expect("commit COMMITTED committed ");
    dv_epoch_protected(&e, DV_OK, "");
    expect("");
}

static void protection_fails(void **state)
{
    (void)state;
    protect_status = DV_ERR_BUSY;
    all_durable();
    expect("protect ");
    dv_epoch_protected(&e, DV_ERR_NO_SPACE, "the disk is full");
    expect("ABORT aborted(no space left,-1) ");
    assert_string_equal(abort_reason, "the disk is full");
    dv_epoch_begin(&e, EPOCH, 0);
    protect_status = DV_ERR_SYSTEM;
    all_durable();
    expect("protect ABORT aborted(a system call failed,-1) ");
}

static void protection_hangs(void **state)
{
    (void)state;
    protect_status = DV_ERR_BUSY;
    all_durable();
    expect("protect ");
    dv_epoch_tick(&e, dv_epoch_deadline_ns(&e));
    expect("ABORT aborted(timed out,-1) ");
    dv_epoch_protected(&e, DV_OK, "");
    expect("");
}

static void nonsense(void **state)
{
    (void)state;
    struct dv_wire_entry entry = {.comm = 5, .count = 1};
    uint8_t few[8] = {0};
    assert_int_equal(dv_epoch_frame(&e, 0, DV_WIRE_PARKED, few, sizeof few, 0), DV_ERR_PROTOCOL);
    assert_int_equal(dv_epoch_frame(&e, 0, DV_WIRE_WRITTEN, few, sizeof few, 0), DV_ERR_PROTOCOL);
    assert_int_equal(dv_epoch_frame(&e, 0, DV_WIRE_STOP, few, sizeof few, 0), DV_ERR_PROTOCOL);
    /* A count that is not that of the entries, a version that was never given out. */
    struct dv_wire_parked head = {.epoch = EPOCH, .version = 0, .count = 1u << 30};
    assert_int_equal(dv_epoch_frame(&e, 0, DV_WIRE_PARKED, &head, sizeof head, 0), DV_ERR_PROTOCOL);
    assert_int_equal(say(0, DV_WIRE_PARKED, EPOCH, 9, 1, &entry, 0), DV_ERR_PROTOCOL);
    assert_int_equal(figures(0, DV_WIRE_WRITTEN, 0), DV_ERR_PROTOCOL);
    assert_int_equal(figures(0, DV_WIRE_DURABLE, 0), DV_ERR_PROTOCOL);
    /* Another epoch's frames are left out. */
    assert_int_equal(say(0, DV_WIRE_PARKED, EPOCH - 1, 9, 1, &entry, 0), DV_OK);
    expect("");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(all_at_once),
        T(behind_runs_on),
        T(parked_behind_is_not_enough),
        T(raise_makes_a_new_version),
        T(steps_when_nothing_moves),
        T(step_backs_off),
        T(quiesce_timeout_names_ranks),
        T(failure_aborts),
        T(failed_write_aborts),
        T(failed_manifest_aborts),
        T(hang_in_write),
        T(hang_in_sync_only_aborts),
        T(lost_rank),
        T(lost_after_durable_does_no_harm),
        T(protection),
        T(protection_fails),
        T(protection_hangs),
        T(nonsense),
    };
    return cmocka_run_group_tests_name("control_epoch", tests, NULL, NULL);
}

/* Helper processes: their result, standing still, being killed. */
#include "check.h"
#include "control/helper.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define LIMIT_NS 60000000000ull
#define LOOKS 20

struct shared {
    volatile uint64_t steps;
    volatile int end;
};

static void pause_ms(long ms)
{
    const struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

static enum dv_status count(void *arg, uint64_t *figures)
{
    struct shared *shared = arg;
    while (!shared->end) {
        shared->steps++;
        pause_ms(1);
    }
    *figures = 42;
    return DV_OK;
}

static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return strrchr(text, ')')[2];
}

static void wait_for_steps(const struct shared *shared)
{
    uint64_t before = shared->steps;
    while (shared->steps == before)
        pause_ms(1);
}

static struct shared *start(struct dv_helper *helper)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(dv_helper_start(helper, count, shared, LIMIT_NS, true), DV_OK);
    wait_for_steps(shared);
    return shared;
}

static void stand_still(const struct dv_helper *helper, const struct shared *shared)
{
    dv_helper_pause(helper);
    while (state_of(helper->pid) != 'T')
        pause_ms(1);
    uint64_t before = shared->steps;
    for (int i = 0; i < LOOKS; i++) {
        pause_ms(2);
        assert_int_equal(shared->steps, before);
    }
}

static void goes_on_after_a_pause(void **state)
{
    (void)state;
    struct dv_helper helper = {0};
    struct dv_helper_result result;
    int wait_status;
    struct shared *shared = start(&helper);
    stand_still(&helper, shared);
    dv_helper_go_on(&helper);
    wait_for_steps(shared);
    shared->end = 1;
    pid_t pid = helper.pid;
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    assert_true(dv_helper_reaped(&helper, pid, wait_status, &result));
    assert_int_equal(result.status, DV_OK);
    assert_int_equal(result.figures, 42);
    munmap(shared, sizeof *shared);
}

static void is_killed_while_it_stands(void **state)
{
    (void)state;
    struct dv_helper helper = {0};
    struct shared *shared = start(&helper);
    stand_still(&helper, shared);
    dv_helper_kill(&helper);
    assert_int_equal(helper.pid, 0);
    munmap(shared, sizeof *shared);
}

static void nothing_runs(void **state)
{
    (void)state;
    const struct dv_helper none = {0};
    dv_helper_pause(&none);
    dv_helper_go_on(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_after_a_pause),
        cmocka_unit_test(is_killed_while_it_stands),
        cmocka_unit_test(nothing_runs),
    };
    check_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

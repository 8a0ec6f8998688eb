/* The journal: a crash at any byte loses at most the run that was going on; nothing is done twice.
 */
#include "harness/record/journal.h"
#include "harness/tests/fixture.h"

#include <fcntl.h>

static const char yaml[] = "applications: [ep]\nrepetitions: 3\nwarmup: 0\n";

struct campaign {
    struct dv_experiment e;
    struct dv_plan plan;
    struct dv_journal journal;
    char path[256];
};

static enum dv_status open_campaign(struct campaign *c, const char *text, bool writable)
{
    assert_int_equal(fixture_open(text, &c->e), DV_OK);
    assert_int_equal(dv_plan_make(&c->e, &c->plan), DV_OK);
    snprintf(c->path, sizeof c->path, "%s/journal", c->e.output);
    return dv_journal_open(&c->e, &c->plan, writable, "run x.yaml -o out", &c->journal);
}

static void close_campaign(struct campaign *c)
{
    dv_journal_close(&c->journal);
    dv_plan_free(&c->plan);
    dv_experiment_close(&c->e);
}

static int fresh(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/out", fixture_directory);
    return dv_file_remove_tree(path) == DV_OK ? 0 : -1;
}

static void make_runs(struct campaign *c, size_t first, size_t count)
{
    size_t session;
    assert_int_equal(dv_journal_begin_session(&c->journal, &session), DV_OK);
    for (size_t i = first; i < first + count; i++) {
        struct dv_journal_run result = {
            .ok = i != 1, .wall_s = 1.5 * (double)i, .record_digest = i * 0x123456789abcdefu};
        assert_int_equal(dv_journal_start(&c->journal, i), DV_OK);
        assert_int_equal(dv_journal_done(&c->journal, i, &result), DV_OK);
    }
}

static void test_resume(void **state)
{
    (void)state;
    struct campaign c;
    assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
    uint64_t id = c.journal.id;
    make_runs(&c, 0, 3);
    assert_int_equal(dv_journal_start(&c.journal, 3), DV_OK); /* and killed */
    close_campaign(&c);
    assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
    assert_int_equal(c.journal.id, id);
    assert_int_equal(c.journal.done_count, 3);
    assert_int_equal(c.journal.failed_count, 1);
    assert_int_equal(c.journal.sessions, 1);
    assert_true(c.journal.runs[3].started && !c.journal.runs[3].done);
    assert_true(c.journal.runs[2].done && c.journal.runs[2].ok);
    assert_true(c.journal.runs[2].record_digest == 2 * 0x123456789abcdefu);
    make_runs(&c, 3, 6);
    close_campaign(&c);
    assert_int_equal(open_campaign(&c, yaml, false), DV_OK);
    assert_int_equal(c.journal.done_count, 9);
    close_campaign(&c);
}

/* Cut the journal at every byte: it opens, and knows exactly the runs whose lines are whole. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    struct campaign c;
    char *text, path[256];
    size_t length;
    assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
    make_runs(&c, 0, 4);
    snprintf(path, sizeof path, "%s", c.path);
    close_campaign(&c);
    assert_int_equal(dv_file_read(path, &text, &length), DV_OK);
    for (size_t cut = 0; cut <= length; cut++) {
        size_t whole = 0;
        for (const char *at = text; (at = strstr(at, " done ")) && at < text + cut; at++) {
            const char *end = strchr(at, '\n');
            whole += end && end < text + cut;
        }
        FILE *file = fopen(path, "w");
        assert_int_equal(fwrite(text, 1, cut, file), cut);
        fclose(file);
        assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
        assert_int_equal(c.journal.done_count, whole);
        if (whole < 9)
            make_runs(&c, whole, 1); /* appending behind a torn end works */
        close_campaign(&c);
        assert_int_equal(open_campaign(&c, yaml, false), DV_OK);
        assert_int_equal(c.journal.done_count, whole + 1);
        close_campaign(&c);
    }
    free(text);
}

static void test_damage_is_reported(void **state)
{
    (void)state;
    struct campaign c;
    char message[2048], path[256];
    enum dv_status status;
    assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
    make_runs(&c, 0, 4);
    snprintf(path, sizeof path, "%s", c.path);
    close_campaign(&c);
    char *text;
    size_t length;
    assert_int_equal(dv_file_read(path, &text, &length), DV_OK);
    strstr(text, "done run=1")[9] = '2'; /* run 2 twice, run 1 never, if nobody looked */
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    free(text);
    FIXTURE_CAPTURE(message, status = open_campaign(&c, yaml, true));
    assert_int_equal(status, DV_ERR_DAMAGED);
    assert_non_null(strstr(message, "journal is damaged at byte"));
    dv_plan_free(&c.plan);
    dv_experiment_close(&c.e);
}

static void test_other_experiment(void **state)
{
    (void)state;
    struct campaign c;
    char message[2048];
    enum dv_status status;
    assert_int_equal(open_campaign(&c, yaml, true), DV_OK);
    close_campaign(&c);
    FIXTURE_CAPTURE(message, status = open_campaign(&c, "applications: [ep]\nseed: 4\n", true));
    assert_int_equal(status, DV_ERR_MISMATCH);
    assert_non_null(strstr(message, "begun by: dejavu-bench run x.yaml -o out;"));
    dv_plan_free(&c.plan);
    dv_experiment_close(&c.e);
}

static void test_one_writer(void **state)
{
    (void)state;
    struct campaign first, second;
    char message[2048];
    enum dv_status status;
    assert_int_equal(open_campaign(&first, yaml, true), DV_OK);
    FIXTURE_CAPTURE(message, status = open_campaign(&second, yaml, true));
    assert_int_equal(status, DV_ERR_BUSY);
    assert_non_null(strstr(message, "running already"));
    dv_plan_free(&second.plan);
    dv_experiment_close(&second.e);
    close_campaign(&first);
}

static void test_nothing_there(void **state)
{
    (void)state;
    struct campaign c;
    char message[2048];
    enum dv_status status;
    FIXTURE_CAPTURE(message, status = open_campaign(&c, yaml, false));
    assert_int_equal(dv_status_exit(status), DV_EXIT_USAGE);
    assert_non_null(strstr(message, "no campaign in"));
    dv_plan_free(&c.plan);
    dv_experiment_close(&c.e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_resume, fresh),
        cmocka_unit_test_setup(test_cut_anywhere, fresh),
        cmocka_unit_test_setup(test_damage_is_reported, fresh),
        cmocka_unit_test_setup(test_other_experiment, fresh),
        cmocka_unit_test_setup(test_one_writer, fresh),
        cmocka_unit_test_setup(test_nothing_there, fresh),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

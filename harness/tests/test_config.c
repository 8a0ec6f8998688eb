/* Experiments: what is accepted, and one clear line with file, line and column for each mistake. */
#include "harness/tests/fixture.h"

#include <math.h>

static void test_full_experiment(void **state)
{
    (void)state;
    struct dv_experiment e;
    assert_int_equal(fixture_open("name: thé test\n"
                                  "applications:\n"
                                  "  - cg\n"
                                  "  - {name: mine, program: /bin/true, arguments: ['{class}'], "
                                  "digest: stdout, verification: none, ranks: 3}\n"
                                  "classes: [S, W]\n"
                                  "ranks: [1, 2]\n"
                                  "strategies: [full+coordinated, {name: zip, capture: full, "
                                  "protocol: coordinated, options: [--keep, 1]}]\n"
                                  "intervals: [200ms, 1.5m]\n"
                                  "faults: [none, {kill: rank 1, at: 1s..2s}, {kill: all, "
                                  "after-epoch: 2}, {kill: mpiexec, at: 300ms}]\n"
                                  "timeout: 1h\n"
                                  "hostname: yes\n",
                                  &e),
                     DV_OK);
    assert_string_equal(e.name, "thé test");
    assert_int_equal(e.app_count, 2);
    assert_string_equal(e.apps[0].arguments.item[1], "{class}");
    char *whole = realpath("/bin/true", NULL);
    assert_string_equal(e.apps[1].program, whole);
    free(whole);
    assert_int_equal(e.apps[1].ranks.item[0], 3);
    assert_int_equal(e.strategy_count, 4); /* the bases are always there */
    assert_int_equal(e.strategies[0].kind, DV_STRATEGY_NATIVE);
    assert_int_equal(e.strategies[1].kind, DV_STRATEGY_IDLE);
    assert_string_equal(e.strategies[2].protocol, "coordinated");
    assert_string_equal(e.strategies[3].label, "zip");
    assert_true(fabs(e.intervals.item[1] - 90) < 1e-9);
    assert_int_equal(e.faults.count, 4);
    assert_string_equal(e.faults.item[1].label, "kill rank 1 at 1s..2s");
    assert_string_equal(e.faults.item[2].label, "kill all after epoch 2");
    assert_string_equal(e.faults.item[3].label, "kill mpiexec at 300ms");
    assert_true(fabs(e.timeout_s - 3600) < 1e-9);
    assert_int_equal(e.hostname, 1);
    dv_experiment_close(&e);
}

static void test_strategy_options(void **state)
{
    (void)state;
    struct dv_experiment e;
    assert_int_equal(
        fixture_open(
            "applications: [{name: cg, classes: [A]}, {name: cg, classes: [B]}]\n"
            "strategies:\n"
            "  - {name: x, capture: incremental, protocol: coordinated,\n"
            "     options: {snapshot: fork, chain: 4, once: , capture-options: 'a=1,b=2'}}\n"
            "  - {name: y, capture: incremental, protocol: coordinated,\n"
            "     options: [--codec, lz4]}\n",
            &e),
        DV_OK);
    const struct dv_names *options = &e.strategies[2].options;
    assert_int_equal(options->count, 4);
    assert_string_equal(options->item[0], "--snapshot=fork");
    assert_string_equal(options->item[1], "--chain=4");
    assert_string_equal(options->item[2], "--once");
    assert_string_equal(options->item[3], "--capture-options=a=1,b=2");
    assert_int_equal(e.strategies[3].options.count, 2);
    assert_int_equal(e.app_count, 2);
    dv_experiment_close(&e);
}

static const struct {
    const char *yaml, *message; /* a part of it */
    enum dv_exit exit;
} mistakes[] = {
    {"applications: [cg]\nintervalls: [1s]\n",
     "x.yaml:2:1: unknown key 'intervalls'; did you mean 'intervals'?", DV_EXIT_USAGE},
    {"applications: [cg]\nintervals: [1s, 5parsec]\n",
     "x.yaml:2:17: 'intervals' wants a duration such as 200ms, 10s, 5m: '5parsec'", DV_EXIT_USAGE},
    {"applications: [cg]\nintervals: [0s]\n", "x.yaml:2:13: an interval must be longer",
     DV_EXIT_USAGE},
    {"applications: [ft, cgg]\n", "x.yaml:1:20: unknown application 'cgg'; did you mean 'cg'?",
     DV_EXIT_USAGE},
    {"applications:\n  - {name: cg, ranks: [2, 3]}\n",
     "x.yaml:2:27: application 'cg' cannot run on 3 ranks: it needs a power of two", DV_EXIT_USAGE},
    {"applications: [cg]\nranks: [0]\n", "x.yaml:2:9: 'ranks' must be 1 to 65536: 0",
     DV_EXIT_USAGE},
    {"applications: [cg]\nranks: two\n", "x.yaml:2:8: 'ranks' wants a whole number: 'two'",
     DV_EXIT_USAGE},
    {"applications: [cg]\nranks: [3]\n", "nothing to run", DV_EXIT_OK /* the plan says so */},
    {"applications:\n  - {name: x, program: /no/such}\n",
     "x.yaml:2:5: application 'x': cannot execute /no/such: No such file", DV_EXIT_ENV},
    {"applications:\n  - {name: x, program: /bin/true, digest: '('}\n",
     "x.yaml:2:43: 'digest' is not a regular expression", DV_EXIT_USAGE},
    {"applications:\n  - {name: x, program: /bin/true, digest: none}\n", "could not be verified",
     DV_EXIT_USAGE},
    {"applications: [cg]\nstrategies: [nativ]\n", "did you mean 'native'?", DV_EXIT_USAGE},
    {"applications: [cg]\nstrategies: [full]\n", "is not capture+protocol", DV_EXIT_USAGE},
    {"applications: [cg]\nstrategies: [a+b, a+b]\n", "is given twice", DV_EXIT_USAGE},
    {"applications: [cg]\nstrategies: [{capture: a, protocol: b, options: {--keep: 1}}]\n",
     "x.yaml:2:58: 'options' wants a list of words", DV_EXIT_USAGE},
    {"applications:\n  - {name: cg, classes: [A, B]}\n  - {name: cg, classes: [B]}\n",
     "application 'cg' is given twice", DV_EXIT_USAGE},
    {"applications: [{name: cg, classes: [A]}, cg]\n", "application 'cg' is given twice",
     DV_EXIT_USAGE},
    {"applications: [cg]\nfaults: [{kill: rnak 1, at: 1s}]\n", "x.yaml:2:17: unknown victim",
     DV_EXIT_USAGE},
    {"applications: [cg]\nfaults: [{kill: all}]\n",
     "needs 'kill' and one of 'at', 'after-epoch', 'distribution'", DV_EXIT_USAGE},
    {"applications: [cg]\nfaults: [{kill: all, at: 3s..2s}]\n", "'at' wants a time", DV_EXIT_USAGE},
    {"applications: [cg]\nseed: 1\nseed: 2\n", "x.yaml:3:1: key 'seed' is given twice",
     DV_EXIT_USAGE},
    {"applications: [cg]\nhostname: perhaps\n", "unknown value of 'hostname' 'perhaps'",
     DV_EXIT_USAGE},
    {"applications: [cg\nseed: 1\n", "x.yaml:2:", DV_EXIT_USAGE},
    {"seed: 1\n", "an experiment needs 'applications'", DV_EXIT_USAGE},
    {"", "x.yaml is empty", DV_EXIT_USAGE},
    {"- a\n", "expected 'key: value' lines", DV_EXIT_USAGE},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct dv_experiment e;
        char text[2048];
        enum dv_status status;
        if (mistakes[i].exit == DV_EXIT_OK)
            continue;
        FIXTURE_CAPTURE(text, status = fixture_open(mistakes[i].yaml, &e));
        if (dv_status_exit(status) != mistakes[i].exit || !strstr(text, mistakes[i].message))
            fail_msg("'%s' gave status %d and: %s", mistakes[i].yaml, status, text);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    }
}

static void test_missing_file(void **state)
{
    (void)state;
    struct dv_experiment e;
    char text[2048];
    enum dv_status status;
    FIXTURE_CAPTURE(text, status = dv_experiment_open(&e, "/no/such.yaml", NULL));
    assert_int_equal(dv_status_exit(status), DV_EXIT_USAGE);
    assert_non_null(strstr(text, "cannot open /no/such.yaml: No such file"));
}

static void test_precedence(void **state)
{
    (void)state;
    struct dv_experiment e;
    char path[256];
    const char *overrides[] = {"seed=3", NULL};
    fixture_write("p.yaml", "applications: [cg]\nseed: 1\nrepetitions: 2\npause: 1s\n", 0644);
    snprintf(path, sizeof path, "%s/p.yaml", fixture_directory);
    setenv("DEJAVU_BENCH_SEED", "2", 1);
    setenv("DEJAVU_BENCH_MAX_RESTARTS", "9", 1);
    assert_int_equal(dv_experiment_open(&e, path, overrides), DV_OK);
    assert_int_equal(e.seed, 3);
    assert_int_equal(e.max_restarts, 9);
    assert_int_equal(e.repetitions, 2);
    assert_int_equal(e.warmup, 1);
    for (size_t i = 0; i < e.setting_count; i++) {
        if (strcmp(e.settings[i].key, "seed") == 0)
            assert_string_equal(e.settings[i].source, "command line");
        if (strcmp(e.settings[i].key, "max-restarts") == 0)
            assert_string_equal(e.settings[i].source, "DEJAVU_BENCH_MAX_RESTARTS");
        if (strcmp(e.settings[i].key, "pause") == 0)
            assert_string_equal(e.settings[i].value, "1s");
    }
    dv_experiment_close(&e);
    overrides[0] = "sede=3";
    char text[2048];
    enum dv_status status;
    FIXTURE_CAPTURE(text, status = dv_experiment_open(&e, path, overrides));
    assert_int_equal(status, DV_ERR_USAGE);
    assert_non_null(strstr(text, "--set: unknown key 'sede'; did you mean 'seed'?"));
    unsetenv("DEJAVU_BENCH_SEED");
    unsetenv("DEJAVU_BENCH_MAX_RESTARTS");
}

/* The manual has a line for every key. */
static void test_keys_are_documented(void **state)
{
    (void)state;
    struct dv_key_text key;
    char *manual;
    size_t length;
    assert_int_equal(dv_file_read("harness/dejavu-bench.1", &manual, &length), DV_OK);
    for (size_t i = 0; dv_experiment_key(i, &key); i++) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "\n.BR %s \" (", key.name);
        if (!strstr(manual, wanted))
            fail_msg("harness/dejavu-bench.1 does not describe '%s'", key.name);
    }
    free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategy_options), cmocka_unit_test(test_full_experiment),
        cmocka_unit_test(test_mistakes),         cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_precedence),       cmocka_unit_test(test_keys_are_documented),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

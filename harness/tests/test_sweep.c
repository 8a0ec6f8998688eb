/* Sweeps, includes and profiles: what they make of an experiment, and one line with file, line and column for each
 * mistake. */
#include "harness/tests/fixture.h"

static const char swept[] =
    "applications:\n"
    "  - {name: cg}\n"
    "  - {name: stencil, program: /bin/true, arguments: [--dirty, '{dirty}', --size, "
    "'{size}x{size}'], digest: stdout}\n"
    "sweep: {dirty: [1, 10], size: [4, 8, 16], chain: [2, 6]}\n"
    "strategies:\n"
    "  - full+coordinated\n"
    "  - {name: inc, capture: incremental, protocol: coordinated, options: {chain: '{chain}'}}\n";

static void test_combinations(void **state)
{
    (void)state;
    struct dv_experiment e;
    assert_int_equal(fixture_open(swept, &e), DV_OK);
    assert_int_equal(e.app_count, 1 + 2 * 3);
    assert_string_equal(e.apps[0].name, "cg");
    assert_string_equal(e.apps[0].parameters, "");
    assert_string_equal(e.apps[1].name, "stencil[dirty=1,size=4]");
    assert_string_equal(e.apps[1].parameters, "dirty=1 size=4");
    assert_string_equal(e.apps[4].name, "stencil[dirty=10,size=8]");
    assert_string_equal(e.apps[4].arguments.item[1], "10");
    assert_string_equal(e.apps[4].arguments.item[3], "8x8");
    assert_int_equal(e.strategy_count, 2 + 1 + 2);
    assert_string_equal(e.strategies[4].label, "inc[chain=6]");
    assert_string_equal(e.strategies[4].options.item[0], "--chain=6");
    dv_experiment_close(&e);
}

static const struct {
    const char *yaml, *message; /* a part of it */
} mistakes[] = {
    {"applications: [cg]\nsweep: {dirty: [1]}\n",
     "x.yaml:2: parameter 'dirty' of 'sweep' is used nowhere"},
    {"applications: [cg]\nsweep: [1]\n", "x.yaml:2:8: 'sweep' wants parameter: [value"},
    {"applications: [cg]\nsweep: {class: [A]}\n",
     "x.yaml:2:9: a parameter is a word other than class"},
    {"applications: [cg]\nsweep: {d: []}\n", "x.yaml:2:9: parameter 'd' has no values"},
    {"applications:\n  - {name: cg, arguments: ['{dirtty}']}\nsweep: {dirty: [1]}\n",
     "x.yaml:2:5: unknown parameter 'dirtty'; did you mean 'dirty'?"},
    {"include: [no.yaml]\napplications: [cg]\n", "x.yaml:1:11: 'include': cannot read"},
    {"include: x.yaml\napplications: [cg]\n", "x.yaml:1:10: files are included 8 deep"},
    {"applications: [cg]\nprofiles: {quick: {repetitons: 1}}\n",
     "x.yaml:2:20: unknown key 'repetitons'; did you mean 'repetitions'?"},
    {"applications: [cg]\nprofiles: [quick]\n", "x.yaml:2:11: 'profiles' wants name: {key: value"},
    {"applications: [cg]\nprofile: quik\nprofiles: {quick: {repetitions: 1}}\n",
     "x.yaml:2: unknown profile 'quik'; did you mean 'quick'?"},
    {"applications: [cg]\nprofile: quick\n", "there is no profile 'quick'"},
    {"applications: [cg]\ncache: cold\n",
     "x.yaml:2:8: unknown value of 'cache' 'cold'; known: warm, drop"},
    {"applications: [cg]\npin: core\n",
     "x.yaml:2:6: unknown value of 'pin' 'core'; did you mean 'cores'?"},
    {"applications: [cg]\nfaults: [{kill: all, distribution: exponental, mtbf: 1s}]\n",
     "x.yaml:2:36: unknown distribution 'exponental'; did you mean 'exponential'?"},
    {"applications: [cg]\nfaults: [{kill: all, distribution: weibull, mtbf: 1s}]\n",
     "weibull needs 'mtbf' and 'shape'"},
    {"applications: [cg]\nfaults: [{kill: all, distribution: exponential, mtbf: 20q}]\n",
     "x.yaml:2:55: 'mtbf' wants a duration"},
    {"applications: [cg]\nfaults: [{kill: all, distribution: weibull, mtbf: 1s, shape: 99}]\n",
     "'shape' wants a number from"},
    {"applications: [cg]\nfaults: [{kill: all, at: [2s, 1s]}]\n",
     "x.yaml:2:31: the times of 'at' must rise"},
    {"applications: [cg]\nfaults: [{kill: all, at: 1s, mtbf: 2s}]\n",
     "x.yaml:2:36: 'mtbf' belongs to a 'distribution'"},
    {"applications: [cg]\nstrategies: [crui]\n", "unknown strategy 'crui'; did you mean 'criu'?"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct dv_experiment e;
        char text[2048];
        enum dv_status status;
        FIXTURE_CAPTURE(text, status = fixture_open(mistakes[i].yaml, &e));
        if (dv_status_exit(status) != DV_EXIT_USAGE || !strstr(text, mistakes[i].message))
            fail_msg("'%s' gave status %d and: %s", mistakes[i].yaml, status, text);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    }
}

/* Command line, profile, file, last include, first include, default. */
static void test_layers(void **state)
{
    (void)state;
    struct dv_experiment e;
    char path[256];
    mkdir((snprintf(path, sizeof path, "%s/sub", fixture_directory), path), 0700);
    fixture_write("first.yaml", "repetitions: 11\nwarmup: 12\npause: 13s\nmax-restarts: 14\n",
                  0644);
    fixture_write("sub/second.yaml", "include: third.yaml\nwarmup: 22\n", 0644);
    fixture_write("sub/third.yaml",
                  "warmup: 32\npause: 33s\nprofiles: {quick: {max-restarts: 35, seed: 36}}\n",
                  0644);
    fixture_write("l.yaml",
                  "include: [first.yaml, sub/second.yaml]\n"
                  "applications: [cg]\n"
                  "timeout: 41s\n"
                  "profiles: {quick: {timeout: 42s, seed: 43}, slow: {timeout: 44s}}\n",
                  0644);
    snprintf(path, sizeof path, "%s/l.yaml", fixture_directory);
    const char *overrides[] = {"profile=quick", "seed=51", NULL};
    assert_int_equal(dv_experiment_open(&e, path, overrides), DV_OK);
    assert_int_equal(e.repetitions, 11);
    assert_int_equal(e.warmup, 22);
    assert_int_equal(e.max_restarts, 35);
    assert_int_equal(e.seed, 51);
    assert_int_equal((int)e.pause_s, 33);
    assert_int_equal((int)e.timeout_s, 42);
    assert_non_null(strstr(dv_experiment_setting(&e, "pause")->source, "sub/third.yaml:2"));
    assert_non_null(strstr(dv_experiment_setting(&e, "timeout")->source, "l.yaml:4"));
    dv_experiment_close(&e);
    assert_int_equal(dv_experiment_open(&e, path, NULL), DV_OK);
    assert_int_equal((int)e.timeout_s, 41);
    dv_experiment_close(&e);
    const char *wrong[] = {"include=a", NULL};
    char text[2048];
    enum dv_status status;
    FIXTURE_CAPTURE(text, status = dv_experiment_open(&e, path, wrong));
    assert_int_equal(status, DV_ERR_USAGE);
    assert_non_null(strstr(text, "only an experiment file can say that"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

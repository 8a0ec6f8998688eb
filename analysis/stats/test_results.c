/* Tables of results: every format says the same, missing values and odd texts included. */
#include "analysis/stats/results.h"
#include "harness/tests/fixture.h"

#include <math.h>

static char *read_file(const char *name)
{
    char path[256], *text = NULL;
    size_t length;
    snprintf(path, sizeof path, "%s/out/%s", fixture_directory, name);
    assert_int_equal(dv_file_read(path, &text, &length), DV_OK);
    return text;
}

static void assert_file_has(const char *name, const char *expected)
{
    char *text = read_file(name);
    if (!strstr(text, expected))
        fail_msg("%s does not have '%s':\n%s", name, expected, text);
    free(text);
}

static void write_some(struct dv_results *results, const char *directory)
{
    dv_results_init(results);
    struct dv_source_row *source = DV_RESULT_ADD(results, DV_RESULT_SOURCES, dv_source_row);
    DV_TEXT_SET(source->file, "a \"quoted\" name.h5");
    struct dv_recovery_row *row = DV_RESULT_ADD(results, DV_RESULT_RECOVERY, dv_recovery_row);
    DV_TEXT_SET(row->cell.strategy, "full_1+coordinated & more");
    DV_TEXT_SET(row->fault, "kill rank 1, \"soon\"");
    row->n = 3;
    row->median_s = 2.5e-5;
    dv_results_leave_out(results, "run", "it failed", 1);
    dv_results_leave_out(results, "run", "it failed", 2);
    dv_results_leave_out(results, "other run", "it failed", 1);
    assert_int_equal(dv_results_write(results, directory), DV_OK);
}

static void test_formats(void **state)
{
    (void)state;
    char directory[128];
    struct dv_results results, again;
    snprintf(directory, sizeof directory, "%s/out", fixture_directory);
    write_some(&results, directory);
    assert_file_has("analysis.json", "\"sources\": [\n    {\"file\": \"a \\\"quoted\\\" name.h5\"");
    assert_file_has("analysis.json",
                    "\"fault\": \"kill rank 1, \\\"soon\\\"\", \"n\": 3, \"lost\": "
                    "null, \"median_s\": 2.5000000000000001e-05, \"low_s\": null");
    assert_file_has("recovery.csv", ",full_1+coordinated & more,,\"kill rank 1, \"\"soon\"\"\",3,,"
                                    "2.5000000000000001e-05,,,\n");
    assert_file_has("recovery.tex", "full\\_1+coordinated \\& more");
    assert_file_has("recovery.tex", "& $2.5\\times10^{-5}$ & --");
    assert_file_has("stall.tex", "\\midrule\n\\bottomrule");
    assert_file_has("left_out.csv", "what,reason,count\nrun,it failed,3\nother run,it failed,1\n");
    assert_int_equal(dv_results_read(&again, directory), DV_OK);
    assert_int_equal(again.table[DV_RESULT_RECOVERY].count, 1);
    const struct dv_recovery_row *row = dv_table_row(&again.table[DV_RESULT_RECOVERY], 0);
    assert_true(row->median_s == 2.5e-5 && isnan(row->low_s) && row->lost == -1);
    assert_string_equal(row->fault, "kill rank 1, \"soon\"");
    dv_results_clear(&again);
    dv_results_clear(&results);
}

static void test_damage(void **state)
{
    (void)state;
    char message[512], directory[128];
    struct dv_results results;
    enum dv_status status;
    snprintf(directory, sizeof directory, "%s/none", fixture_directory);
    assert_int_equal(dv_results_read(&results, directory), DV_ERR_NOT_FOUND);
    fixture_write("analysis.h5", "not HDF5", 0644);
    FIXTURE_CAPTURE(message, status = dv_results_read(&results, fixture_directory));
    assert_int_equal(status, DV_ERR_DAMAGED);
    assert_non_null(strstr(message, "makes it anew"));
    fixture_write("file", "", 0644);
    snprintf(directory, sizeof directory, "%s/file", fixture_directory);
    dv_results_init(&results);
    FIXTURE_CAPTURE(message, status = dv_results_write(&results, directory));
    assert_true(status != DV_OK);
    assert_non_null(strstr(message, directory));
}

static void test_forget(void **state)
{
    (void)state;
    struct dv_results results;
    dv_results_init(&results);
    dv_results_leave_out(&results, "simulation: a", "x", 1);
    dv_results_leave_out(&results, "kept", "x", 1);
    dv_results_leave_out(&results, "simulation: b", "x", 1);
    dv_results_forget(&results, "simulation: ");
    assert_int_equal(results.table[DV_RESULT_LEFT_OUT].count, 1);
    const struct dv_leftover_row *row = dv_table_row(&results.table[DV_RESULT_LEFT_OUT], 0);
    assert_string_equal(row->what, "kept");
    dv_results_clear(&results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_forget),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

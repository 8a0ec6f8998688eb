/* Records: rows survive text and HDF5; output and events are understood; wrong results are
 * failures. */
#include "harness/record/events.h"
#include "harness/record/output.h"
#include "harness/record/record.h"
#include "harness/tests/fixture.h"

#include <math.h>

static void check_run(const struct dv_run_row *row)
{
    assert_int_equal(row->run, 7);
    assert_int_equal(row->max_rss_bytes, -1); /* missing */
    assert_true(isnan(row->interval_s));
    assert_true(row->wall_s == 0.1 + 0.2);
    assert_string_equal(row->reason, "100 % wrong = \"bad\"\nand ünicode");
    assert_int_equal(row->strategy_kind, DV_STRATEGY_CHECKPOINT);
    assert_string_equal(row->digest, "");
}

static void add_run(struct dv_tables *tables)
{
    struct dv_run_row *row = DV_ADD(tables, DV_TABLE_RUNS, dv_run_row);
    row->run = 7;
    row->wall_s = 0.1 + 0.2;
    row->strategy_kind = DV_STRATEGY_CHECKPOINT;
    DV_TEXT_SET(row->reason, "100 % wrong = \"bad\"\nand ünicode");
}

static void test_text_round_trip(void **state)
{
    (void)state;
    struct dv_tables tables, again;
    char *text, broken[2048], message[2048];
    size_t length;
    enum dv_status status;
    dv_tables_init(&tables);
    dv_tables_init(&again);
    add_run(&tables);
    FILE *memory = open_memstream(&text, &length);
    dv_tables_print(&tables, memory);
    fclose(memory);
    assert_int_equal(dv_tables_parse(&again, text, "record"), DV_OK);
    assert_int_equal(again.table[DV_TABLE_RUNS].count, 1);
    check_run(DV_ROW(&again, DV_TABLE_RUNS, dv_run_row, 0));
    snprintf(broken, sizeof broken, "runs run=1\nruns rnu=2\n");
    FIXTURE_CAPTURE(message, status = dv_tables_parse(&again, broken, "record"));
    assert_int_equal(status, DV_ERR_DAMAGED);
    assert_non_null(strstr(message, "record:2:"));
    free(text);
    dv_tables_clear(&tables);
    dv_tables_clear(&again);
}

static void test_hdf5_round_trip(void **state)
{
    (void)state;
    struct dv_tables tables, again;
    char path[256];
    dv_tables_init(&tables);
    dv_tables_init(&again);
    add_run(&tables);
    snprintf(path, sizeof path, "%s/t.h5", fixture_directory);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (size_t i = 0; i < DV_TABLES; i++)
        assert_int_equal(dv_table_write(&tables.table[i], file), DV_OK); /* empty ones too */
    H5Fclose(file);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    for (size_t i = 0; i < DV_TABLES; i++)
        assert_int_equal(dv_table_read(&again.table[i], file), DV_OK);
    H5Fclose(file);
    assert_int_equal(again.table[DV_TABLE_RUNS].count, 1);
    assert_int_equal(again.table[DV_TABLE_EPOCHS].count, 0);
    check_run(DV_ROW(&again, DV_TABLE_RUNS, dv_run_row, 0));
    dv_tables_clear(&tables);
    dv_tables_clear(&again);
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    char field[8];
    DV_TEXT_SET(field, "1234567");
    assert_string_equal(field, "1234567");
    DV_TEXT_SET(field, "12345678");
    assert_string_equal(field, "1234...");
    DV_TEXT_SET(field, "123\xc3\xbc+++++");
    assert_string_equal(field, "123...");
}

static void test_output(void **state)
{
    (void)state;
    const struct dv_app app = {.verification = "Verification *= *SUCCESSFUL",
                               .digest = "^DIGEST ([0-9a-f]+)",
                               .seconds = "Time in seconds *= *([0-9.]+)"};
    struct dv_output output;
    char path[256];
    snprintf(path, sizeof path, "%s/o", fixture_directory);
    fixture_write("o",
                  " Time in seconds =      1.250\n Verification    =      SUCCESSFUL\n"
                  "xDIGEST 99\nDIGEST 0123abcd\n",
                  0644);
    assert_int_equal(dv_output_read(&app, path, &output), DV_OK);
    assert_int_equal(output.verification, DV_VERIFICATION_SUCCESSFUL);
    assert_string_equal(output.digest, "0123abcd");
    assert_true(output.seconds == 1.25);
    fixture_write("o", " Verification    =    UNSUCCESSFUL\nDIGEST\n", 0644);
    assert_int_equal(dv_output_read(&app, path, &output), DV_OK);
    assert_int_equal(output.verification, DV_VERIFICATION_MISSING);
    assert_string_equal(output.digest, "");
    assert_true(isnan(output.seconds));
}

static const char events_text[] =
    "0.000019 start unix_ns=1 pid=9 ranks=2 strategy=full+coordinated restart=0 epoch=0\n"
    "0.004000 launch incarnation=0 epoch=0 pid=10\n"
    "0.028000 running incarnation=0 epoch=0 start_ns=28011579\n"
    "0.690000 region epoch=1 rank=0 start=0x3fff80000000 end=0x3fffc0000000 pages=262144 dirty=7 "
    "mode=hashed was=tracked cost_ns=74000000 other_ns=181000000 new_key=x reason=half of it = "
    "dirty\n"
    "0.690001 region epoch=1 rank=1 start=4096 end=8192 mode=always reason=\"shared memory\"\n"
    "0.690002 region epoch=1 rank=1 mode=always\n"
    "0.700000 rank epoch=1 rank=0 stop_ns=60991 stall_ns=100 file_bytes=5 new_key=1 digest=ab\n"
    "0.700001 rank epoch=1 rank=1 stop_ns=60992 scan_ns=20 snapshot_ns=30 stall_ns=300 "
    "snapshot=fork "
    "populated_bytes=900 examined_bytes=90 zero_bytes=40 same_bytes=30 data_bytes=20 "
    "inherited_bytes=810 file_bytes=6 parent_epoch=0\n"
    "0.700002 committed epoch=1 file_bytes=11 quiesce_ns=70 capture_ns=71 commit_ns=72 "
    "total_ns=213\n"
    "1.000000 lost rank=1 pid=12\n"
    "1.000100 restart epoch=1 incarnation=1 reason=\"rank 1 was lost\"\n"
    "1.100000 launch incarnation=1 epoch=1 pid=20\n"
    "1.400000 restored epoch=1 rank=0 read_ns=7 restore_ns=8\n"
    "1.500000 restored epoch=1 rank=1 read_ns=9 restore_ns=10 chain_length=3 loaded_bytes=11 "
    "lazy_bytes=12\n"
    "1.500001 running incarnation=1 epoch=1 start_ns=400000\n"
    "2.0 torn by a ki";

static void check_epoch(const struct dv_epoch_row *epoch)
{
    assert_true(epoch->committed && epoch->rank == 1 && epoch->stall_ns == 300 && epoch->run == 3);
    assert_int_equal(epoch->write_ns, -1); /* not reported */
    assert_true(epoch->scan_ns == 20 && epoch->snapshot_ns == 30);
    assert_int_equal(epoch->snapshot, DV_SNAPSHOT_KIND_FORK);
    assert_true(epoch->populated_bytes == 900 && epoch->examined_bytes == 90);
    assert_true(epoch->zero_bytes == 40 && epoch->same_bytes == 30 && epoch->data_bytes == 20);
    assert_true(epoch->inherited_bytes == 810 && epoch->parent_epoch == 0);
    assert_true(epoch->quiesce_ns == 70 && epoch->capture_ns == 71 && epoch->commit_ns == 72);
}

static void check_decisions(const struct dv_tables *tables)
{
    assert_int_equal(tables->table[DV_TABLE_DECISIONS].count, 3);
    const struct dv_decision_row *d = DV_ROW(tables, DV_TABLE_DECISIONS, dv_decision_row, 0);
    assert_true(d->run == 3 && d->epoch == 1 && d->rank == 0 && fabs(d->at_s - 0.94) < 1e-9);
    assert_true(d->start == 0x3fff80000000 && d->end == 0x3fffc0000000);
    assert_true(d->pages == 262144 && d->dirty == 7);
    assert_true(d->cost_ns == 74000000 && d->other_ns == 181000000);
    assert_string_equal(d->mode, "hashed");
    assert_string_equal(d->was, "tracked");
    assert_string_equal(d->reason, "half of it = dirty");
    d = DV_ROW(tables, DV_TABLE_DECISIONS, dv_decision_row, 1);
    assert_true(d->rank == 1 && d->start == 4096 && d->dirty == -1);
    assert_string_equal(d->reason, "shared memory");
    d = DV_ROW(tables, DV_TABLE_DECISIONS, dv_decision_row, 2);
    assert_string_equal(d->mode, "always");
    assert_string_equal(d->reason, "");
}

static void test_events(void **state)
{
    (void)state;
    struct dv_tables tables;
    struct dv_events_summary summary;
    char path[256];
    dv_tables_init(&tables);
    struct dv_fault_row *fault = DV_ADD(&tables, DV_TABLE_FAULTS, dv_fault_row);
    fault->run = 3;
    fault->injected = 1;
    fault->at_s = 1.25;
    fixture_write("e", events_text, 0644);
    snprintf(path, sizeof path, "%s/e", fixture_directory);
    assert_int_equal(dv_events_read(path, 3, 0.25, &tables, &summary), DV_OK);
    assert_int_equal(summary.epochs, 1);
    assert_int_equal(summary.restarts, 1);
    assert_int_equal(summary.unknown_lines, 0);
    assert_false(summary.began_anew);
    assert_int_equal(tables.table[DV_TABLE_EVENTS].count, 12);
    assert_int_equal(tables.table[DV_TABLE_EPOCHS].count, 2);
    check_epoch(DV_ROW(&tables, DV_TABLE_EPOCHS, dv_epoch_row, 1));
    assert_int_equal(DV_ROW(&tables, DV_TABLE_EPOCHS, dv_epoch_row, 0)->snapshot,
                     DV_SNAPSHOT_KIND_UNREPORTED);
    check_decisions(&tables);
    const struct dv_restore_row *restore = DV_ROW(&tables, DV_TABLE_RESTORES, dv_restore_row, 1);
    assert_true(restore->incarnation == 1 && restore->epoch == 1 && restore->restore_ns == 10);
    assert_true(restore->chain_length == 3 && restore->loaded_bytes == 11);
    assert_int_equal(restore->lazy_bytes, 12);
    fault = DV_ROW(&tables, DV_TABLE_FAULTS, dv_fault_row, 0);
    assert_true(fabs(fault->recovered_s - 0.500001) < 1e-9);
    assert_int_equal(fault->restored_epoch, 1);
    assert_int_equal(fault->epochs_before, 1);
    dv_tables_clear(&tables);
}

static void test_began_anew(void **state)
{
    (void)state;
    struct dv_tables tables;
    struct dv_events_summary summary;
    char path[256];
    dv_tables_init(&tables);
    fixture_write("e", "1.0 committed epoch=1\n2.0 running incarnation=1 epoch=0\n", 0644);
    snprintf(path, sizeof path, "%s/e", fixture_directory);
    assert_int_equal(dv_events_read(path, 0, 0, &tables, &summary), DV_OK);
    assert_true(summary.began_anew);
    dv_tables_clear(&tables);
}

static struct dv_run_row *add_result(struct dv_tables *tables, int kind, const char *digest)
{
    struct dv_run_row *row = DV_ADD(tables, DV_TABLE_RUNS, dv_run_row);
    row->strategy_kind = kind;
    row->outcome = DV_OUTCOME_OK;
    row->exit_status = 0;
    row->verification = DV_VERIFICATION_SUCCESSFUL;
    row->ranks = 2;
    DV_TEXT_SET(row->application, "cg");
    DV_TEXT_SET(row->class_name, "S");
    DV_TEXT_SET(row->digest, digest);
    return row;
}

static const struct dv_run_row *result(const struct dv_tables *tables, size_t index)
{
    return DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, index);
}

static void test_judge(void **state)
{
    (void)state;
    struct dv_tables tables;
    dv_tables_init(&tables);
    add_result(&tables, DV_STRATEGY_CHECKPOINT, "aa"); /* before its native run */
    add_result(&tables, DV_STRATEGY_NATIVE, "aa");
    add_result(&tables, DV_STRATEGY_IDLE, "bb");
    add_result(&tables, DV_STRATEGY_IDLE, "");
    add_result(&tables, DV_STRATEGY_IDLE, "aa")->ranks = 4; /* has no native run */
    dv_record_judge(&tables);
    assert_true(result(&tables, 0)->verified && result(&tables, 1)->verified);
    assert_int_equal(result(&tables, 2)->outcome, DV_OUTCOME_FAILED);
    assert_string_equal(result(&tables, 2)->reason, "wrong result: digest bb instead of aa");
    assert_false(result(&tables, 2)->verified);
    assert_int_equal(result(&tables, 3)->outcome, DV_OUTCOME_OK);
    assert_int_equal(result(&tables, 4)->outcome, DV_OUTCOME_FAILED);
    dv_tables_clear(&tables);
}

static void test_judge_irreproducible(void **state)
{
    (void)state;
    struct dv_tables tables;
    dv_tables_init(&tables);
    add_result(&tables, DV_STRATEGY_NATIVE, "aa");
    add_result(&tables, DV_STRATEGY_NATIVE, "ab");
    dv_record_judge(&tables);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(result(&tables, i)->outcome, DV_OUTCOME_FAILED);
        assert_non_null(strstr(result(&tables, i)->reason, "not reproducible"));
    }
    dv_tables_clear(&tables);
}

/* Every column is described in the README of the results. */
static void test_schema_is_documented(void **state)
{
    (void)state;
    char *readme;
    size_t length;
    assert_int_equal(dv_file_read("results/README.md", &readme, &length), DV_OK);
    for (size_t i = 0; i < DV_TABLES; i++) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "### /%s", dv_table_kinds[i].name);
        const char *section = strstr(readme, wanted);
        if (!section)
            fail_msg("results/README.md has no section '%s'", wanted);
        for (const struct dv_column *c = dv_table_kinds[i].columns; c->name; c++) {
            snprintf(wanted, sizeof wanted, "`%s`", c->name);
            if (!strstr(section, wanted))
                fail_msg("results/README.md does not describe /%s/%s", dv_table_kinds[i].name,
                         c->name);
        }
    }
    free(readme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_hdf5_round_trip),
        cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_began_anew),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_judge_irreproducible),
        cmocka_unit_test(test_schema_is_documented),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

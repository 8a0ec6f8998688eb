/* JOB/events: every figure of a rank is on its line, and what a strategy decided is there line by line. */
#include "check.h"
#include "common/keep.h"
#include "control/events.h"

#include <inttypes.h>
#include <stdbool.h>

static struct dv_events *open_events(void **state)
{
    struct dv_events *events;
    assert_int_equal(dv_events_open(*state, &events), DV_OK);
    return events;
}

static char *read_events(void **state)
{
    static char text[1 << 16];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/events", (const char *)*state);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* A field that is added to the struct and forgotten here would be lost silently. */
static void every_figure_is_logged(void **state)
{
    struct dv_wire_figures f;
    uint64_t word[sizeof f / sizeof(uint64_t)] = {0};
    const size_t words = sizeof word / sizeof *word,
                 digest = offsetof(struct dv_wire_figures, digest) / 8;
    for (size_t i = 0; i < words; i++)
        word[i] = 1000000 + i;
    memcpy(&f, word, sizeof f);
    f.kept = DV_KEEP_FORK;
    struct dv_events *events = open_events(state);
    dv_events_figures(events, "rank", 3, &f);
    dv_events_close(events);
    const char *text = read_events(state);
    for (size_t i = 0; i < words; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "=%" PRIu64 " ", word[i]);
        bool is_word =
            i != digest && i != digest + 1 && i != offsetof(struct dv_wire_figures, kept) / 8;
        if (is_word && !strstr(text, wanted))
            fail_msg("the figure at byte %zu is not in: %s", i * sizeof *word, text);
    }
    assert_non_null(strstr(text, " rank epoch=1000000 rank=3 "));
    assert_non_null(strstr(text, " snapshot=fork "));
    assert_non_null(strstr(text, "_ns=1000001 "));
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        count++;
    return count;
}

static void log_decisions(struct dv_events *events, const char *text, size_t length)
{
    char frame[16384];
    struct dv_wire_epoch epoch = {.epoch = 7};
    memcpy(frame, &epoch, sizeof epoch);
    memcpy(frame + sizeof epoch, text, length);
    dv_events_decisions(events, 1, frame, sizeof epoch + length);
}

static void decisions_are_lines(void **state)
{
    static const char decided[] =
        "start=0x1000 end=0x3000 pages=2 dirty=1 mode=tracked reason=few pages change\n"
        "\n"
        "start=0x5000 end=0x6000 mode=hashed\x01";
    char much[8000];
    struct dv_events *events = open_events(state);
    log_decisions(events, decided, sizeof decided - 1); /* no NUL, no newline at the end */
    log_decisions(events, "tracker=wp\n", sizeof "tracker=wp\n");
    log_decisions(events, "", 0);
    dv_events_decisions(events, 1, "short", 5);
    memset(much, 'x', sizeof much);
    log_decisions(events, much, sizeof much);
    dv_events_close(events);
    const char *text = read_events(state);
    assert_int_equal(count_of(text, " region epoch=7 rank=1 start="), 2);
    assert_int_equal(count_of(text, " decision epoch=7 rank=1 "), 2);
    assert_int_equal(count_of(text, "\n"), 4);
    assert_non_null(strstr(
        text,
        "rank=1 start=0x1000 end=0x3000 pages=2 dirty=1 mode=tracked reason=few pages change\n"));
    assert_non_null(strstr(text, "rank=1 start=0x5000 end=0x6000 mode=hashed \n"));
    assert_non_null(strstr(text, "rank=1 tracker=wp\n"));
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(dv_wire_type_name(DV_WIRE_DECISIONS), "DECISIONS");
    assert_string_equal(dv_wire_type_name(DV_WIRE_ANSWER), "ANSWER");
    for (unsigned type = DV_WIRE_HELLO; type <= DV_WIRE_ANSWER; type++)
        assert_string_not_equal(dv_wire_type_name(type), "unknown");
}

int main(void)
{
    check_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_figure_is_logged, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test_setup_teardown(decisions_are_lines, check_make_directory,
                                        check_remove_directory),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

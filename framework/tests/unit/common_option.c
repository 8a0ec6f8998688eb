/* Unit test: options, "did you mean", values with units, status texts. */
#include "check.h"

#include <dejavu/option.h>
#include <dejavu/status.h>

struct state {
    int hash;
    int64_t level;
    uint64_t budget;
    double every;
    char name[DV_OPTION_STRING_BYTES];
};

static const struct dv_option table[] = {
    {"hash", "no", "find unchanged pages", offsetof(struct state, hash), DV_OPTION_BOOL},
    {"level", "-3", "a number", offsetof(struct state, level), DV_OPTION_INT},
    {"budget", "64M", "memory", offsetof(struct state, budget), DV_OPTION_BYTES},
    {"interval", "1.5m", "time", offsetof(struct state, every), DV_OPTION_SECONDS},
    {"name", "x", "text", offsetof(struct state, name), DV_OPTION_STRING},
    {0},
};

static void defaults_then_settings(void **unused)
{
    (void)unused;
    char why[200];
    struct state s = {0};
    assert_int_equal(dv_options_apply(table, NULL, &s, why, sizeof why), DV_OK);
    assert_int_equal(s.hash, 0);
    assert_int_equal(s.level, -3);
    assert_int_equal(s.budget, 64u << 20);
    assert_true(s.every > 89.99 && s.every < 90.01);
    assert_string_equal(s.name, "x");
    assert_int_equal(dv_options_apply(table,
                                      " hash , level=12,budget=2G,,interval=200ms, name = a b ,",
                                      &s, why, sizeof why),
                     DV_OK);
    assert_int_equal(s.hash, 1);
    assert_int_equal(s.level, 12);
    assert_int_equal(s.budget, 2ull << 30);
    assert_true(s.every > 0.1999 && s.every < 0.2001);
    assert_string_equal(s.name, "a b");
    assert_int_equal(dv_options_apply(NULL, "", &s, why, sizeof why), DV_OK);
    assert_int_equal(dv_options_apply(table, "level=1,level=2", &s, why, sizeof why), DV_OK);
    assert_int_equal(s.level, 2);
}

static void wrong_settings_are_explained(void **unused)
{
    static const struct {
        const char *settings, *text;
    } cases[] = {
        {"budgt=1M", "did you mean \"budget\""},
        {"intervall=1s", "did you mean \"interval\""},
        {"zzz=1", "there are: hash, level"},
        {"level", "needs a value"},
        {"level=1.5", "whole number"},
        {"level=", "whole number"},
        {"level=99999999999999999999", "whole number"},
        {"hash=maybe", "yes or no"},
        {"budget=-1", "number of bytes"},
        {"budget=20E", "number of bytes"},
        {"interval=soon", "a time such as"},
        {"interval=-1s", "a time such as"},
        {"name=0123456789012345678901234567890123456789012345678901234567890123", "at most 63"},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct state s = {0};
        char why[200] = "";
        assert_int_equal(dv_options_apply(table, cases[i].settings, &s, why, sizeof why),
                         DV_ERR_USAGE);
        if (!strstr(why, cases[i].text))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].settings, why, cases[i].text);
    }
    char small[8], longest[600];
    struct state s = {0};
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(dv_options_apply(table, longest, &s, small, sizeof small), DV_ERR_USAGE);
    assert_true(strlen(small) < sizeof small);
    assert_int_equal(dv_options_apply(NULL, "a=1", &s, small, sizeof small), DV_ERR_USAGE);
}

static void did_you_mean(void **unused)
{
    static const char *const names[] = {"full",   "incremental",    "coordinated",
                                        "dejavu", "message-logged", NULL};
    static const char *const none[] = {NULL};
    (void)unused;
    assert_string_equal(dv_did_you_mean("incremntal", names), "incremental");
    assert_string_equal(dv_did_you_mean("fulll", names), "full");
    assert_string_equal(dv_did_you_mean("FULL", names), "full");
    assert_string_equal(dv_did_you_mean("cooridnated", names), "coordinated");
    assert_string_equal(dv_did_you_mean("coord", names), "coordinated");
    assert_string_equal(dv_did_you_mean("deja vu", names), "dejavu");
    assert_null(dv_did_you_mean("xyz", names));
    assert_null(dv_did_you_mean("", names));
    assert_null(dv_did_you_mean("full", none));
}

static void seconds(void **unused)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"10", 10},    {"10s", 10},   {"200ms", .2}, {"1.5m", 90},
                {"2min", 120}, {"2h", 7200},  {"1d", 86400}, {"0", 0},
                {".5s", .5},   {"7us", 7e-6}, {"1e1s", 10}};
    static const char *const bad[] = {"",    "s",   "-1",  "+1",   " 1",    "1 s",
                                      "10x", "inf", "nan", "0x10", "1e999", "1.2.3"};
    (void)unused;
    double v = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(dv_parse_seconds(good[i].text, &v), DV_OK);
        double off = v - good[i].value;
        assert_true(off < 1e-9 && off > -1e-9);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dv_parse_seconds(bad[i], &v), DV_ERR_USAGE);
}

static void bytes(void **unused)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},           {"4096", 4096},
                {"64K", 65536},     {"64k", 65536},
                {"1M", 1 << 20},    {"2G", 2ull << 30},
                {"1KiB", 1024},     {"3MB", 3 << 20},
                {"5B", 5},          {"15E", 15ull << 60},
                {"1T", 1ull << 40}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",    "K",   "-1",  "1.5G", "16E", "18446744073709551616",
                                      "1KK", "1 K", "1iB", "0x10"};
    (void)unused;
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(dv_parse_bytes(good[i].text, &v), DV_OK);
        assert_int_equal(v, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dv_parse_bytes(bad[i], &v), DV_ERR_USAGE);
}

static void status_texts(void **unused)
{
    (void)unused;
    for (int i = 0; i < DV_STATUS_COUNT; i++)
        assert_true(dv_status_text((enum dv_status)i)[0] != '\0');
    assert_string_equal(dv_status_text((enum dv_status)9999), "unknown status");
    assert_int_equal(dv_status_exit(DV_OK), 0);
    assert_int_equal(dv_status_exit(DV_ERR_USAGE), 2);
    assert_int_equal(dv_status_exit(DV_ERR_NO_SPACE), 3);
    assert_int_equal(dv_status_exit((enum dv_status)9999), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_then_settings),
        cmocka_unit_test(wrong_settings_are_explained),
        cmocka_unit_test(did_you_mean),
        cmocka_unit_test(seconds),
        cmocka_unit_test(bytes),
        cmocka_unit_test(status_texts),
    };
    return cmocka_run_group_tests_name("common-option", tests, NULL, NULL);
}

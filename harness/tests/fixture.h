/* What the harness's unit tests share: a private directory with programs that exist, and
 * experiments in it. */
#ifndef DV_HARNESS_TESTS_FIXTURE_H
#define DV_HARNESS_TESTS_FIXTURE_H

#include "harness/config/experiment.h"
#include "harness/record/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

static char fixture_directory[64];

static inline void fixture_write(const char *name, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture_directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static inline int fixture_setup(void **state)
{
    (void)state;
    static const char *const programs[] = {"npb-ep", "npb-cg", "npb-mg",
                                           "npb-ft", "npb-is", "synthetic"};
    strcpy(fixture_directory, "/tmp/dejavu-bench-test-XXXXXX");
    if (!mkdtemp(fixture_directory))
        return -1;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        fixture_write(programs[i], "#!/bin/sh\n", 0755);
    unsetenv("TMPDIR");
    return setenv("DEJAVU_BENCH_BINDIR", fixture_directory, 1);
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    return dv_file_remove_tree(fixture_directory) == DV_OK ? 0 : -1;
}

/* Open an experiment of this text; its output lies in the private directory. */
static inline enum dv_status fixture_open(const char *yaml, struct dv_experiment *experiment)
{
    char path[256], output[256];
    const char *overrides[] = {output, NULL};
    fixture_write("x.yaml", yaml, 0644);
    snprintf(path, sizeof path, "%s/x.yaml", fixture_directory);
    snprintf(output, sizeof output, "output=%s/out", fixture_directory);
    return dv_experiment_open(experiment, path, overrides);
}

/* What `function` writes to stderr while it runs. */
#define FIXTURE_CAPTURE(text, statement)                                                           \
    do {                                                                                           \
        char capture_path[256];                                                                    \
        snprintf(capture_path, sizeof capture_path, "%s/stderr", fixture_directory);               \
        fflush(stderr);                                                                            \
        int capture_saved = dup(STDERR_FILENO);                                                    \
        assert_non_null(freopen(capture_path, "w", stderr));                                       \
        statement;                                                                                 \
        fflush(stderr);                                                                            \
        dup2(capture_saved, STDERR_FILENO);                                                        \
        close(capture_saved);                                                                      \
        char *capture_text = NULL;                                                                 \
        size_t capture_length;                                                                     \
        assert_int_equal(dv_file_read(capture_path, &capture_text, &capture_length), DV_OK);       \
        snprintf(text, sizeof(text), "%s", capture_text);                                          \
        free(capture_text);                                                                        \
    } while (0)

#endif

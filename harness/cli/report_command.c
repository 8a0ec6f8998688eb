#include "harness/cli/commands.h"
#include "harness/config/say.h"
#include "harness/config/tools.h"
#include "harness/record/file.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Run a tool to its end. `argv[0]`: its path, or NULL if `name` was not found. */
static enum dv_status run_tool(const char *name, const char *const *argv)
{
    pid_t pid;
    int state;
    if (!argv[0])
        return dv_bench_fail(DV_ERR_SYSTEM,
                             "%s is not there; build it (make all), or install DejaVu whole", name);
    int error = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
    if (error)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot execute %s: %s", argv[0], strerror(error));
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return DV_OK;
    return dv_bench_fail(DV_ERR_ABORTED, "%s failed; what it said is above", argv[0]);
}

/* The analyses into a directory of their own, then the page from them and the results. */
static enum dv_status write_html(const char *results, const char *html)
{
    struct dv_arena memory = {NULL};
    const char *base = getenv("TMPDIR");
    char *directory =
        dv_arena_printf(&memory, "%s/dejavu-report-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(directory)) {
        enum dv_status status =
            dv_bench_fail(DV_ERR_SYSTEM, "cannot make %s: %s", directory, strerror(errno));
        dv_arena_free(&memory);
        return status;
    }
    const char *analyse[] = {dv_tool_find("dejavu-stats", "dejavu-stats", &memory),
                             "analyse",
                             results,
                             "-o",
                             directory,
                             NULL};
    const char *report[] = {dv_tool_find("report.py", "analysis/report.py", &memory),
                            "--analysis",
                            directory,
                            "-o",
                            html,
                            results,
                            NULL};
    enum dv_status status = run_tool("dejavu-stats", analyse);
    if (status == DV_OK)
        status = run_tool("report.py", report);
    if (dv_file_remove_tree(directory) != DV_OK)
        dv_bench_say("warning: %s could not be removed", directory);
    dv_arena_free(&memory);
    return status;
}

enum dv_status dv_command_report(const struct dv_request *request, FILE *out)
{
    char path[PATH_MAX];
    struct dv_tables tables;
    struct dv_store_info info;
    enum dv_status status = dv_request_load(request, request->paths[0], out, path, &tables, &info);
    if (status != DV_OK)
        return status;
    if (request->html)
        status = write_html(path, request->html);
    else
        dv_report_print(&tables, &info, out);
    dv_tables_clear(&tables);
    return status;
}

/* dejavu checkpoint, status, stop: asking the supervisor; doctor. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "control/client.h"
#include "control/launch.h"
#include "store/manifest.h"

#include <dejavu/log.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "cli"
#define STATUS_LIMIT_S 30
#define CHECKPOINT_LIMIT_S 1800

enum dv_status cli_job_directory(char **path)
{
    if (cli.operand_count != 1)
        return dv_fail(MODULE, DV_ERR_USAGE, "dejavu %s needs one job directory%s", cli.verb->name,
                       cli.operand_count ? ", not more" : "");
    *path = realpath(cli.operands[0], NULL);
    if (!*path)
        return dv_fail(MODULE, DV_ERR_NOT_FOUND, "there is no job directory %s: %s",
                       cli.operands[0], strerror(errno));
    if (dv_job_exists(*path))
        return DV_OK;
    free(*path);
    *path = NULL;
    return dv_fail(MODULE, DV_ERR_NOT_FOUND, "%s is not a job directory (it has no file \"job\")",
                   cli.operands[0]);
}

/* Ask; a job that is not running is an error. Success: the text is returned, to be freed. */
static enum dv_status ask(const char *directory, const char *verb, unsigned limit_s,
                          uint64_t *epoch, char **text)
{
    enum dv_status status = dv_client_ask(directory, verb, limit_s, epoch, text);
    if (status == DV_ERR_NOTHING)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "the job %s is not running; dejavu restart continues it", directory);
    if (status && *text)
        dv_error(MODULE, "%s", *text);
    return status;
}

int cli_checkpoint(void)
{
    char *directory = NULL, *text = NULL;
    uint64_t epoch = 0;
    enum dv_status status = cli_job_directory(&directory);
    if (status == DV_OK)
        status = ask(directory, "checkpoint", CHECKPOINT_LIMIT_S, &epoch, &text);
    if (status == DV_OK)
        printf("%" PRIu64 "\n", epoch);
    free(text);
    free(directory);
    return status == DV_ERR_REFUSED ? DV_EXIT_FAILED : (int)dv_status_exit(status);
}

int cli_stop(void)
{
    char *directory = NULL, *text = NULL;
    uint64_t epoch = 0;
    const char *verb = cli_flag(CLI_OPT_NO_CHECKPOINT) ? "stop-now" : "stop";
    enum dv_status status = cli_job_directory(&directory);
    if (status == DV_OK)
        status = ask(directory, verb, CHECKPOINT_LIMIT_S, &epoch, &text);
    if (status == DV_OK)
        dv_info(MODULE, "%s", text);
    free(text);
    free(directory);
    return (int)dv_status_exit(status);
}

static enum dv_status print_epochs(const char *directory)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    enum dv_status status = dv_manifest_list(directory, &epochs, &count);
    if (status && status != DV_ERR_NOT_FOUND)
        return status;
    printf("committed epochs:");
    for (size_t i = 0; i < count; i++)
        printf(" %" PRIu64, epochs[i]);
    printf("%s\n", count ? "" : " none");
    free(epochs);
    return DV_OK;
}

static enum dv_status print_idle_job(const char *directory)
{
    struct dv_job job;
    char strategy[128];
    enum dv_status status = dv_job_read(directory, &job);
    if (status)
        return status;
    dv_job_strategy(&job, strategy, sizeof strategy);
    printf("state: not running (no supervisor)\nprogram: %s\nstrategy: %s\nranks: %u\n",
           job.program, strategy, dv_job_size(&job));
    dv_job_free(&job);
    return DV_OK;
}

int cli_status(void)
{
    char *directory = NULL, *text = NULL;
    uint64_t epoch = 0;
    enum dv_status status = cli_job_directory(&directory);
    if (status)
        return (int)dv_status_exit(status);
    status = dv_client_ask(directory, "status", STATUS_LIMIT_S, &epoch, &text);
    if (status == DV_OK)
        fputs(text, stdout);
    else if (status == DV_ERR_NOTHING)
        status = print_idle_job(directory);
    if (status == DV_OK)
        status = print_epochs(directory);
    free(text);
    free(directory);
    return (int)dv_status_exit(status);
}

int cli_doctor(void)
{
    char path[PATH_MAX];
    enum dv_status status = dv_beside("dejavu-rank", "DEJAVU_RANK", path, sizeof path);
    if (status)
        return (int)dv_status_exit(status);
    char *const arguments[] = {path, "--doctor", NULL};
    execv(path, arguments);
    status = dv_fail(MODULE, DV_ERR_SYSTEM, "cannot start %s: %s", path, strerror(errno));
    return (int)dv_status_exit(status);
}

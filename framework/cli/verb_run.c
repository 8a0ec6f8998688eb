/* dejavu run, dejavu restart. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "common/io.h"
#include "control/engine.h"
#include "control/program.h"
#include "control/supervisor.h"
#include "store/manifest.h"

#include <dejavu/log.h>
#include <dejavu/option.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MODULE "cli"
#define MOST_RANKS 65535 /* the wire's rank is 16 bits */

extern char **environ;

static enum dv_status copy_text(char **field, const char *text)
{
    *field = strdup(text);
    return *field ? DV_OK : dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the job");
}

static enum dv_status copy_list(char ***list, size_t *count, char *const *items)
{
    size_t n = 0;
    while (items[n])
        n++;
    *list = calloc(n + 1, sizeof **list);
    if (!*list)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the job");
    for (*count = 0; *count < n; (*count)++) {
        enum dv_status status = copy_text(&(*list)[*count], items[*count]);
        if (status)
            return status;
    }
    return DV_OK;
}

static enum dv_status check_restore(void)
{
    static const char *const ways[] = {"auto", "eager", "lazy", NULL};
    const char *text = cli_text(CLI_OPT_RESTORE);
    for (size_t i = 0; ways[i]; i++)
        if (strcmp(text, ways[i]) == 0)
            return DV_OK;
    const char *near = dv_did_you_mean(text, ways);
    return dv_fail(MODULE, DV_ERR_USAGE, "--restore %s: there is auto, eager and lazy%s%s%s", text,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum dv_status read_engine(struct dv_job *job)
{
    struct dv_engine engine;
    char text[512];
    double target;
    enum dv_status status = cli_seconds(CLI_OPT_STALL_TARGET, &target);
    if (status)
        return status;
    snprintf(text, sizeof text, "snapshot=%s,codec=%s,stall-target=%.9g,oracle=%s",
             cli_text(CLI_OPT_SNAPSHOT), cli_text(CLI_OPT_CODEC), target,
             cli_flag(CLI_OPT_ORACLE) ? "yes" : "no");
    free(job->engine);
    job->engine = NULL;
    status = dv_engine_parse(text, &engine);
    return status ? status : copy_text(&job->engine, text);
}

/* The settings that a restart may change. */
static enum dv_status read_settings(struct dv_job *job)
{
    uint64_t restarts, keep;
    enum dv_status status;
    if ((status = cli_seconds(CLI_OPT_INTERVAL, &job->interval_s)) ||
        (status = cli_seconds(CLI_OPT_QUIESCE_TIMEOUT, &job->quiesce_timeout_s)) ||
        (status = cli_count(CLI_OPT_MAX_RESTARTS, 0, 1000000000, &restarts)) ||
        (status = cli_count(CLI_OPT_KEEP, 1, 1000000, &keep)))
        return status;
    if (job->quiesce_timeout_s <= 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "--quiesce-timeout must be more than 0");
    if ((status = check_restore()) || (status = read_engine(job)) || (status = cli_read_place(job)))
        return status;
    job->max_restarts = (uint32_t)restarts;
    job->keep = (uint32_t)keep;
    free(job->restore);
    if ((status = copy_text(&job->restore, cli_text(CLI_OPT_RESTORE))))
        return status;
    free(job->mpiexec);
    return copy_text(&job->mpiexec, cli_text(CLI_OPT_MPIEXEC));
}

static enum dv_status read_strategies(struct dv_job *job)
{
    enum dv_status status;
    if ((status = copy_text(&job->capture, cli_text(CLI_OPT_CAPTURE))) ||
        (status = copy_text(&job->capture_options, cli_text(CLI_OPT_CAPTURE_OPTIONS))) ||
        (status = copy_text(&job->protocol, cli_text(CLI_OPT_PROTOCOL))) ||
        (status = copy_text(&job->protocol_options, cli_text(CLI_OPT_PROTOCOL_OPTIONS))))
        return status;
    return cli_check_strategies(job);
}

static enum dv_status read_program(struct dv_job *job)
{
    char path[PATH_MAX], cwd[PATH_MAX];
    enum dv_status status;
    if (cli.operand_count == 0)
        return dv_fail(MODULE, DV_ERR_USAGE,
                       "no program is given: dejavu run [options] -- PROGRAM [arguments]");
    if ((status = dv_program_resolve(cli.operands[0], getenv("PATH"), path, sizeof path)) ||
        (status = dv_program_check(path)) ||
        (status = dv_program_digest(path, job->program_digest)))
        return status;
    if (!getcwd(cwd, sizeof cwd))
        return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot tell the working directory: %s",
                       strerror(errno));
    if ((status = copy_text(&job->program, path)) ||
        (status = copy_text(&job->argv0, cli.operands[0])) ||
        (status = copy_text(&job->cwd, cwd)) ||
        (status = copy_list(&job->args, &job->arg_count, cli.operands + 1)))
        return status;
    return copy_list(&job->env, &job->env_count, environ);
}

static enum dv_status read_job(struct dv_job *job)
{
    uint64_t ranks = 0;
    enum dv_status status = DV_OK;
    if (*cli_text(CLI_OPT_RANKS))
        status = cli_count(CLI_OPT_RANKS, 1, MOST_RANKS, &ranks);
    if (status || (status = read_settings(job)) || (status = read_strategies(job)))
        return status;
    job->ranks = (uint32_t)ranks;
    return read_program(job);
}

/* Without --job: a name that nobody else has. */
static void default_directory(const struct dv_job *job, char *path, size_t path_bytes)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;
    const char *slash = strrchr(job->program, '/');
    (void)strftime(when, sizeof when, "%Y%m%d-%H%M%S", localtime_r(&now, &local));
    snprintf(path, path_bytes, "dejavu-%.100s-%s-%d.job", slash ? slash + 1 : job->program, when,
             (int)getpid());
}

/* Is there nothing in the directory that a new run would destroy? Called with the lock held. */
static enum dv_status check_unused(const char *directory)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    if (!dv_job_exists(directory))
        return DV_OK;
    enum dv_status status = dv_manifest_list(directory, &epochs, &count);
    free(epochs);
    if (status == DV_OK && count)
        return dv_fail(
            MODULE, DV_ERR_USAGE,
            "%s holds %zu epoch%s of an earlier run; continue it with dejavu restart, or "
            "give another --job",
            directory, count, count == 1 ? "" : "s");
    return status == DV_ERR_NOT_FOUND ? DV_OK : status;
}

static enum dv_status absolute(const char *path, char **out)
{
    *out = realpath(path, NULL);
    return *out ? DV_OK : dv_fail(MODULE, DV_ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
}

static enum dv_status prepare_directory(const struct dv_job *job, char **directory, int *lock_fd)
{
    char path[PATH_MAX];
    bool given = *cli_text(CLI_OPT_JOB) != '\0';
    if (given)
        snprintf(path, sizeof path, "%s", cli_text(CLI_OPT_JOB));
    else
        default_directory(job, path, sizeof path);
    enum dv_status status;
    if ((status = dv_job_make_directory(path)) || (status = absolute(path, directory)) ||
        (status = dv_job_lock(*directory, lock_fd)) || (status = check_unused(*directory)) ||
        (status = dv_job_write(*directory, job)))
        return status;
    if (!given)
        dv_info(MODULE, "job directory %s", *directory);
    return DV_OK;
}

int cli_run(void)
{
    struct dv_job job = {0};
    char *directory = NULL;
    int lock_fd = -1, exit_status;
    enum dv_status status = read_job(&job);
    if (status == DV_OK)
        status = prepare_directory(&job, &directory, &lock_fd);
    if (status == DV_OK) {
        struct dv_supervise what = {.job_directory = directory, .job = &job, .lock_fd = lock_fd};
        exit_status = dv_supervise(&what);
    } else {
        exit_status = (int)dv_status_exit(status);
    }
    if (lock_fd >= 0)
        close(lock_fd);
    free(directory);
    dv_job_free(&job);
    return exit_status;
}

static enum dv_status engine_from_job(const struct dv_job *job)
{
    struct dv_engine engine;
    char text[64];
    enum dv_status status = dv_engine_parse(job->engine ? job->engine : "", &engine);
    snprintf(text, sizeof text, "%.9g", engine.stall_target_s);
    if (status || (status = cli_set_from_job(CLI_OPT_SNAPSHOT, dv_keep_name(engine.keep))) ||
        (status = cli_set_from_job(CLI_OPT_CODEC, dv_codec_name(engine.codec))) ||
        (status = cli_set_from_job(CLI_OPT_STALL_TARGET, text)))
        return status;
    return cli_set_from_job(CLI_OPT_ORACLE, engine.oracle ? "yes" : "no");
}

/* What the job file says stands below what is said now. */
static enum dv_status settings_from_job(const struct dv_job *job)
{
    char text[64];
    enum dv_status status;
    snprintf(text, sizeof text, "%.9g", job->interval_s);
    if ((status = cli_set_from_job(CLI_OPT_INTERVAL, text)))
        return status;
    snprintf(text, sizeof text, "%.9g", job->quiesce_timeout_s);
    if ((status = cli_set_from_job(CLI_OPT_QUIESCE_TIMEOUT, text)))
        return status;
    snprintf(text, sizeof text, "%u", job->max_restarts);
    if ((status = cli_set_from_job(CLI_OPT_MAX_RESTARTS, text)))
        return status;
    snprintf(text, sizeof text, "%u", job->keep);
    if ((status = cli_set_from_job(CLI_OPT_KEEP, text)))
        return status;
    if ((status = engine_from_job(job)) || (status = cli_place_from_job(job)) ||
        (status = cli_set_from_job(CLI_OPT_RESTORE, job->restore ? job->restore : "auto")))
        return status;
    return cli_set_from_job(CLI_OPT_MPIEXEC, job->mpiexec);
}

static int restart_job(const char *directory, struct dv_job *job)
{
    struct dv_supervise what = {.job_directory = directory, .job = job, .restart = true};
    enum dv_status status = settings_from_job(job);
    if (status == DV_OK && cli_show_config())
        return DV_EXIT_OK;
    if (status == DV_OK && *cli_text(CLI_OPT_EPOCH))
        status = cli_count(CLI_OPT_EPOCH, 1, UINT64_MAX - 1, &what.restart_epoch);
    if (status || (status = read_settings(job)) || (status = cli_check_strategies(job)) ||
        (status = dv_program_check(job->program)) || (status = dv_job_make_directory(directory)) ||
        (status = dv_job_lock(directory, &what.lock_fd)))
        return (int)dv_status_exit(status);
    int exit_status = dv_supervise(&what);
    close(what.lock_fd);
    return exit_status;
}

int cli_restart(void)
{
    struct dv_job job = {0};
    char *directory = NULL;
    enum dv_status status = cli_job_directory(&directory);
    if (status == DV_OK)
        status = dv_job_read(directory, &job);
    int exit_status = status ? (int)dv_status_exit(status) : restart_job(directory, &job);
    dv_job_free(&job);
    free(directory);
    return exit_status;
}

/* dejavu-rank: one process of a job. Usually started by `dejavu run` through mpiexec; without --job
 * it runs the program attached, with nobody to ask for checkpoints. */
#include "common/io.h"
#include "rank/rank.h"

#include <dejavu/log.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct dv_rank dv_rank = {
    .size = 1,
    .options = {.host = "127.0.0.1",
                .restore_how = "auto",
                .engine = "",
                .capture = "full",
                .capture_options = "",
                .protocol = "coordinated",
                .protocol_options = ""},
};

/* The real library reads its environment in constructors, so it is set by starting once more.
 * Signal handlers and memory hooks of UCX have no place in a process that is shared with an
 * application. */
static const char *const lower_environment[][2] = {
    {"UCX_HANDLE_ERRORS", "none"},
    {"UCX_ERROR_SIGNALS", ""},
    {"UCX_MEM_EVENTS", "n"},
};
#define ENVIRONMENT_MARK "DEJAVU_LOWER_ENVIRONMENT"
#define ENVIRONMENT_SAVED "DEJAVU_LOWER_SAVED_"

static void prepare_environment(char **argv)
{
    char saved[64];
    if (getenv(ENVIRONMENT_MARK) != NULL)
        return;
    setenv(ENVIRONMENT_MARK, "1", 1);
    for (size_t i = 0; i < sizeof lower_environment / sizeof *lower_environment; i++) {
        const char *theirs = getenv(lower_environment[i][0]);
        snprintf(saved, sizeof saved, ENVIRONMENT_SAVED "%s", lower_environment[i][0]);
        if (theirs != NULL)
            setenv(saved, theirs, 1);
        setenv(lower_environment[i][0], lower_environment[i][1], 1);
    }
    execv("/proc/self/exe", argv);
}

/* The application shall see the environment it was started with. */
static void return_environment(void)
{
    char saved[64];
    for (size_t i = 0; i < sizeof lower_environment / sizeof *lower_environment; i++) {
        snprintf(saved, sizeof saved, ENVIRONMENT_SAVED "%s", lower_environment[i][0]);
        const char *theirs = getenv(saved);
        if (theirs != NULL)
            setenv(lower_environment[i][0], theirs, 1);
        else
            unsetenv(lower_environment[i][0]);
        unsetenv(saved);
    }
    unsetenv(ENVIRONMENT_MARK);
}

/* hwloc, within MPI_Init, need not read the configuration of every PCI device, which takes a third of the time to restart.
 * MPICH uses it only for MPI_Comm_split_type with hints that name such devices. The upper half has its own environment by
 * the time this is called. */
void dv_lower_environment(void)
{
    setenv("HWLOC_COMPONENTS", "-pci,-linuxio", 0);
}

enum { OPTION_DOCTOR = 256 };

static int parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"job", required_argument, NULL, 'j'},
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"incarnation", required_argument, NULL, 'i'},
        {"restore", required_argument, NULL, 'r'},
        {"restore-how", required_argument, NULL, 'R'},
        {"engine", required_argument, NULL, 'e'},
        {"capture", required_argument, NULL, 'c'},
        {"capture-options", required_argument, NULL, 'C'},
        {"protocol", required_argument, NULL, 'q'},
        {"protocol-options", required_argument, NULL, 'Q'},
        {"argv0", required_argument, NULL, 'a'},
        {"doctor", no_argument, NULL, OPTION_DOCTOR},
        {NULL, 0, NULL, 0},
    };
    struct dv_rank_options *o = &dv_rank.options;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;)
        switch (c) {
        case 'j':
            o->job = optarg;
            break;
        case 'h':
            o->host = optarg;
            break;
        case 'p':
            o->port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'i':
            o->incarnation = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            o->restore_epoch = strtoull(optarg, NULL, 10);
            break;
        case 'R':
            o->restore_how = optarg;
            break;
        case 'e':
            o->engine = optarg;
            break;
        case 'c':
            o->capture = optarg;
            break;
        case 'C':
            o->capture_options = optarg;
            break;
        case 'q':
            o->protocol = optarg;
            break;
        case 'Q':
            o->protocol_options = optarg;
            break;
        case 'a':
            o->argv0 = optarg;
            break;
        case OPTION_DOCTOR:
            exit(dv_doctor());
        default:
            return -1;
        }
    o->program = argv + optind;
    return o->program[0] != NULL && (o->restore_epoch == 0 || o->job != NULL) ? 0 : -1;
}

/* The launcher says who we are before MPI does. */
static void read_launcher(void)
{
    const char *rank = getenv("PMI_RANK"), *size = getenv("PMI_SIZE");
    if (rank != NULL && size != NULL) {
        dv_rank.rank = atoi(rank);
        dv_rank.size = atoi(size);
    }
}

static enum dv_status find_program(void)
{
    char path[PATH_MAX];
    if (realpath(dv_rank.options.program[0], path) == NULL ||
        strlen(path) >= sizeof dv_rank.program) {
        dv_error("rank", "%s: no such program", dv_rank.options.program[0]);
        return DV_ERR_USAGE;
    }
    memcpy(dv_rank.program, path, strlen(path) + 1);
    return dv_identity_program();
}

static enum dv_status start_lower_half(void)
{
    enum dv_status status = find_program();
    if (status == DV_OK)
        status = dv_engine_parse(dv_rank.options.engine, &dv_rank.engine);
    if (status == DV_OK && dv_rank.options.job != NULL)
        status = dv_agent_connect();
    if (status == DV_OK && dv_rank.options.restore_epoch != 0)
        status = dv_restore_open();
    uint64_t before = dv_now_ns();
    if (status == DV_OK)
        status = dv_split_enter();
    dv_rank.split_ns = dv_now_ns() - before;
    if (status == DV_OK)
        status = dv_threads_start();
    if (status == DV_OK)
        status = dv_capture_open(dv_rank.options.capture, dv_rank.options.capture_options,
                                 &dv_rank.capture);
    return status;
}

/* First start. Returns only on failure. */
static enum dv_status start_upper_half(void)
{
    struct dv_loaded loaded;
    enum dv_status status = dv_resident_map();
    if (status != DV_OK)
        return status;
    dv_gate_fill();
    dv_signals_start();
    status = dv_break_set(DV_BREAK_BASE);
    if (status == DV_OK)
        status = dv_loader_load(&loaded);
    dv_lower_environment();
    if (status == DV_OK)
        status = dv_capture_arm(dv_rank.capture, 0);
    if (status == DV_OK)
        status = dv_agent_start();
    if (status != DV_OK)
        return status;
    const char *name = strrchr(dv_rank.program, '/');
    prctl(PR_SET_NAME,
          name != NULL ? name + 1 : dv_rank.program); /* as after execve, and so is the next */
    dv_fs_set(0);
    dv_start_upper(loaded.entry, loaded.stack_pointer);
}

int main(int argc, char **argv)
{
    dv_rank.started_ns = dv_now_ns();
    dv_log_setup(2, -1, DV_LOG_WARN);
    if (parse(argc, argv) != 0) {
        fprintf(stderr, "dejavu: error: usage: dejavu-rank [options] -- program [arguments] "
                        "(started by `dejavu run`)\n");
        return DV_EXIT_USAGE;
    }
    dv_split_prepare(argv);
    prepare_environment(argv);
    read_launcher();
    dv_log_setup(2, dv_rank.rank, DV_LOG_WARN);
    dv_lower_fds_start();
    dv_capture_launched();
    return_environment();
    enum dv_status status = start_lower_half();
    if (status == DV_OK)
        status = dv_rank.options.restore_epoch != 0 ? dv_restore_run() : start_upper_half();
    if (dv_rank.options.restore_epoch == 0)
        dv_agent_exiting((int)dv_status_exit(status)); /* will be no better another time */
    return (int)dv_status_exit(status);
}

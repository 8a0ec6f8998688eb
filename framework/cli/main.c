/* dejavu: the command. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"

#include <dejavu/log.h>
#include <dejavu/option.h>

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *argp_program_version = "dejavu 0.1";

static const struct cli_verb_info verbs[] = {
    {"run", CLI_RUN, "[--] PROGRAM [ARGUMENT...]",
     "Run a program, take checkpoints of it, and restart it after failures", cli_run},
    {"checkpoint", CLI_CHECKPOINT, "JOB", "Ask a running job for a checkpoint; print its epoch",
     cli_checkpoint},
    {"restart", CLI_RESTART, "JOB", "Continue a job from its last committed epoch", cli_restart},
    {"status", CLI_STATUS, "JOB", "Say what a job is doing", cli_status},
    {"ls", CLI_LS, "JOB", "List the committed epochs of a job", cli_ls},
    {"verify", CLI_VERIFY, "JOB", "Check the images of a job", cli_verify},
    {"stop", CLI_STOP, "JOB", "Take a last checkpoint and end a job, to be restarted later",
     cli_stop},
    {"compact", CLI_COMPACT, "JOB", "Make an epoch complete that inherits from others",
     cli_compact},
    {"gc", CLI_GC, "JOB", "Remove what no kept epoch of a job needs", cli_gc},
    {"doctor", CLI_DOCTOR, "", "Check whether this host has what DejaVu needs", cli_doctor},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: dejavu VERB [OPTION...] [JOB | -- PROGRAM ARGUMENT...]\n"
                 "Transparent checkpoints and recovery for unmodified MPI programs.\n\n");
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "\n`dejavu VERB --help' lists the options of a verb. See dejavu(1).\n");
}

static const struct cli_verb_info *find_verb(const char *name)
{
    const char *names[VERBS + 1] = {NULL};
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
        names[i] = verbs[i].name;
    }
    const char *near = dv_did_you_mean(name, names);
    dv_error("cli", "there is no verb \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
             near ? near : "", near ? "\"?" : "; see dejavu --help");
    return NULL;
}

/* A closed standard stream's number must not be given to a file of ours. */
static int fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (fill_standard_streams() != 0)
        return DV_EXIT_ENV;
    dv_log_setup(2, -1, DV_LOG_INFO);
    if (argc < 2) {
        dv_error("cli", "no verb is given: dejavu run, restart, ...; see dejavu --help");
        return DV_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return DV_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("%s\n", argp_program_version);
        return DV_EXIT_OK;
    }
    const struct cli_verb_info *verb = find_verb(argv[1]);
    if (!verb)
        return DV_EXIT_USAGE;
    enum dv_status status = cli_read(verb, argc - 1, argv + 1);
    if (status)
        return (int)dv_status_exit(status);
    if (verb->verb != CLI_RESTART && cli_show_config())
        return DV_EXIT_OK;
    int exit_status = verb->main();
    if (fflush(stdout) != 0) {
        dv_error("cli", "cannot write to standard output: %s", strerror(errno));
        return exit_status ? exit_status : DV_EXIT_ENV;
    }
    return exit_status;
}

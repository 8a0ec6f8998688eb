#include "apps/common/npb.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_USAGE = 2, ITERATIONS_MAX = 100000000 };

struct arguments {
    const char *class_text;
    const char *iterations_text;
    bool progress, help;
};

static const struct argp_option options[] = {
    {"class", 'c', "S|W|A|B|C", 0, "Problem class (default: S)", 0},
    {"progress", 'p', NULL, 0, "A line on stderr for every iteration", 0},
    {"iterations", 'i', "N", 0,
     "Iterations instead of those of the class; the result is then not verified", 0},
    {"help", 'h', NULL, 0, "Show this help", -1},
    {"usage", 'h', NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *args = state->input;

    switch (key) {
    case 'c':
        args->class_text = arg;
        return 0;
    case 'p':
        args->progress = true;
        return 0;
    case 'i':
        args->iterations_text = arg;
        return 0;
    case 'h':
        args->help = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool finish_early(struct npb_run *run, int status)
{
    fflush(stdout);
    MPI_Finalize();
    run->exit_status = status;
    return false;
}

static void complain(const struct npb_run *run, const char *format, va_list args)
{
    if (run->rank != 0)
        return;
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "%s: %s\n", run->program->command, text);
}

int npb_reject(const struct npb_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(run, format, args);
    va_end(args);
    MPI_Finalize();
    return STATUS_USAGE;
}

static bool set_class(struct npb_run *run, const char *text)
{
    const char *found = strlen(text) == 1 ? strchr(NPB_CLASSES, text[0]) : NULL;
    if (!found) {
        run->exit_status = npb_reject(run, "unknown class '%s': use S, W, A, B or C", text);
        return false;
    }
    run->class_name = *found;
    run->class_index = (int)(found - NPB_CLASSES);
    run->iterations = run->program->iterations[run->class_index];
    run->official = true;
    return true;
}

static bool set_iterations(struct npb_run *run, const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > ITERATIONS_MAX) {
        run->exit_status =
            npb_reject(run, "bad number of iterations '%s': use 1 to %d", text, ITERATIONS_MAX);
        return false;
    }
    run->official = run->iterations == (int)n;
    run->iterations = (int)n;
    return true;
}

static bool is_square(int n)
{
    int root = 1;
    while (root < n / root)
        root++;
    return root * root == n;
}

static bool check_rank_count(struct npb_run *run)
{
    const char *need = NULL;

    if (run->program->rank_rule == NPB_RANKS_POWER_OF_TWO && !npb_is_power_of_two(run->nranks))
        need = "a power of two";
    if (run->program->rank_rule == NPB_RANKS_SQUARE && !is_square(run->nranks))
        need = "a square";
    if (!need)
        return true;
    run->exit_status =
        npb_reject(run, "cannot run on %d ranks: the number must be %s", run->nranks, need);
    return false;
}

bool npb_begin(const struct npb_program *program, int argc, char **argv, struct npb_run *run)
{
    *run = (struct npb_run){.program = program};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &run->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &run->nranks);

    /* Every rank parses the same words; only rank 0 talks about them. */
    struct argp argp = {.options = options, .parser = parse_option, .doc = program->summary};
    struct arguments args = {.class_text = "S"};
    unsigned quiet = run->rank == 0 ? 0 : ARGP_NO_ERRS;
    if (argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP | quiet, NULL, &args) != 0)
        return finish_early(run, STATUS_USAGE);
    if (args.help) {
        if (run->rank == 0)
            argp_help(&argp, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC,
                      (char *)program->command);
        return finish_early(run, EXIT_SUCCESS);
    }
    run->progress = args.progress;
    return set_class(run, args.class_text) &&
           (!args.iterations_text || set_iterations(run, args.iterations_text)) &&
           check_rank_count(run);
}

/* Status codes: the one error vocabulary of the project.
 *
 * Every function that can fail returns enum dv_status. The first function that knows the cause reports it once (see
 * log.h); callers only propagate the code. The exit class says which exit status a command gives for it. */
#ifndef DEJAVU_STATUS_H
#define DEJAVU_STATUS_H

/* Exit statuses of the commands: 0 ok, 1 a run failed, 2 usage, 3 environment, 4 nothing ran. */
enum dv_exit {
    DV_EXIT_OK = 0,
    DV_EXIT_FAILED = 1,
    DV_EXIT_USAGE = 2,
    DV_EXIT_ENV = 3,
    DV_EXIT_NOTHING = 4
};

/* X(code, text, exit class) */
#define DV_STATUS_TABLE(X)                                                                         \
    X(OK, "success", DV_EXIT_OK)                                                                   \
    X(ERR_USAGE, "wrong usage", DV_EXIT_USAGE)                                                     \
    X(ERR_NOT_FOUND, "not found", DV_EXIT_USAGE)                                                   \
    X(ERR_UNSUPPORTED, "not supported", DV_EXIT_ENV)                                               \
    X(ERR_SYSTEM, "a system call failed", DV_EXIT_ENV)                                             \
    X(ERR_NO_MEMORY, "out of memory", DV_EXIT_ENV)                                                 \
    X(ERR_NO_SPACE, "no space left", DV_EXIT_ENV)                                                  \
    X(ERR_IO, "input/output error", DV_EXIT_ENV)                                                   \
    X(ERR_DAMAGED, "damaged image", DV_EXIT_FAILED)                                                \
    X(ERR_MISMATCH, "image does not fit this job", DV_EXIT_USAGE)                                  \
    X(ERR_BUSY, "in use", DV_EXIT_USAGE)                                                           \
    X(ERR_REFUSED, "cannot checkpoint now", DV_EXIT_FAILED)                                        \
    X(ERR_TIMEOUT, "timed out", DV_EXIT_FAILED)                                                    \
    X(ERR_ABORTED, "aborted", DV_EXIT_FAILED)                                                      \
    X(ERR_PROTOCOL, "unexpected message", DV_EXIT_FAILED)                                          \
    X(ERR_NOTHING, "nothing to do", DV_EXIT_NOTHING)                                               \
    X(ERR_BEHIND, "others are ahead: run on", DV_EXIT_FAILED)                                      \
    X(ERR_INTERNAL, "internal error", DV_EXIT_FAILED)

enum dv_status {
#define X(code, text, class) DV_##code,
    DV_STATUS_TABLE(X)
#undef X
        DV_STATUS_COUNT
};

#define DV_CHECKED __attribute__((warn_unused_result))

/* The text of a code, never NULL. Safe in signal handlers. */
const char *dv_status_text(enum dv_status status);
/* The exit status of a command that ends with this code. */
enum dv_exit dv_status_exit(enum dv_status status);

#endif

/* How the pages of an epoch are kept while the application goes on and they are written. */
#ifndef DV_COMMON_KEEP_H
#define DV_COMMON_KEEP_H

#include <dejavu/status.h>

enum dv_keep {
    DV_KEEP_STOP, /* not at all: the application stands still while they are written */
    DV_KEEP_COPY, /* copied to memory */
    DV_KEEP_FORK, /* by a forked process, which writes them */
    DV_KEEP_AUTO, /* the choice of one of these, for each epoch, by what they cost */
};

/* "stop", "copy", "fork", "auto"; NULL for another number. */
const char *dv_keep_name(enum dv_keep keep);
/* DV_ERR_USAGE, reported with a "did you mean". */
enum dv_status dv_keep_parse(const char *name, enum dv_keep *keep) DV_CHECKED;

#endif

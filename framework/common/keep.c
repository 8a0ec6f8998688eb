#include "common/keep.h"

#include "common/fail.h"

#include <dejavu/option.h>

#include <string.h>

static const char *const names[] = {"stop", "copy", "fork", "auto", NULL};

const char *dv_keep_name(enum dv_keep keep)
{
    return (unsigned)keep <= DV_KEEP_AUTO ? names[keep] : NULL;
}

enum dv_status dv_keep_parse(const char *name, enum dv_keep *keep)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *keep = (enum dv_keep)i;
        return DV_OK;
    }
    const char *near = dv_did_you_mean(name, names);
    return dv_fail("options", DV_ERR_USAGE, "snapshot %s: there is auto, copy, fork and stop%s%s%s",
                   name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

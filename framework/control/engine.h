/* Options of the capture engine, which hold for every strategy: `dejavu run --snapshot ...`, one text in the job file,
 * handed to the ranks. */
#ifndef DV_CONTROL_ENGINE_H
#define DV_CONTROL_ENGINE_H

#include "common/keep.h"
#include "image/image.h"

#include <dejavu/status.h>

#include <stddef.h>

struct dv_engine {
    enum dv_keep keep;
    enum dv_codec codec;
    double stall_target_s;
    int oracle;
};

/* Read "snapshot=auto,codec=none,stall-target=20ms,oracle=no"; what is not there has its default. DV_ERR_USAGE, reported. */
enum dv_status dv_engine_parse(const char *text, struct dv_engine *engine) DV_CHECKED;

#endif

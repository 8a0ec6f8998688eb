#include "control/engine.h"

#include "common/fail.h"

#include <dejavu/option.h>

struct texts {
    char keep[DV_OPTION_STRING_BYTES], codec[DV_OPTION_STRING_BYTES];
    double stall_target_s;
    int oracle;
};

static const struct dv_option options[] = {
    {"snapshot", "auto", "how pages are kept while they are written", offsetof(struct texts, keep),
     DV_OPTION_STRING},
    {"codec", "auto", "how blocks are packed", offsetof(struct texts, codec), DV_OPTION_STRING},
    {"stall-target", "20ms", "with snapshot=auto: copy rather than fork if that takes no longer",
     offsetof(struct texts, stall_target_s), DV_OPTION_SECONDS},
    {"oracle", "no", "compare each epoch with a full image of the same instant",
     offsetof(struct texts, oracle), DV_OPTION_BOOL},
    {0},
};

enum dv_status dv_engine_parse(const char *text, struct dv_engine *engine)
{
    struct texts texts = {.oracle = 0};
    char why[300];
    enum dv_status status = dv_options_apply(options, text, &texts, why, sizeof why);
    if (status != DV_OK)
        return dv_fail("options", status, "%s", why);
    engine->stall_target_s = texts.stall_target_s;
    engine->oracle = texts.oracle;
    status = dv_keep_parse(texts.keep, &engine->keep);
    return status == DV_OK ? dv_codec_parse(texts.codec, &engine->codec) : status;
}

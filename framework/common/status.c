/* Texts and exit classes of the status codes. */
#include <dejavu/status.h>

static const char *const texts[DV_STATUS_COUNT] = {
#define X(code, text, class) [DV_##code] = (text),
    DV_STATUS_TABLE(X)
#undef X
};

static const enum dv_exit exits[DV_STATUS_COUNT] = {
#define X(code, text, class) [DV_##code] = (class),
    DV_STATUS_TABLE(X)
#undef X
};

const char *dv_status_text(enum dv_status status)
{
    return (unsigned)status < DV_STATUS_COUNT ? texts[status] : "unknown status";
}

enum dv_exit dv_status_exit(enum dv_status status)
{
    return (unsigned)status < DV_STATUS_COUNT ? exits[status] : DV_EXIT_FAILED;
}

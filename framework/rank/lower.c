/* What the lower half offers to the upper half (struct dv_lower in gate/gate.h). */
#if __has_include("gate/lower_mpi.h")
#include "gate/lower_mpi.h"
#endif
#include "capture/lazy.h"
#include "rank/guard.h"
#include "rank/rank.h"

#include <dejavu/log.h>

#include <unistd.h>

static void refuse(uint64_t epoch, const char *reason)
{
    dv_agent_refuse(epoch, DV_ERR_REFUSED, reason);
}

/* What the application ends with counts only once its memory is known to have been right. If it was not, this process is
 * being killed. */
static void exiting(int status)
{
    if (dv_lazy_wait() != DV_OK)
        for (;;)
            pause();
    dv_agent_exiting(status);
}

static void log_text(int level, const char *text)
{
    dv_log((enum dv_log_level)level, "mpi", "%s", text);
}

const struct dv_lower dv_lower = {
    .stop_epoch = dv_agent_stop_epoch,
    .cut_wait = dv_agent_cut_wait,
    .aborted = dv_agent_aborted,
    .refuse = refuse,
    .record = dv_agent_record,
    .capture = dv_agent_capture,
    .exiting = exiting,
    .thread_pointer = dv_threads_pointer,
    .log = log_text,
    .thunk = dv_thunk,
    .written = dv_mpi_guard_written,
#if __has_include("gate/lower_mpi.h")
    .mpi = &dv_lower_mpi,
#endif
};

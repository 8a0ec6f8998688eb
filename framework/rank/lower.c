/* What the lower half offers to the upper half (struct dv_lower in gate/gate.h). */
#if __has_include("gate/lower_mpi.h")
#include "gate/lower_mpi.h"
#endif
#include "rank/guard.h"
#include "rank/rank.h"

#include <dejavu/log.h>

static void refuse(uint64_t epoch, const char *reason)
{
    dv_agent_refuse(epoch, DV_ERR_REFUSED, reason);
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
    .exiting = dv_agent_exiting,
    .thread_pointer = dv_threads_pointer,
    .log = log_text,
    .thunk = dv_thunk,
    .written = dv_mpi_guard_written,
#if __has_include("gate/lower_mpi.h")
    .mpi = &dv_lower_mpi,
#endif
};

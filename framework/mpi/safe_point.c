/* Safe points: where the main thread answers a request for a checkpoint. It comes here from the end
 * of an MPI call, from a blocking call that saw the stop flag, or from the parking signal's handler
 * in application code, which may have interrupted anything: so nothing here uses libc's allocator,
 * locks or streams, but for one thing that asks first where it came from.
 *
 *      quiesce (protocol) -> describe objects -> capture --+--> committed or aborted: back
 *                                                          '--> restored, in another process:
 *                                                               rebuild, recover, back */
#include "mpi/objects.h"
#include "mpi/requests.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define WORTH_GIVING_BACK_BYTES (8u << 20)

static void safe_point_in_handler(void);

const struct dv_upper dv_upper = {.safe_point = safe_point_in_handler, .in_mpi = &dv_in_mpi};

static bool
    in_handler; /* the parking signal interrupted the application, perhaps in its allocator */

static void refuse(uint64_t epoch, const char *why)
{
    DV_LOWER_VOID(refuse, epoch, why);
}

static __attribute__((noreturn)) void die(const char *what, const char *why)
{
    char text[768] = "cannot continue from the checkpoint: ";
    dv_text_add(text, sizeof text, what);
    dv_text_add(text, sizeof text, ": ");
    dv_text_add(text, sizeof text, why);
    dv_say(text);
    _exit(DV_EXIT_FAILED);
}

/* ---- outside MPI_Init ... MPI_Finalize ----------------------------------- */

static void capture_without_mpi(uint64_t epoch)
{
    const struct dv_cut_entry phase = {DV_CUT_PHASE, DV_GATE->phase};
    const struct dv_cut_entry *entries = &phase;
    if (DV_LOWER(cut_wait, epoch, entries, 1) != DV_CUT_REACHED)
        return;
    if (dv_gate_capture(epoch) == DV_OUTCOME_RESTORED) {
        dv_thread_restored();
        DV_LOWER_VOID(record, "rebuild_ns", 0);
    }
}

/* ---- in MPI -------------------------------------------------------------- */

static void aborted(uint64_t epoch)
{
    if (dv_protocol->ops->aborted != NULL)
        dv_protocol->ops->aborted(dv_protocol, epoch);
}

/* After a restore: this is another process, with another lower half that knows nothing yet. All
 * ranks are here. */
static void rebuild(uint64_t epoch)
{
    char why[400] = "";
    uint64_t began_ns = dv_clock_ns();
    dv_thread_restored();
    dv_drain_forget();
    int rc = dv_internal_start();
    if (rc != MPI_SUCCESS) {
        dv_refuse_mpi(why, sizeof why, "MPI_Comm_dup", rc);
        die("DejaVu's own communicator", why);
    }
    if (dv_objects_rebuild(why, sizeof why) != DV_OK)
        die("MPI objects cannot be made again", why);
    if (dv_requests_rebuild(why, sizeof why) != DV_OK)
        die("pending operations cannot be posted again", why);
    const struct dv_failure failure = {.epoch = epoch, .restarts = DV_GATE->restarts};
    if (dv_protocol->ops->recover != NULL) {
        enum dv_status status = dv_protocol->ops->recover(dv_protocol, &failure);
        if (status != DV_OK)
            die(dv_protocol->ops->name,
                dv_explained()[0] != '\0' ? dv_explained() : dv_status_text(status));
    }
    DV_LOWER_VOID(record, "rebuild_ns", dv_clock_ns() - began_ns);
}

static void capture(uint64_t epoch)
{
    switch (dv_gate_capture(epoch)) {
    case DV_OUTCOME_COMMITTED:
        if (dv_protocol->ops->commit != NULL &&
            dv_protocol->ops->commit(dv_protocol, epoch) != DV_OK)
            dv_say(dv_explained());
        break;
    case DV_OUTCOME_RESTORED:
        rebuild(epoch);
        break;
    default:
        aborted(epoch);
        break;
    }
}

/* Memory that the application has freed and its allocator keeps would be written for nothing. Only where the allocator cannot
 * have been interrupted, and if enough was freed since the last time. */
static void give_back_freed_memory(void)
{
    static size_t given_back_bytes;
    if (in_handler)
        return;
    struct mallinfo2 info = mallinfo2();
    if (info.fordblks < given_back_bytes)
        given_back_bytes = info.fordblks;
    if (info.fordblks - given_back_bytes < WORTH_GIVING_BACK_BYTES)
        return;
    malloc_trim(0);
    given_back_bytes = info.fordblks;
}

static void checkpoint(uint64_t epoch)
{
    char why[400] = "";
    dv_explain("%s", "");
    enum dv_status status = dv_protocol->ops->quiesce(dv_protocol, epoch);
    if (status == DV_ERR_BEHIND)
        return;
    if (status == DV_OK) {
        status = dv_objects_describe(why, sizeof why);
        if (status != DV_OK)
            dv_explain("%s", why);
    }
    if (status == DV_OK) {
        give_back_freed_memory();
        capture(epoch);
        return;
    }
    if (status != DV_ERR_ABORTED)
        refuse(epoch, dv_explained()[0] != '\0' ? dv_explained() : dv_status_text(status));
    aborted(epoch);
}

static bool is_supported(char *why, size_t why_bytes)
{
    return !dv_unsupported_alive(why, why_bytes) && dv_requests_check(why, why_bytes) == DV_OK;
}

void dv_safe_point(void)
{
    char why[400] = "";
    int saved_errno = errno;
    dv_in_mpi++; /* the parking signal finds us busy */
    uint64_t epoch = DV_LOWER(stop_epoch);
    if (epoch == 0) {
        /* the request is gone */
    } else if (DV_GATE->phase != 1) {
        capture_without_mpi(epoch);
    } else if (dv_protocol == NULL) {
        refuse(epoch, "MPI_Finalize has failed on this rank");
    } else if (!is_supported(why, sizeof why)) {
        refuse(epoch, why);
    } else {
        checkpoint(epoch);
    }
    dv_in_mpi--;
    errno = saved_errno;
}

static void safe_point_in_handler(void)
{
    in_handler = true;
    dv_safe_point();
    in_handler = false;
}

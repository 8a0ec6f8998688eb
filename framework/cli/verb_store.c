/* dejavu compact, dejavu gc: upkeep of a job that is not running. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "control/engine.h"
#include "store/compact.h"
#include "store/manifest.h"
#include "store/prune.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "cli"

/* The job at hand, with its supervisor's lock held. */
struct held {
    char *directory;
    struct dv_job job;
    struct dv_place place;
    int lock_fd;
};

static enum dv_status hold(struct held *h, const char *hint)
{
    char host[256];
    int pid = 0;
    unsigned port = 0;
    *h = (struct held){.lock_fd = -1};
    enum dv_status status = cli_job_directory(&h->directory);
    if (!status)
        status = dv_job_read(h->directory, &h->job);
    if (!status)
        status = dv_job_place(&h->job, h->directory, &h->place);
    if (status)
        return status;
    status = dv_job_supervisor(h->directory, &pid, host, sizeof host, &port);
    if (status == DV_OK)
        return dv_fail(MODULE, DV_ERR_BUSY, "the job %s is running (supervisor: process %d); %s",
                       h->directory, pid, hint);
    return status == DV_ERR_NOTHING ? dv_job_lock(h->directory, &h->lock_fd) : status;
}

static void let_go(struct held *h)
{
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    dv_place_free(&h->place);
    dv_job_free(&h->job);
    free(h->directory);
}

static enum dv_status collect_garbage(const struct held *h)
{
    struct dv_pruned pruned;
    char text[32];
    uint64_t keep;
    snprintf(text, sizeof text, "%u", h->job.keep);
    enum dv_status status = cli_set_from_job(CLI_OPT_KEEP, text);
    if (!status)
        status = cli_count(CLI_OPT_KEEP, 1, 1000000, &keep);
    if (status)
        return status;
    const struct dv_prune what = {
        .keep = (unsigned)keep, .place = &h->place, .spares = true, .check_writers = true};
    status = dv_store_prune(h->directory, &what, &pruned);
    printf("removed %" PRIu64 " epoch%s, %" PRIu64 " file%s, %" PRIu64 " bytes\n", pruned.epochs,
           pruned.epochs == 1 ? "" : "s", pruned.files, pruned.files == 1 ? "" : "s", pruned.bytes);
    return status;
}

int cli_gc(void)
{
    struct held h;
    enum dv_status status =
        hold(&h, "it removes by itself what is not needed any more; stop it first");
    if (!status)
        status = collect_garbage(&h);
    let_go(&h);
    return (int)dv_status_exit(status);
}

static enum dv_status newest(const char *directory, uint64_t *epoch)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    enum dv_status status = dv_manifest_list(directory, &epochs, &count);
    if (!status && !count) {
        dv_info(MODULE, "%s holds no committed epoch", directory);
        status = DV_ERR_NOTHING;
    }
    if (!status)
        *epoch = epochs[count - 1];
    free(epochs);
    return status;
}

static enum dv_status compact(const struct held *h)
{
    uint64_t epoch = 0;
    struct dv_engine engine;
    struct dv_compacted result;
    enum dv_status status = dv_engine_parse(h->job.engine ? h->job.engine : "", &engine);
    if (!status && *cli_text(CLI_OPT_EPOCH))
        status = cli_count(CLI_OPT_EPOCH, 1, UINT64_MAX - 1, &epoch);
    else if (!status)
        status = newest(h->directory, &epoch);
    if (status)
        return status;
    status = dv_compact_epoch(h->directory, epoch, engine.codec, &result);
    if (status == DV_ERR_NOTHING) {
        printf("epoch %" PRIu64 " is complete already\n", epoch);
        return DV_OK;
    }
    if (status)
        return status;
    printf("epoch %" PRIu64 " is complete: %" PRIu64 " bytes, made from %" PRIu32 " epochs\n",
           epoch, result.written_bytes, result.images);
    /* No epoch goes, only what the new images have replaced. */
    const struct dv_prune what = {
        .keep = UINT_MAX, .place = &h->place, .mapped = UINT64_MAX, .check_writers = true};
    return dv_store_prune(h->directory, &what, NULL);
}

int cli_compact(void)
{
    struct held h;
    enum dv_status status = hold(&h, "it compacts by itself (--chain); stop it first");
    if (!status)
        status = compact(&h);
    let_go(&h);
    return (int)dv_status_exit(status);
}

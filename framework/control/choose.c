/* Which epoch a job is restarted from: the newest one that is committed, whole, and this job's. */
#include "common/fail.h"
#include "control/program.h"
#include "control/supervisor_state.h"
#include "gate/gate.h"
#include "image/image.h"
#include "store/levels.h"
#include "store/manifest.h"

#include <dejavu/capture.h>
#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dv_sup_mark_bad(struct dv_sup *s, uint64_t epoch)
{
    uint64_t *larger = realloc(s->bad_epochs, (s->bad_count + 1) * sizeof *larger);
    if (!larger) {
        dv_error("control", "no memory to remember that epoch %" PRIu64 " is damaged", epoch);
        return;
    }
    s->bad_epochs = larger;
    larger[s->bad_count++] = epoch;
}

static bool is_bad(const struct dv_sup *s, uint64_t epoch)
{
    for (size_t i = 0; i < s->bad_count; i++)
        if (s->bad_epochs[i] == epoch)
            return true;
    return false;
}

bool dv_sup_repair(struct dv_sup *s, uint64_t epoch)
{
    unsigned rebuilt = 0;
    return dv_level_rebuild(s->directory, epoch, 1, &rebuilt) == DV_OK && rebuilt > 0;
}

/* Does the image belong to this job, as it is now? */
static enum dv_status check_identity(struct dv_sup *s, uint64_t epoch, const char *path,
                                     const struct dv_image_identity *identity)
{
    uint8_t digest[16];
    if (identity->size != s->size)
        return dv_fail("control", DV_ERR_MISMATCH,
                       "%s is of a job with %u ranks, this job has %u; restart it with its own job "
                       "directory",
                       path, identity->size, s->size);
    if (identity->epoch != epoch)
        return dv_fail("control", DV_ERR_DAMAGED, "%s says that it is of epoch %" PRIu64, path,
                       identity->epoch);
    if (identity->gate_abi != DV_GATE_ABI || identity->page_bytes != DV_PAGE_BYTES)
        return dv_fail("control", DV_ERR_MISMATCH,
                       "%s was written by another version of DejaVu (gate ABI %u, this is %u)",
                       path, identity->gate_abi, DV_GATE_ABI);
    enum dv_status status = dv_program_digest(s->job->program, digest);
    if (status)
        return status;
    if (memcmp(identity->program_digest, digest, sizeof digest) == 0)
        return DV_OK;
    if (memcmp(s->job->program_digest, digest, sizeof digest) != 0)
        return dv_fail("control", DV_ERR_MISMATCH,
                       "the program %s has changed since epoch %" PRIu64
                       " was taken; put the old one back, or begin a new job",
                       s->job->program, epoch);
    return dv_fail("control", DV_ERR_MISMATCH,
                   "%s is an image of another program, %.200s, not of %s", path, identity->program,
                   s->job->program);
}

enum dv_status dv_sup_check_epoch(struct dv_sup *s, uint64_t epoch)
{
    struct dv_manifest manifest;
    enum dv_status status = dv_manifest_read(s->directory, epoch, &manifest);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail("control", status, "%s has no committed epoch %" PRIu64 "; see dejavu ls",
                       s->directory, epoch);
    if (status)
        return status;
    uint32_t ranks = manifest.ranks;
    dv_manifest_free(&manifest);
    if (ranks != s->size)
        return dv_fail("control", DV_ERR_MISMATCH,
                       "epoch %" PRIu64 " of %s is of a job with %u ranks, this job has %u", epoch,
                       s->directory, ranks, s->size);
    /* What nodes have lost is put back first, if that can be done. */
    unsigned rebuilt = 0;
    status = dv_level_rebuild(s->directory, epoch, 0, &rebuilt);
    if (!status)
        status = dv_manifest_verify(s->directory, epoch, 0);
    char job[1024], path[4096];
    struct dv_image_reader *reader;
    snprintf(job, sizeof job, "%s", s->directory);
    if (!status)
        status = dv_store_locate(job, epoch, 0, path, sizeof path);
    if (!status)
        status = dv_image_reader_open(path, &reader);
    if (status)
        return status;
    status = check_identity(s, epoch, path, dv_image_reader_identity(reader));
    dv_image_reader_close(reader);
    return status;
}

/* Another failure than these is not the epoch's fault, and choosing an older one would not help. */
static bool is_damage(enum dv_status status)
{
    return status == DV_ERR_DAMAGED || status == DV_ERR_NOT_FOUND || status == DV_ERR_IO;
}

enum dv_status dv_sup_choose_epoch(struct dv_sup *s, uint64_t *epoch)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    enum dv_status status = dv_manifest_list(s->directory, &epochs, &count);
    if (status && status != DV_ERR_NOT_FOUND)
        return status;
    *epoch = 0;
    status = DV_OK;
    for (size_t i = count; i-- > 0;) {
        if (is_bad(s, epochs[i]))
            continue;
        status = dv_sup_check_epoch(s, epochs[i]);
        if (status == DV_OK) {
            *epoch = epochs[i];
            break;
        }
        if (!is_damage(status))
            break;
        dv_sup_mark_bad(s, epochs[i]);
        if (i > 0)
            dv_info("control", "epoch %" PRIu64 " cannot be used; falling back to the one before",
                    epochs[i]);
    }
    if (*epoch == 0 && count && (status == DV_OK || is_damage(status)))
        status = dv_fail("control", DV_ERR_DAMAGED,
                         "no epoch of %s is left that is whole; to begin again, run the program "
                         "with a new job directory",
                         s->directory);
    free(epochs);
    return status;
}

/* dejavu ls, dejavu verify. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "control/job.h"
#include "store/epochs.h"
#include "store/levels.h"
#include "store/manifest.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum dv_status say_none(const char *directory)
{
    dv_info("cli", "%s holds no committed epoch", directory);
    return DV_ERR_NOTHING;
}

/* All committed epochs; DV_ERR_NOTHING (said) if there are none. */
static enum dv_status list(const char *directory, uint64_t **epochs, size_t *count)
{
    enum dv_status status = dv_manifest_list(directory, epochs, count);
    if (status && status != DV_ERR_NOT_FOUND)
        return status;
    return status == DV_OK && *count ? DV_OK : say_none(directory);
}

/* "complete", or "parent 8  chain 3". */
static void describe_chain(const char *directory, const struct dv_manifest *m, char *text,
                           size_t text_bytes)
{
    uint32_t length = 0;
    if (!m->parent_epoch)
        snprintf(text, text_bytes, "complete");
    else if (dv_store_chain_length(directory, m->epoch, &length) == DV_OK)
        snprintf(text, text_bytes, "parent %" PRIu64 "  chain %" PRIu32, m->parent_epoch, length);
    else
        snprintf(text, text_bytes, "parent %" PRIu64 "  chain broken", m->parent_epoch);
}

static void describe_place(const struct dv_place *place, char *text, size_t text_bytes)
{
    uint32_t survives = dv_place_survives(place);
    if (survives == DV_SURVIVES_ANY)
        snprintf(text, text_bytes, "level %s  survives all", dv_level_name(place->level));
    else
        snprintf(text, text_bytes, "level %s  survives %" PRIu32 " of %" PRIu32,
                 dv_level_name(place->level), survives, place->node_count);
}

static enum dv_status print_epoch(const char *directory, uint64_t epoch)
{
    struct dv_manifest m;
    enum dv_status status = dv_manifest_read(directory, epoch, &m);
    if (status)
        return status;
    uint64_t bytes = 0;
    for (uint32_t r = 0; r < m.ranks; r++)
        bytes += m.rank[r].file_bytes;
    char when[64], chain[80], place[80];
    describe_chain(directory, &m, chain, sizeof chain);
    describe_place(&m.place, place, sizeof place);
    time_t seconds = (time_t)(m.committed_unix_ns / 1000000000);
    struct tm local;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", localtime_r(&seconds, &local));
    printf("%6" PRIu64 "  %s.%03d  %u rank%s  %" PRIu64 " bytes  %s  %s  %s\n", m.epoch, when,
           (int)(m.committed_unix_ns / 1000000 % 1000), m.ranks, m.ranks == 1 ? "" : "s", bytes,
           chain, place, m.strategy);
    dv_manifest_free(&m);
    return DV_OK;
}

int cli_ls(void)
{
    char *directory = NULL;
    uint64_t *epochs = NULL;
    size_t count = 0;
    enum dv_status status = cli_job_directory(&directory), worst = DV_OK;
    if (status == DV_OK)
        status = list(directory, &epochs, &count);
    for (size_t i = 0; status == DV_OK && i < count; i++) {
        enum dv_status printed = print_epoch(directory, epochs[i]);
        /* A running job removes old epochs at any time: gone is not an error. */
        if (printed && printed != DV_ERR_NOT_FOUND)
            worst = printed;
    }
    free(epochs);
    free(directory);
    return (int)dv_status_exit(status ? status : worst);
}

/* What is lost or damaged is made good from other nodes, unless the job is running, whose business it is then. DV_OK: to be
 * looked at again. */
static enum dv_status repair(const char *directory, uint64_t epoch, unsigned *rebuilt)
{
    char host[256];
    int pid, lock_fd = -1;
    unsigned port;
    *rebuilt = 0;
    enum dv_status status = dv_job_supervisor(directory, &pid, host, sizeof host, &port);
    if (status != DV_ERR_NOTHING)
        return status;
    status = dv_job_lock(directory, &lock_fd);
    if (!status)
        status = dv_level_rebuild(directory, epoch, !cli_flag(CLI_OPT_SHALLOW), rebuilt);
    if (!status && !*rebuilt)
        status = DV_ERR_NOTHING;
    if (lock_fd >= 0)
        close(lock_fd);
    return status;
}

/* Copies or parity, which may be lost while all images are there. */
static int has_redundancy(const char *directory, uint64_t epoch)
{
    struct dv_manifest m;
    if (dv_manifest_read(directory, epoch, &m) != DV_OK)
        return 0;
    int redundant = m.place.level == DV_LEVEL_PARTNER || m.place.level == DV_LEVEL_RS;
    dv_manifest_free(&m);
    return redundant;
}

static enum dv_status verify_one(const char *directory, uint64_t epoch)
{
    unsigned rebuilt = 0;
    int deep = !cli_flag(CLI_OPT_SHALLOW);
    enum dv_status status = dv_manifest_verify(directory, epoch, deep), repaired = DV_ERR_NOTHING;
    if (status == DV_ERR_DAMAGED || (status == DV_OK && has_redundancy(directory, epoch)))
        repaired = repair(directory, epoch, &rebuilt);
    /* A running job may have compacted the epoch, or removed it, while it was being read. */
    if (status == DV_ERR_DAMAGED && repaired == DV_OK)
        status = dv_manifest_verify(directory, epoch, deep);
    if (status == DV_OK && repaired != DV_OK && repaired != DV_ERR_NOTHING)
        printf("%6" PRIu64 "  whole, but its redundancy is not: %s\n", epoch, dv_why());
    else if (status == DV_OK && rebuilt)
        printf("%6" PRIu64 "  whole, after %u file%s rebuilt\n", epoch, rebuilt,
               rebuilt == 1 ? " was" : "s were");
    else if (status == DV_OK)
        printf("%6" PRIu64 "  whole\n", epoch);
    else if (status != DV_ERR_NOT_FOUND)
        printf("%6" PRIu64 "  damaged: %s\n", epoch, dv_why());
    return status;
}

/* Also those whose manifest is damaged, which are no committed epochs to anybody else. One that was
 * not committed yet, or was removed by the running job meanwhile, is none of ours.
 * DV_ERR_DAMAGED: not all are whole. */
static enum dv_status verify_all(const char *directory)
{
    uint64_t *epochs = NULL;
    size_t count = 0, found = 0;
    enum dv_status status = dv_epochs_scan(directory, &epochs, &count), worst = DV_OK;
    for (size_t i = 0; status == DV_OK && i < count; i++) {
        enum dv_status verified = verify_one(directory, epochs[i]);
        found += verified != DV_ERR_NOT_FOUND;
        if (verified && verified != DV_ERR_NOT_FOUND)
            worst = DV_ERR_DAMAGED;
    }
    free(epochs);
    if (status)
        return status;
    return found ? worst : say_none(directory);
}

int cli_verify(void)
{
    char *directory = NULL;
    uint64_t epoch = 0;
    bool one = *cli_text(CLI_OPT_EPOCH) != '\0';
    enum dv_status status = cli_job_directory(&directory);
    if (status == DV_OK && one)
        status = cli_count(CLI_OPT_EPOCH, 1, UINT64_MAX - 1, &epoch);
    if (status == DV_OK && one) {
        status = verify_one(directory, epoch);
        if (status == DV_ERR_NOT_FOUND)
            printf("%6" PRIu64 "  not committed\n", epoch);
        status = status ? DV_ERR_DAMAGED : DV_OK;
    } else if (status == DV_OK) {
        status = verify_all(directory);
    }
    free(directory);
    return (int)dv_status_exit(status);
}

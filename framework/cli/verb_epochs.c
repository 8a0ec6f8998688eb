/* dejavu ls, dejavu verify. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "image/epochs.h"
#include "image/manifest.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static enum dv_status print_epoch(const char *directory, uint64_t epoch)
{
    struct dv_manifest m;
    enum dv_status status = dv_manifest_read(directory, epoch, &m);
    if (status)
        return status;
    uint64_t bytes = 0;
    for (uint32_t r = 0; r < m.ranks; r++)
        bytes += m.rank[r].file_bytes;
    char when[64];
    time_t seconds = (time_t)(m.committed_unix_ns / 1000000000);
    struct tm local;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", localtime_r(&seconds, &local));
    printf("%6" PRIu64 "  %s.%03d  %u rank%s  %" PRIu64 " bytes  %s\n", m.epoch, when,
           (int)(m.committed_unix_ns / 1000000 % 1000), m.ranks, m.ranks == 1 ? "" : "s", bytes,
           m.strategy);
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

static enum dv_status verify_one(const char *directory, uint64_t epoch)
{
    enum dv_status status = dv_manifest_verify(directory, epoch, !cli_flag(CLI_OPT_SHALLOW));
    if (status == DV_OK)
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

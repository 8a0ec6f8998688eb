/* dejavu ls, dejavu verify. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "image/manifest.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* All committed epochs; DV_ERR_NOTHING (said) if there are none. */
static enum dv_status list(const char *directory, uint64_t **epochs, size_t *count)
{
    enum dv_status status = dv_manifest_list(directory, epochs, count);
    if (status && status != DV_ERR_NOT_FOUND)
        return status;
    if (status == DV_OK && *count)
        return DV_OK;
    dv_info("cli", "%s holds no committed epoch", directory);
    return DV_ERR_NOTHING;
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
    else if (status == DV_ERR_NOT_FOUND)
        printf("%6" PRIu64 "  not committed\n", epoch);
    else
        printf("%6" PRIu64 "  damaged: %s\n", epoch, dv_why());
    return status;
}

int cli_verify(void)
{
    char *directory = NULL;
    uint64_t *epochs = NULL, epoch = 0;
    size_t count = 0;
    bool one = *cli_text(CLI_OPT_EPOCH) != '\0';
    enum dv_status status = cli_job_directory(&directory), worst = DV_OK;
    if (status == DV_OK && one)
        status = cli_count(CLI_OPT_EPOCH, 1, UINT64_MAX - 1, &epoch);
    if (status == DV_OK && one)
        worst = verify_one(directory, epoch);
    else if (status == DV_OK)
        status = list(directory, &epochs, &count);
    for (size_t i = 0; status == DV_OK && i < count; i++) {
        enum dv_status verified = verify_one(directory, epochs[i]);
        worst = verified ? verified : worst;
    }
    free(epochs);
    free(directory);
    if (status)
        return (int)dv_status_exit(status);
    return worst ? DV_EXIT_FAILED : DV_EXIT_OK;
}

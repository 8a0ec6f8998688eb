/* Epochs checked against their manifests: every image, and all that it inherits from. */
#include "common/fail.h"
#include "image/image.h"
#include "store/files.h"
#include "store/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "manifest"

static enum dv_status fits_not(const char *path, const char *what)
{
    return dv_fail(MODULE, DV_ERR_DAMAGED, "%s does not fit its manifest: %s", path, what);
}

/* Images hold all that the application knows: nobody else may read them, or have put them there. */
static enum dv_status check_private(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return dv_fail(MODULE, errno == EIO ? DV_ERR_IO : DV_ERR_DAMAGED, "%s is lost: %s", path,
                       strerror(errno));
    if (!S_ISREG(st.st_mode))
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is not a regular file", path);
    if (st.st_uid != geteuid() && geteuid() != 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s belongs to user %u, not to you (%u)", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 077)
        return dv_fail(MODULE, DV_ERR_USAGE, "%s is open to other users (mode %04o); chmod 600 it",
                       path, (unsigned)st.st_mode & 07777u);
    return DV_OK;
}

static int is_the_one(const struct dv_image_reader *reader, const struct dv_manifest_rank *expected)
{
    const struct dv_image_stats *stats = dv_image_reader_stats(reader);
    const uint8_t *origin = dv_image_reader_origin(reader);
    if (memcmp(stats->digest, expected->digest, sizeof stats->digest) == 0)
        return stats->file_bytes == expected->file_bytes &&
               stats->data_bytes == expected->data_bytes &&
               stats->parent_epoch == expected->parent_epoch;
    return origin && memcmp(origin, expected->digest, sizeof expected->digest) == 0;
}

enum dv_status dv_manifest_fits(const struct dv_manifest *m, uint32_t rank, const char *path,
                                const struct dv_image_reader *reader)
{
    const struct dv_image_identity *id = dv_image_reader_identity(reader);
    if (id->epoch != m->epoch)
        return fits_not(path, "another epoch");
    if (id->rank != rank || id->size != m->ranks)
        return fits_not(path, "another rank or number of ranks");
    if (!is_the_one(reader, &m->rank[rank]))
        return fits_not(path, "another digest or size");
    return DV_OK;
}

/* Files of the application that its images rely on. */
static enum dv_status verify_files(const char *job, const struct dv_image_chain *chain, int deep)
{
    const void *names;
    size_t length;
    if (dv_image_reader_section(dv_image_chain_head(chain), DV_SECTION_FILES, &names, &length) !=
        DV_OK)
        return DV_OK;
    return dv_files_check(job, names, length, deep);
}

static enum dv_status verify_rank(const char *job, const struct dv_manifest *m, uint32_t rank,
                                  int deep)
{
    char path[PATH_MAX], job_path[PATH_MAX];
    struct dv_image_chain *chain = NULL;
    snprintf(job_path, sizeof job_path, "%s", job);
    enum dv_status status = dv_store_locate(job_path, m->epoch, rank, path, sizeof path);
    if (!status)
        status = check_private(path);
    if (!status)
        status = dv_image_chain_open(dv_store_locate, job_path, m->epoch, rank, &chain);
    if (status)
        return status == DV_ERR_NOT_FOUND ? DV_ERR_DAMAGED : status;
    status = dv_manifest_fits(m, rank, path, dv_image_chain_head(chain));
    if (!status)
        status = verify_files(job, chain, deep);
    if (!status && deep)
        status = dv_image_chain_verify(chain);
    dv_image_chain_close(chain);
    return status;
}

/* All ranks, so that every damage is named; the first is what dv_why() says. */
static enum dv_status verify_ranks(const char *job, const struct dv_manifest *m, int deep)
{
    enum dv_status status = DV_OK;
    char why[1024] = "";
    for (uint32_t i = 0; i < m->ranks; i++) {
        enum dv_status one = verify_rank(job, m, i, deep);
        if (status || !one)
            continue;
        status = one;
        snprintf(why, sizeof why, "%s", dv_why());
    }
    return status ? dv_fail_quietly(status, "%s", why) : DV_OK;
}

enum dv_status dv_manifest_verify(const char *job, uint64_t epoch, int deep)
{
    struct dv_manifest m;
    enum dv_status status = dv_manifest_read(job, epoch, &m);
    if (status)
        return status;
    status = verify_ranks(job, &m, deep);
    dv_manifest_free(&m);
    return status;
}

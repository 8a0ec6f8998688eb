/* What an image says of where it came from, and whether it fits this process. */
#include "rank/rank.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

__attribute__((target("xsave"))) static uint64_t extended_state(void)
{
    return (uint64_t)_xgetbv(0);
}

/* XCR0 (which register sets a signal frame holds) and, above it, AT_HWCAP2 (FSGSBASE). */
static uint64_t cpu_features(void)
{
    return extended_state() | getauxval(AT_HWCAP2) << 32;
}

enum dv_status dv_identity_program(void)
{
    int fd = open(dv_rank.program, O_RDONLY | O_CLOEXEC);
    struct stat st = {0};
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        dv_error("identity", "cannot read %s: %s", dv_rank.program,
                 fd >= 0 && st.st_size == 0 ? "empty file" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return DV_ERR_SYSTEM;
    }
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, (size_t)st.st_size));
    memcpy(dv_rank.program_digest, digest.digest, sizeof dv_rank.program_digest);
    munmap(bytes, (size_t)st.st_size);
    close(fd);
    return DV_OK;
}

void dv_identity_fill(struct dv_image_identity *identity, uint64_t epoch)
{
    memset(identity, 0, sizeof *identity);
    identity->epoch = epoch;
    identity->rank = (uint32_t)dv_rank.rank;
    identity->size = (uint32_t)dv_rank.size;
    identity->gate_abi = DV_GATE_ABI;
    identity->page_bytes = DV_PAGE_BYTES;
    identity->cpu_features = cpu_features();
    memcpy(identity->program_digest, dv_rank.program_digest, sizeof identity->program_digest);
    snprintf(identity->program, sizeof identity->program, "%s", dv_rank.program);
    snprintf(identity->strategy, sizeof identity->strategy, "%s+%s", dv_rank.options.capture,
             dv_rank.options.protocol);
}

enum dv_status dv_identity_check(const struct dv_image_identity *image, char *why, size_t why_bytes)
{
    struct dv_image_identity own;
    dv_identity_fill(&own, image->epoch);
    if (image->gate_abi != own.gate_abi)
        snprintf(why, why_bytes,
                 "the image was made by another version of DejaVu (gate ABI %u, here %u)",
                 image->gate_abi, own.gate_abi);
    else if (image->rank != own.rank || image->size != own.size)
        snprintf(why, why_bytes, "the image is of rank %u of %u, this is rank %u of %u",
                 image->rank, image->size, own.rank, own.size);
    else if (memcmp(image->program_digest, own.program_digest, sizeof own.program_digest) != 0)
        snprintf(why, why_bytes,
                 "the image is of another program (%s, or the file has changed since)",
                 image->program);
    else if (image->page_bytes != own.page_bytes || (image->cpu_features & ~own.cpu_features) != 0)
        snprintf(why, why_bytes,
                 "the image needs processor features that this host lacks (%#llx, here %#llx)",
                 (unsigned long long)image->cpu_features, (unsigned long long)own.cpu_features);
    else
        return DV_OK;
    return DV_ERR_MISMATCH;
}

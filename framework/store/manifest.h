/* The job directory and its manifests: an epoch exists when its manifest says so.
 *
 *      JOB/job                     what to run and how (text, key = value), written once
 *      JOB/token                   secret of the control socket, 0600
 *      JOB/supervisor              "pid host port" of the running supervisor; locked (flock) while it runs
 *      JOB/events                  one line per event: `<seconds> <event> key=value ...`, append only
 *      JOB/epochs/000007/rank-3.dvi, manifest
 *      JOB/spare/rank-3.dvi        an old image whose blocks the next one may recycle
 *
 * All of it is private to the user (0700 / 0600, checked). A manifest is a small text file ended by its own checksum,
 * written to a temporary name, fsynced, renamed, directory fsynced, after all ranks reported their images durable. */
#ifndef DV_IMAGE_MANIFEST_H
#define DV_IMAGE_MANIFEST_H

#include "store/store.h"

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_image_reader;

struct dv_manifest_rank {
    uint64_t file_bytes, data_bytes;
    uint8_t digest[16];
    uint64_t parent_epoch; /* 0: this rank's image is complete; else the epoch's parent */
};

struct dv_manifest {
    uint64_t epoch;
    uint64_t
        parent_epoch; /* 0: complete by itself; else that epoch is needed too, and prune keeps it */
    uint32_t ranks;
    uint32_t generation; /* how often it was synthesised anew; in the images' names (store.h) */
    int64_t committed_unix_ns;
    char strategy[128];
    struct dv_place place;         /* where the images are; owned by the manifest */
    struct dv_manifest_rank *rank; /* [ranks], owned by the manifest */
};

/* "<job>/epochs/<epoch, six digits>" into `path`; `job` may be a node's directory as well. */
void dv_epoch_directory(const char *job, uint64_t epoch, char *path, size_t path_bytes);
/* Everything in `manifest` is the caller's. */
enum dv_status dv_manifest_write(const char *job, const struct dv_manifest *manifest) DV_CHECKED;
/* Read and check one epoch's manifest. DV_ERR_NOT_FOUND: not committed. Free with dv_manifest_free. */
enum dv_status dv_manifest_read(const char *job, uint64_t epoch,
                                struct dv_manifest *manifest) DV_CHECKED;
void dv_manifest_free(struct dv_manifest *manifest);
/* All committed epochs whose manifests are sound, ascending; free(*epochs). Damaged ones are reported and left out. */
enum dv_status dv_manifest_list(const char *job, uint64_t **epochs, size_t *count) DV_CHECKED;
/* Is this image, found at `path`, the one that the manifest means: the very one, or one that was synthesised to take its
 * place? DV_ERR_DAMAGED, reported. */
enum dv_status dv_manifest_fits(const struct dv_manifest *m, uint32_t rank, const char *path,
                                const struct dv_image_reader *reader) DV_CHECKED;
/* Check an epoch's images, and those they inherit from, against each other and the manifest. `deep`: every data block
 * too. An epoch is damaged if anything that it needs is. */
enum dv_status dv_manifest_verify(const char *job, uint64_t epoch, int deep) DV_CHECKED;
/* Remove committed epochs but the newest `keep`, and everything that was never committed (only call when no rank is
 * writing). Old images go to JOB/spare for recycling, one per rank. Parents of what is kept are kept, and so is a
 * damaged manifest newer than the oldest epoch kept. A kill at any point loses no epoch that should be kept. */
enum dv_status dv_manifest_prune(const char *job, unsigned keep) DV_CHECKED;

#endif

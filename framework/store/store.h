/* Where images live. The one place that knows: everybody else asks dv_store_locate.
 *
 *      level       images of rank r                            redundancy
 *      shared      JOB/epochs/000007/rank-3.dvi                none needed: the nodes may all be lost
 *      memory      NODE/epochs/000007/rank-3.dvi               none (NODE is on tmpfs)
 *      disk        the same                                    none
 *      partner     the same                                    NEXT NODE/epochs/000007/copy-3.dvi
 *      rs          the same                                    NODE/epochs/000007/parity.dvp, see levels_rs.c
 *
 * NODE is a private directory of this job within the directory that the user names for a node
 * (dv_place_root). Ranks go to nodes in blocks: rank r of n is on node r * nodes / n. Manifests are
 * always in JOB/epochs/000007/, and say where the epoch's images are.
 *
 * A synthesised epoch (compact.h) has its images under names of their own, rank-3.g1.dvi, so that
 * one rename, the manifest's, replaces all old ones by all new ones. The number is the manifest's
 * `generation`.
 *
 * No state; any thread of the lower half or of commands. */
#ifndef DV_IMAGE_STORE_H
#define DV_IMAGE_STORE_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

enum dv_level { DV_LEVEL_SHARED, DV_LEVEL_MEMORY, DV_LEVEL_DISK, DV_LEVEL_PARTNER, DV_LEVEL_RS };

#define DV_MOST_NODES 255u /* what Reed-Solomon over bytes allows */
#define DV_SURVIVES_ANY UINT32_MAX

/* Where the images of an epoch are. Owns its strings; free with dv_place_free. All zero: shared. */
struct dv_place {
    enum dv_level level;
    uint32_t parity;     /* DV_LEVEL_RS: node losses that are survived; else 0 */
    uint32_t node_count; /* 0: shared */
    char **node;         /* [node_count] absolute paths of the job's directories on the nodes */
};

/* "shared", "memory" ...; NULL for another number. */
const char *dv_level_name(enum dv_level level);
/* DV_ERR_USAGE, reported with a "did you mean". */
enum dv_status dv_level_parse(const char *name, enum dv_level *level) DV_CHECKED;

void dv_place_free(struct dv_place *place);
/* `copy` is overwritten. */
enum dv_status dv_place_copy(const struct dv_place *place, struct dv_place *copy) DV_CHECKED;
/* How many lost nodes, whichever they are, leave the epoch restorable; DV_SURVIVES_ANY: all. */
uint32_t dv_place_survives(const struct dv_place *place);
/* Which node a rank's image is on. Only with nodes. */
uint32_t dv_place_node(const struct dv_place *place, uint32_t rank, uint32_t ranks);
/* The directory that holds `epochs` and `spare` with this rank's images: `job` or a node's. Borrowed. */
const char *dv_place_base(const struct dv_place *place, const char *job, uint32_t rank,
                          uint32_t ranks);
/* The job's own directory in `node`, a directory named by the user: `<node>/dejavu-<16 digits>`, from the job
 * directory's absolute path. DV_ERR_USAGE: too long, reported. */
enum dv_status dv_place_root(const char *node, const char *job, char *path,
                             size_t path_bytes) DV_CHECKED;

/* "rank-3.dvi", or "rank-3.g1.dvi" of generation 1. */
void dv_store_image_name(uint32_t rank, uint32_t generation, char *name, size_t name_bytes);
/* Is it the name of an image of any generation? Then its rank and generation. */
int dv_store_parse_name(const char *name, uint32_t *rank, uint32_t *generation);

/* The path of the image of (epoch, rank) of the job directory `job` (a const char *), from the epoch's
 * manifest; fits dv_image_locate. DV_ERR_NOT_FOUND: the epoch is not committed, reported. Whether the
 * file is there is not looked at. */
enum dv_status dv_store_locate(void *job, uint64_t epoch, uint32_t rank, char *path,
                               size_t path_bytes) DV_CHECKED;

/* How many epochs the restart from `epoch` would read, itself included. */
enum dv_status dv_store_chain_length(const char *job, uint64_t epoch, uint32_t *length) DV_CHECKED;
/* Are all image files of the epoch and its ancestors there, with the sizes that they should have? Looks at no
 * contents. DV_ERR_DAMAGED, reported, if not. */
enum dv_status dv_store_present(const char *job, uint64_t epoch) DV_CHECKED;

#endif

/* Level partner: each image also on the next node.
 *
 *      node 0: rank-0 rank-1 copy-4 copy-5     node 1: rank-2 rank-3 copy-0 copy-1     node 2: rank-4 rank-5 copy-2 copy-3
 *
 * The loss of any one node is survived, and of several that are not neighbours. */
#include "common/fail.h"
#include "common/io.h"
#include "image/image.h"
#include "store/levels_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "store"
#define COPY_BYTES (4u << 20)

static void copy_path(const struct dv_manifest *m, uint32_t rank, char *path, size_t path_bytes)
{
    char name[64];
    uint32_t node = (dv_place_node(&m->place, rank, m->ranks) + 1) % m->place.node_count;
    if (m->generation)
        snprintf(name, sizeof name, "copy-%" PRIu32 ".g%" PRIu32 ".dvi", rank, m->generation);
    else
        snprintf(name, sizeof name, "copy-%" PRIu32 ".dvi", rank);
    dv_level_path(m, node, name, path, path_bytes);
}

static enum dv_status copy_bytes(int from, int to, const char *from_path, const char *to_path)
{
    char *buffer = malloc(COPY_BYTES);
    size_t got = 0;
    if (!buffer)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot copy %s: out of memory", from_path);
    enum dv_status status = DV_OK;
    for (uint64_t at = 0; !status; at += got) {
        if ((status = dv_pread_full(from, buffer, COPY_BYTES, at, &got)))
            dv_fail(MODULE, status, "cannot read %s: %s", from_path, dv_errno_text(errno));
        else if ((status = dv_write_all(to, buffer, got)))
            dv_fail(MODULE, status, "cannot write %s: %s", to_path, dv_errno_text(errno));
        if (got < COPY_BYTES)
            break;
    }
    free(buffer);
    return status;
}

/* The copy is checked before it gets its name. */
static enum dv_status copy_image(const struct dv_manifest *m, uint32_t rank, const char *from_path,
                                 const char *to_path)
{
    char temporary[PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", to_path);
    int from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return dv_fail(MODULE, dv_status_from_errno(errno), "cannot open %s: %s", from_path,
                       dv_errno_text(errno));
    enum dv_status status = DV_OK;
    (void)unlink(temporary);
    int to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        status = dv_fail(MODULE, dv_status_from_errno(errno), "cannot create %s: %s", temporary,
                         dv_errno_text(errno));
    else
        status = copy_bytes(from, to, from_path, temporary);
    close(from);
    if (!status && !dv_level_image_is_good(m, rank, temporary, true)) {
        char why[300];
        snprintf(why, sizeof why, "%s", dv_why());
        status = dv_fail(MODULE, DV_ERR_DAMAGED, "%s could not be copied whole to %s: %s",
                         from_path, to_path, why);
    }
    if (!status)
        return dv_level_finish_file(to, to_path);
    if (to >= 0)
        close(to);
    (void)unlink(temporary);
    return status;
}

enum dv_status dv_partner_protect(const struct dv_manifest *m)
{
    enum dv_status status = DV_OK;
    for (uint32_t r = 0; r < m->ranks && !status; r++) {
        char image[PATH_MAX], copy[PATH_MAX];
        dv_level_image_path(m, r, image, sizeof image);
        copy_path(m, r, copy, sizeof copy);
        status = copy_image(m, r, image, copy);
    }
    return status ? status : dv_level_sync(m);
}

/* Which nodes have lost both the image and its copy? */
static enum dv_status say_lost(const struct dv_manifest *m, const bool *lost)
{
    char text[2000];
    dv_level_name_nodes(m, lost, text, sizeof text);
    return dv_fail(MODULE, DV_ERR_DAMAGED,
                   "epoch %" PRIu64 " cannot be rebuilt: images and their copies are lost or "
                   "damaged on %s; level partner survives the loss of one node",
                   m->epoch, text);
}

enum dv_status dv_partner_rebuild(const struct dv_manifest *m, bool *good, bool deep,
                                  unsigned *rebuilt)
{
    bool lost[DV_MOST_NODES] = {false};
    bool any = false;
    enum dv_status status = DV_OK;
    for (uint32_t r = 0; r < m->ranks && !status; r++) {
        char image[PATH_MAX], copy[PATH_MAX];
        uint32_t node = dv_place_node(&m->place, r, m->ranks);
        dv_level_image_path(m, r, image, sizeof image);
        copy_path(m, r, copy, sizeof copy);
        bool copy_good = dv_level_image_is_good(m, r, copy, deep || !good[r]);
        if (!good[r] && !copy_good) {
            lost[node] = lost[(node + 1) % m->place.node_count] = any = true;
        } else if (!good[r] || !copy_good) {
            status = copy_image(m, r, good[r] ? image : copy, good[r] ? copy : image);
            good[r] = good[r] || !status;
            *rebuilt += !status;
        }
    }
    if (!status)
        status = dv_level_sync(m);
    return !status && any ? say_lost(m, lost) : status;
}

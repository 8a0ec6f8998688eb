/* What manifest.c and prune.c share. */
#ifndef DV_IMAGE_EPOCHS_H
#define DV_IMAGE_EPOCHS_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

/* All epoch directories, committed or not, ascending; free(*epochs). A job without any: DV_OK and
 * none. */
enum dv_status dv_epochs_scan(const char *job, uint64_t **epochs, size_t *count) DV_CHECKED;

#endif

/* What the kernel keeps for the process and its main thread besides memory and descriptors:
 * section DV_SECTION_PROCESS. Lower half, application's main thread. */
#ifndef DV_CAPTURE_PROCESS_H
#define DV_CAPTURE_PROCESS_H

#include "capture/blob.h"

#include <dejavu/status.h>

#include <stdint.h>

/* DV_ERR_REFUSED, with dv_why() naming it: children, POSIX timers, a removed working directory. */
enum dv_status dv_process_check(void) DV_CHECKED;
enum dv_status dv_process_capture(struct dv_blob *out) DV_CHECKED;
/* `mask` as in dv_restore_process. */
enum dv_status dv_process_restore(struct dv_blob_reader *in, uint64_t *mask) DV_CHECKED;

#endif

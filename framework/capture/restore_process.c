/* Putting descriptors and process state back; see capture_engine.h. */
#include "capture/blob.h"
#include "capture/capture_engine.h"
#include "capture/descriptors.h"
#include "capture/process.h"

static enum dv_status open_section(struct dv_image_reader *image, enum dv_image_section kind,
                                   struct dv_blob_reader *in)
{
    const void *bytes;
    size_t length;
    enum dv_status status = dv_image_reader_section(image, kind, &bytes, &length);
    if (status == DV_OK)
        *in = (struct dv_blob_reader){.at = bytes, .end = (const uint8_t *)bytes + length};
    return status;
}

enum dv_status dv_restore_process(struct dv_image_reader *image, int lower_fd_base,
                                  const struct dv_fd_identity *stdio, uint64_t *mask)
{
    struct dv_blob_reader descriptors, process;
    enum dv_status status = open_section(image, DV_SECTION_DESCRIPTORS, &descriptors);
    if (status == DV_OK)
        status = open_section(image, DV_SECTION_PROCESS, &process);
    if (status == DV_OK)
        status = dv_descriptors_restore(&descriptors, lower_fd_base, stdio);
    if (status == DV_OK)
        status = dv_process_restore(&process, mask);
    return status;
}

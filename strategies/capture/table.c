/* The capture strategies that a job can name: one line each. */
#include <dejavu/capture.h>

extern const struct dv_capture_ops dv_capture_full;
extern const struct dv_capture_ops dv_capture_incremental;

const struct dv_capture_ops *const dv_capture_table[] = {
    &dv_capture_full,
    &dv_capture_incremental,
    NULL,
};

/* All protocol strategies: one line each. */
#include <dejavu/protocol.h>

extern const struct dv_protocol_ops dv_protocol_coordinated;
extern const struct dv_protocol_ops dv_protocol_skeleton;

const struct dv_protocol_ops *const dv_protocol_table[] = {
    &dv_protocol_coordinated,
    &dv_protocol_skeleton,
    NULL,
};

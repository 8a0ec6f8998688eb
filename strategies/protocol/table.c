/* All protocol strategies: one line each. (The skeleton is for copying; only the conformance suite
 * runs it.) */
#include <dejavu/protocol.h>

extern const struct dv_protocol_ops dv_protocol_coordinated;

const struct dv_protocol_ops *const dv_protocol_table[] = {
    &dv_protocol_coordinated,
    NULL,
};

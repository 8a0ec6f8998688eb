/* coordinated: all ranks capture one epoch at one consistent instant; nothing is done in between.
 *
 * Consistency comes from three steps, each a service of the framework: a cut of the collectives, so
 * that no rank is in one or ahead of another; the completion of the non-blocking ones; and the
 * drain, after which no message is in the network. See coordinated.md. */
#include <dejavu/protocol.h>

static enum dv_status quiesce(struct dv_protocol *p, uint64_t epoch)
{
    enum dv_status status = p->core->reach_collective_cut(p, epoch);
    if (status == DV_OK)
        status = p->core->complete_collectives(p, epoch);
    if (status == DV_OK)
        status = p->core->drain_messages(p, epoch);
    return status;
}

extern const struct dv_protocol_ops dv_protocol_coordinated;
const struct dv_protocol_ops dv_protocol_coordinated = {
    .api = DV_PROTOCOL_API,
    .name = "coordinated",
    .summary =
        "all ranks capture one epoch together, after draining all messages into their receivers",
    .caps = DV_PROTOCOL_GLOBAL,
    .quiesce = quiesce,
};

/* dv_gate_capture; compiled with -fno-stack-protector into everything of the upper half that
 * captures. */
#include "gate/gate.h"

int dv_gate_call_capture(uint64_t epoch, int (*capture)(uint64_t));

int dv_gate_capture(uint64_t epoch)
{
    struct dv_gate *gate = DV_GATE;
    uint64_t upper_fs = dv_gate_enter(gate->main_lower_fs);
    gate->context.fs = upper_fs;
    int outcome = dv_gate_call_capture(epoch, gate->lower->capture);
    /* After a restore this is another process: the context's copy is the only one that is surely
     * current. */
    dv_gate_leave(gate->context.fs);
    return outcome;
}

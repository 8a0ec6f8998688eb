#include "common/background.h"

#include <stdatomic.h>

static atomic_int halted;

void dv_background_halt(void)
{
    atomic_store(&halted, 1);
}

void dv_background_go_on(void)
{
    atomic_store(&halted, 0);
}

int dv_background_halted(void)
{
    return atomic_load(&halted);
}

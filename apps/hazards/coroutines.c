/* Hazard: stacks of the program's own making (ucontext), stopped while one of them is in use;
 * setjmp across them. */
#include "apps/hazards/hazard.h"

#include <sys/mman.h>
#include <ucontext.h>

#define COUNT 4
#define STACK_BYTES (128 * 1024)

static ucontext_t home, contexts[COUNT];
static uint64_t results[COUNT];

static void run(int which)
{
    for (unsigned turn = 0;; turn++) {
        unsigned char local[2000];
        uint64_t seed = (uint64_t)which << 32 | turn;
        hazard_fill(local, sizeof local, seed);
        hazard_sleep_ms(2);
        hazard_verify(local, sizeof local, seed, "an array on a coroutine's stack");
        results[which] = results[which] * 31 + local[turn % sizeof local];
        CHECK(swapcontext(&contexts[which], which + 1 < COUNT ? &contexts[which + 1] : &home) == 0);
        hazard_verify(local, sizeof local, seed, "an array on a coroutine's stack, later");
    }
}

static void make(int which)
{
    void *stack = which % 2 ? malloc(STACK_BYTES)
                            : mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack && stack != MAP_FAILED && getcontext(&contexts[which]) == 0);
    contexts[which].uc_stack.ss_sp = stack;
    contexts[which].uc_stack.ss_size = STACK_BYTES;
    makecontext(&contexts[which], (void (*)(void))run, 1, which);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    for (int i = 0; i < COUNT; i++)
        make(i);
    do
        CHECK(swapcontext(&home, &contexts[0]) == 0);
    while (hazard_next());
    for (int i = 0; i < COUNT; i++)
        hazard_mix(results[i]);
    return hazard_end();
}

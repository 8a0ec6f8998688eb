/* Running a function on another stack; see stack.h. */
#include "capture/stack.h"

#include "common/fail.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_BYTES (256u * 1024u)
#define GUARD_BYTES 4096u

enum dv_status dv_call_on_new_stack(enum dv_status (*function)(void *arg), void *arg)
{
    char *stack = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "cannot map a stack: %s", strerror(errno));
    if (mprotect(stack + GUARD_BYTES, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        int error = errno;
        munmap(stack, STACK_BYTES + GUARD_BYTES);
        return dv_fail("capture", DV_ERR_NO_MEMORY, "cannot make a stack: %s", strerror(error));
    }
    long result;
    /* rbx survives the call and brings the old stack pointer back. */
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[top], %%rsp\n\t"
                     "call *%[function]\n\t"
                     "movq %%rbx, %%rsp"
                     : "=a"(result), "+D"(arg)
                     : [top] "r"(stack + GUARD_BYTES + STACK_BYTES), [function] "r"(function)
                     : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc", "st",
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    munmap(stack, STACK_BYTES + GUARD_BYTES);
    return (enum dv_status)(int)result;
}

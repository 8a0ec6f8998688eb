/* Entry and resumption of a capture; see gate.h. */
#define __ASSEMBLER__ 1
#include "gate/gate.h"
#define CONTEXT (DV_GATE_BASE + DV_GATE_CONTEXT_OFFSET)

        .text
/* int dv_gate_call_capture(uint64_t epoch, int (*capture)(uint64_t)): leave the callee-saved state in the gate page and
 * go on to `capture`, which returns to our caller; dv_gate_resume returns there a second time. */
        .globl  dv_gate_call_capture
        .hidden dv_gate_call_capture
        .type   dv_gate_call_capture, @function
dv_gate_call_capture:
        movabs  $CONTEXT, %rax
        mov     %rbx, 0(%rax)
        mov     %rbp, 8(%rax)
        mov     %r12, 16(%rax)
        mov     %r13, 24(%rax)
        mov     %r14, 32(%rax)
        mov     %r15, 40(%rax)
        lea     8(%rsp), %rdx
        mov     %rdx, 48(%rax)
        mov     (%rsp), %rdx
        mov     %rdx, 56(%rax)
        stmxcsr 72(%rax)
        fnstcw  76(%rax)
        jmp     *%rsi
        .size   dv_gate_call_capture, . - dv_gate_call_capture

/* void dv_gate_resume(int outcome): return from dv_gate_call_capture with `outcome`, on the captured stack. */
        .globl  dv_gate_resume
        .hidden dv_gate_resume
        .type   dv_gate_resume, @function
dv_gate_resume:
        movabs  $CONTEXT, %rdx
        mov     %edi, %eax
        ldmxcsr 72(%rdx)
        fldcw   76(%rdx)
        mov     0(%rdx), %rbx
        mov     8(%rdx), %rbp
        mov     16(%rdx), %r12
        mov     24(%rdx), %r13
        mov     32(%rdx), %r14
        mov     40(%rdx), %r15
        mov     48(%rdx), %rsp
        jmp     *56(%rdx)
        .size   dv_gate_resume, . - dv_gate_resume

        .section .note.GNU-stack, "", @progbits

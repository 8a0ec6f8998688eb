/* The exempt page; see raw.h. */
        .section .text.dv_raw, "ax", @progbits
        .balign 64
        .globl  dv_raw_start
        .hidden dv_raw_start
dv_raw_start:
        .globl  dv_raw_syscall
        .hidden dv_raw_syscall
        .type   dv_raw_syscall, @function
dv_raw_syscall:
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        syscall
        ret
        .size   dv_raw_syscall, . - dv_raw_syscall
        .globl  dv_raw_end
        .hidden dv_raw_end
dv_raw_end:
        .section .note.GNU-stack, "", @progbits

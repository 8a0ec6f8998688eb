/* void dv_start_upper(uint64_t entry, uint64_t stack_pointer): enter the application's interpreter as the kernel would. */
        .text
        .globl  dv_start_upper
        .hidden dv_start_upper
        .type   dv_start_upper, @function
dv_start_upper:
        mov     %rsi, %rsp
        mov     %rdi, %rcx
        xor     %edx, %edx              /* rtld_fini: none */
        xor     %ebp, %ebp
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %esi, %esi
        xor     %edi, %edi
        jmp     *%rcx
        .size   dv_start_upper, . - dv_start_upper
        .section .note.GNU-stack, "", @progbits

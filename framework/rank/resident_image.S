/* The resident, as built, embedded in dejavu-rank. */
        .section .rodata
        .balign 4096
        .globl  dv_resident_image, dv_resident_image_end
        .hidden dv_resident_image, dv_resident_image_end
dv_resident_image:
        .incbin DV_RESIDENT_FILE
dv_resident_image_end:
        .section .note.GNU-stack, "", @progbits

/* The coroutine switch for aarch64 (AAPCS64, section 6.1: x19 to x29, sp and the low halves of v8 to v15 belong to the
 * caller; so does fpcr, how we round). Frame, from low to high, in words: d8 to d15, x19 to x28, x29, x30, fpcr, 1. */
    .text
    .p2align 4
    .globl tg_coro_swap
    .hidden tg_coro_swap
    .type tg_coro_swap, %function
tg_coro_swap:                       /* x0: void **save, x1: void *load */
    .cfi_startproc
    sub sp, sp, #176
    .cfi_def_cfa_offset 176
    stp d8, d9, [sp, #0]
    stp d10, d11, [sp, #16]
    stp d12, d13, [sp, #32]
    stp d14, d15, [sp, #48]
    stp x19, x20, [sp, #64]
    stp x21, x22, [sp, #80]
    stp x23, x24, [sp, #96]
    stp x25, x26, [sp, #112]
    stp x27, x28, [sp, #128]
    stp x29, x30, [sp, #144]
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    mrs x9, fpcr
    mov x10, #1
    stp x9, x10, [sp, #160]
    mov x2, sp
    str x2, [x0]
    mov sp, x1
    ldp d8, d9, [sp, #0]
    ldp d10, d11, [sp, #16]
    ldp d12, d13, [sp, #32]
    ldp d14, d15, [sp, #48]
    ldp x19, x20, [sp, #64]
    ldp x21, x22, [sp, #80]
    ldp x23, x24, [sp, #96]
    ldp x25, x26, [sp, #112]
    ldp x27, x28, [sp, #128]
    ldp x29, x30, [sp, #144]
    ldp x9, x10, [sp, #160]
    cbz x10, 1f                     /* a frame that prepare() made: keep the fpcr of who switches */
    msr fpcr, x9
1:  add sp, sp, #176
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size tg_coro_swap, . - tg_coro_swap

    .p2align 4
    .globl tg_coro_trampoline
    .hidden tg_coro_trampoline
    .type tg_coro_trampoline, %function
tg_coro_trampoline:
    .cfi_startproc
    .cfi_undefined x30              /* a backtrace ends here */
    blr x19
    brk #0
    .cfi_endproc
    .size tg_coro_trampoline, . - tg_coro_trampoline

    .section .rodata
    .p2align 2
    .globl tg_coro_frame_words, tg_coro_function_word, tg_coro_return_word
    .hidden tg_coro_frame_words, tg_coro_function_word, tg_coro_return_word
tg_coro_frame_words:   .word 22
tg_coro_function_word: .word 8      /* x19 */
tg_coro_return_word:   .word 19     /* x30 */
    .section .note.GNU-stack, "", %progbits

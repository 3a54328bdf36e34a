/* The coroutine switch for x86-64 (System V ABI, section 3.2.1: rbx, rbp, r12 to r15, mxcsr and the x87 control word
 * belong to the caller). Frame, from low to high, in words: control words, r15, r14, r13, r12, rbx, rbp, return. */
    .text
    .p2align 4
    .globl tg_coro_swap
    .hidden tg_coro_swap
    .type tg_coro_swap, @function
tg_coro_swap:                       /* rdi: void **save, rsi: void *load */
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movzwl 4(%rsp), %eax
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    cmpl $0, (%rsp)                 /* a frame that prepare() made: keep the control words of the switcher */
    je 1f
    ldmxcsr (%rsp)
    cmpw %ax, 4(%rsp)
    je 1f
    fnclex                          /* fldcw would raise an exception that one side flagged and the other unmasks */
    fldcw 4(%rsp)
1:  addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size tg_coro_swap, . - tg_coro_swap

    .p2align 4
    .globl tg_coro_trampoline
    .hidden tg_coro_trampoline
    .type tg_coro_trampoline, @function
tg_coro_trampoline:
    .cfi_startproc
    .cfi_undefined rip              /* a backtrace ends here */
    callq *%rbx
    ud2
    .cfi_endproc
    .size tg_coro_trampoline, . - tg_coro_trampoline

    .section .rodata
    .p2align 2
    .globl tg_coro_frame_words, tg_coro_function_word, tg_coro_return_word
    .hidden tg_coro_frame_words, tg_coro_function_word, tg_coro_return_word
tg_coro_frame_words:   .long 8
tg_coro_function_word: .long 5      /* rbx */
tg_coro_return_word:   .long 7
    .section .note.GNU-stack, "", @progbits

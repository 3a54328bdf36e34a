/* Calls of foreign code for x86-64 (System V ABI, section 3.2.1); foreign.h. Offsets in *coro are those of foreign.c.
 * Frame on the own part, from low to high, in words: stack pointer for the callee, foreign_top, own_sp of the call
 * around this one, r15, r14, r13, r12, rbx, rbp, return. */
    .set KEPT, 0x5a5a5a00           /* no address of an object or a stack */
    .text
    .p2align 4
    .globl tg_foreign_call
    .hidden tg_foreign_call
    .type tg_foreign_call, @function
tg_foreign_call:                    /* rdi: coro, rsi: function, rdx, rcx, r8: its arguments */
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
    pushq 8(%rdi)                   /* own_sp */
    .cfi_adjust_cfa_offset 8
    movq (%rdi), %rax               /* foreign_top */
    pushq %rax
    .cfi_adjust_cfa_offset 8
    testq %rax, %rax
    cmovzq %rsp, %rax               /* no part of its own: right below */
    subq $24, %rax
    andq $-16, %rax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    movq $0, (%rdi)                 /* in use */
    movq %rsp, 8(%rdi)
    movq %rsp, (%rax)               /* for backtraces */
    movq %rax, %rsp
    .cfi_remember_state
    .cfi_escape 0x0f, 5, 0x77, 0, 0x06, 0x23, 80 /* the frame ends 80 bytes above the word at rsp */
    movq %rsi, %rax
    movq %rdx, %rdi
    movq %rcx, %rsi
    movq %r8, %rdx
    xorl %ecx, %ecx                 /* no pointers of ours stay in registers */
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    movl $KEPT + 1, %ebx            /* the callee has to restore these; not 0, which damaged code often leaves */
    movl $KEPT + 2, %ebp
    movl $KEPT + 3, %r12d
    movl $KEPT + 4, %r13d
    movl $KEPT + 5, %r14d
    movl $KEPT + 6, %r15d
    callq *%rax
    movq tg_coro_running@gottpoff(%rip), %rcx /* nothing else can be relied on */
    movq %fs:(%rcx), %rcx
    movq 8(%rcx), %rdx
    movq %rax, 16(%rcx)             /* foreign_result */
    subq (%rdx), %rsp               /* what is left is 0 where a register was restored */
    subq $KEPT + 1, %rbx
    subq $KEPT + 2, %rbp
    subq $KEPT + 3, %r12
    subq $KEPT + 4, %r13
    subq $KEPT + 5, %r14
    subq $KEPT + 6, %r15
    orq %rsp, %rbx
    orq %rbp, %rbx
    orq %r12, %rbx
    orq %r13, %rbx
    orq %r14, %rbx
    orq %r15, %rbx
    xorl %eax, %eax
    testq %rbx, %rbx
    setz %al
    movq %rdx, %rsp
    .cfi_restore_state
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq (%rcx)
    .cfi_adjust_cfa_offset -8
    popq 8(%rcx)
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
    .size tg_foreign_call, . - tg_foreign_call
    .section .note.GNU-stack, "", @progbits

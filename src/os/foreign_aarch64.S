/* Calls of foreign code for aarch64 (AAPCS64, section 6.1); foreign.h. Offsets in *coro are those of foreign.c. Frame on
 * the own part, from low to high, in words: stack pointer for the callee, foreign_top, own_sp of the call around this
 * one, unused, d8 to d15, x19 to x28, x29, x30. */
    .set KEPT, 0x5a0                /* no address */
    .text
    .p2align 4
    .globl tg_foreign_call
    .hidden tg_foreign_call
    .type tg_foreign_call, %function
tg_foreign_call:                    /* x0: coro, x1: function, x2, x3, x4: its arguments */
    .cfi_startproc
    sub sp, sp, #192
    .cfi_def_cfa_offset 192
    stp d8, d9, [sp, #32]
    stp d10, d11, [sp, #48]
    stp d12, d13, [sp, #64]
    stp d14, d15, [sp, #80]
    stp x19, x20, [sp, #96]
    stp x21, x22, [sp, #112]
    stp x23, x24, [sp, #128]
    stp x25, x26, [sp, #144]
    stp x27, x28, [sp, #160]
    stp x29, x30, [sp, #176]
    .cfi_offset x19, -96
    .cfi_offset x20, -88
    .cfi_offset x21, -80
    .cfi_offset x22, -72
    .cfi_offset x23, -64
    .cfi_offset x24, -56
    .cfi_offset x25, -48
    .cfi_offset x26, -40
    .cfi_offset x27, -32
    .cfi_offset x28, -24
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    ldp x9, x10, [x0]               /* foreign_top, own_sp */
    mov x11, sp
    cmp x9, #0
    csel x12, x11, x9, eq           /* no part of its own: right below */
    sub x12, x12, #24
    and x12, x12, #-16
    stp x12, x9, [sp, #0]
    str x10, [sp, #16]
    stp xzr, x11, [x0]              /* in use */
    str x11, [x12]                  /* for backtraces */
    mov sp, x12
    .cfi_remember_state
    .cfi_escape 0x0f, 6, 0x8f, 0, 0x06, 0x23, 0xc0, 0x01 /* the frame ends 192 bytes above the word at sp */
    mov x16, x1
    mov x0, x2
    mov x1, x3
    mov x2, x4
    mov x3, xzr                     /* no pointers of ours stay in registers */
    mov x4, xzr
    mov x5, xzr
    mov x6, xzr
    mov x7, xzr
    mov x8, xzr
    mov x9, xzr
    mov x10, xzr
    mov x11, xzr
    mov x12, xzr
    mov x13, xzr
    mov x14, xzr
    mov x15, xzr
    mov x19, #KEPT + 1              /* the callee has to restore these; not 0, which damaged code often leaves */
    mov x20, #KEPT + 2
    mov x21, #KEPT + 3
    mov x22, #KEPT + 4
    mov x23, #KEPT + 5
    mov x24, #KEPT + 6
    mov x25, #KEPT + 7
    mov x26, #KEPT + 8
    mov x27, #KEPT + 9
    mov x28, #KEPT + 10
    mov x29, #KEPT + 11
    blr x16
    mrs x9, tpidr_el0               /* nothing else can be relied on */
    adrp x10, :gottprel:tg_coro_running
    ldr x10, [x10, #:gottprel_lo12:tg_coro_running]
    ldr x9, [x9, x10]
    ldr x11, [x9, #8]
    str x0, [x9, #16]               /* foreign_result */
    ldr x12, [x11]
    mov x13, sp
    sub x12, x12, x13               /* what is left is 0 where a register was restored */
    sub x19, x19, #KEPT + 1
    sub x20, x20, #KEPT + 2
    sub x21, x21, #KEPT + 3
    sub x22, x22, #KEPT + 4
    sub x23, x23, #KEPT + 5
    sub x24, x24, #KEPT + 6
    sub x25, x25, #KEPT + 7
    sub x26, x26, #KEPT + 8
    sub x27, x27, #KEPT + 9
    sub x28, x28, #KEPT + 10
    sub x29, x29, #KEPT + 11
    orr x12, x12, x19
    orr x12, x12, x20
    orr x12, x12, x21
    orr x12, x12, x22
    orr x12, x12, x23
    orr x12, x12, x24
    orr x12, x12, x25
    orr x12, x12, x26
    orr x12, x12, x27
    orr x12, x12, x28
    orr x12, x12, x29
    cmp x12, #0
    cset w0, eq
    mov sp, x11
    .cfi_restore_state
    ldr x12, [sp, #8]
    ldr x13, [sp, #16]
    stp x12, x13, [x9]
    ldp d8, d9, [sp, #32]
    ldp d10, d11, [sp, #48]
    ldp d12, d13, [sp, #64]
    ldp d14, d15, [sp, #80]
    ldp x19, x20, [sp, #96]
    ldp x21, x22, [sp, #112]
    ldp x23, x24, [sp, #128]
    ldp x25, x26, [sp, #144]
    ldp x27, x28, [sp, #160]
    ldp x29, x30, [sp, #176]
    add sp, sp, #192
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size tg_foreign_call, . - tg_foreign_call
    .section .note.GNU-stack, "", %progbits

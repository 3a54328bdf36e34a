/* hostile_kernel.h - what hostile_kernel.c can be told to do beside enum hostile_act. */
#ifndef TESTS_MODULES_HOSTILE_KERNEL_H
#define TESTS_MODULES_HOSTILE_KERNEL_H

#include "hostile.h"

enum hostile_kernel_act {
    KERNEL_SPIN_LIGHT = HOSTILE_OWN, /* a loop without end that issues a cheap instruction */
    KERNEL_SPIN_HEAVY,               /* a loop without end that issues an expensive one */
    KERNEL_UNASSIGNED,               /* an instruction on a tile that is nowhere */
    KERNEL_PAST_END,                 /* ... on a tile that ends behind its buffer */
    KERNEL_WILD_TILE,                /* ... on a tile at address 16 */
    KERNEL_NO_EVENT,                 /* wait for an event that nobody sets */
    KERNEL_REGISTERS,                /* demand that an instruction leaves no pointer in a register */
    KERNEL_NO_INSTRUCTION,           /* announce instruction number 4711 */
    KERNEL_STORE,                    /* TSTORE 32 bytes to the address in args[2] */
    KERNEL_STORE_PAST_DATA,          /* ... to the data tensor's address plus args[2] */
    KERNEL_BUILD                     /* call add_task of the plugin's handle in args[2] */
};

#endif

/* hostile_base.h - what the acts of hostile_do.h and hostile_library.h are made of. */
#ifndef TESTS_MODULES_HOSTILE_BASE_H
#define TESTS_MODULES_HOSTILE_BASE_H

#include <stdbool.h>
#include <sys/syscall.h>

static volatile int hostile_zero = 0, hostile_sink;
static volatile int *volatile hostile_nowhere = (volatile int *)16;

/* A system call that does not pass through the C library. */
static void hostile_system_call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
#else
#error "how is a system call made here?"
#endif
}

/* Calls that are demanded to fail. One that does not is a write to address 0x18. */
static void hostile_demand(bool refused)
{
    if (!refused) hostile_nowhere[2] = 1;
}

#endif

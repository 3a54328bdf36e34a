/* counter_in_constructor.c - a kernel that counts from 100, a value of its constructor. The constructor also makes the
 * processor round upwards and turns subnormals off, as objects that are linked for fast arithmetic do. */
#include <tilegraph/orchestration.h>

#define ENTRY __attribute__((visibility("default")))

ENTRY void kernel_entry(int64_t *args);

static int64_t counter;

static __attribute__((constructor)) void begin(void)
{
    counter = 100;
#if defined(__x86_64__)
    const uint32_t upwards_without_subnormals = 0x1F80 | 2u << 13 | 1u << 15 | 1u << 6;
    __asm__ volatile("ldmxcsr %0" : : "m"(upwards_without_subnormals));
#elif defined(__aarch64__)
    const uint64_t upwards_without_subnormals = (uint64_t)1 << 22 | (uint64_t)1 << 24;
    __asm__ volatile("msr fpcr, %0" : : "r"(upwards_without_subnormals));
#endif
}

void kernel_entry(int64_t *args) { args[0] = ++counter; }

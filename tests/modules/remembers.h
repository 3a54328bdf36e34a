/*
 * remembers.h - a plugin that counts its launches in several places, and reports the counts in its second tensor.
 *
 * REMEMBERS_... adds a kind of state that variables alone do not restore. Only what each launch finds fresh is right.
 */
#include <stdint.h>
#include <stdlib.h>

#include <tilegraph/orchestration.h>

/* No launch finds the memory of the one before: this plugin leaks it on purpose. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define LOSES(memory) __lsan_ignore_object(memory)
#else
#define LOSES(memory) ((void)0)
#endif

static int64_t zero;          /* .bss */
static int64_t seven = 7;     /* .data */
static int64_t *heap;         /* memory that it keeps */
static struct tg_runtime *of; /* of the launch: after it, a dangling pointer */

#ifdef REMEMBERS_THREAD
static __thread int64_t thread;
#endif

#ifdef REMEMBERS_CONSTRUCTOR
static int64_t *made; /* by the constructor: putting the pointer back does not bring the contents back */
__attribute__((constructor)) static void make(void) { made = calloc(1, sizeof *made); }
__attribute__((destructor)) static void unmake(void) { free(made); }
#endif

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    int64_t *counts = (int64_t *)(uintptr_t)rt->orch_args[0];
    counts[0] = zero++;
    counts[1] = seven++ - 7;
    if (!heap) {
        heap = calloc(1, sizeof *heap);
        LOSES(heap);
    }
    counts[2] = heap ? (*heap)++ : -1;
    counts[3] = of != NULL;
    of = rt;
    counts[4] = 0;
#ifdef REMEMBERS_THREAD
    counts[4] = thread++;
#endif
#ifdef REMEMBERS_CONSTRUCTOR
    counts[4] = made ? (*made)++ : -1;
#endif
    return counts[5] ? 1 : 0; /* 1: this launch fails */
}

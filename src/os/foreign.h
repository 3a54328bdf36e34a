/*
 * foreign.h - the call of a function of a loaded object.
 *
 * A compiler's code keeps the calling convention. Damaged code may not: it returns with another stack pointer, or with
 * other values in the registers that belong to its caller. So the call runs on the foreign part of the coroutine's
 * stack (stack.h). It passes no value of the library in a register except its arguments. Afterwards it restores the
 * caller's registers from memory.
 *
 *     own part        caller | tg_foreign_call: its registers
 *     fence           no access
 *     foreign part    room | the function's frames
 */
#ifndef TG_OS_FOREIGN_H
#define TG_OS_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/coro.h"

typedef void tg_foreign_fn(void);

/* Before a function that foreign code calls: it returns with no value of the library in a register, except its result.
 * Damaged code that skips an instruction would write through what is left there. Compilers that lack this are older. */
#if defined(__has_attribute) && __has_attribute(zero_call_used_regs)
#define TG_FORGETS __attribute__((zero_call_used_regs("all-gpr")))
#else
#define TG_FORGETS
#endif

/*
 * Call fn(a, b, c) on the running coroutine, `coro`. coro->foreign_result: its result, as a word. A call inside the
 * call shares the foreign part. Where there is no assembly code for the processor, it is a plain call.
 *
 * Errors    false: fn has not restored its caller's stack pointer or registers
 */
bool tg_foreign_call(struct tg_coro *coro, tg_foreign_fn *fn, void *a, void *b, uint64_t c);

/* Memory that foreign code may write, at the upper end of the foreign part of the running coroutine, `coro`. A
 * write behind it meets the fence. The next query returns the same memory. NULL: this stack has no foreign part. */
void *tg_foreign_room(struct tg_coro *coro, size_t bytes);

#endif

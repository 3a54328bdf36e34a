#include "os/foreign.h"

#include <string.h>

/* foreign_x86_64.S and foreign_aarch64.S know these places. */
_Static_assert(offsetof(struct tg_coro, foreign_top) == 0, "foreign_top is the first field");
#if defined(TG_FOREIGN_ASM)
_Static_assert(offsetof(struct tg_coro, own_sp) == 8, "own_sp follows");
_Static_assert(offsetof(struct tg_coro, foreign_result) == 16, "then foreign_result");
#else

bool tg_foreign_call(struct tg_coro *coro, tg_foreign_fn *fn, void *a, void *b, uint64_t c)
{
    int64_t (*function)(void *a, void *b, uint64_t c);
    memcpy(&function, &fn, sizeof function);
    coro->foreign_result = function(a, b, c);
    return true;
}

#endif

void *tg_foreign_room(struct tg_coro *coro, size_t bytes)
{
    if (!coro->fence) return NULL;
    coro->foreign_top = coro->fence - bytes;
    return coro->foreign_top;
}

/* plain_object: the shared object that fuzz_module breaks. Kernel and plugin in one, compiled without sanitizers. */
#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

static volatile int n_open;

__attribute__((constructor)) static void opened(void) { n_open++; }
__attribute__((destructor)) static void closed(void) { n_open--; }

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

void kernel_entry(int64_t *args)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, 8);
    struct tg_global global = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, 8, 8);
    TASSIGN(tile, 0);
    TEXPANDS(tile, 1.0f);
    TSTORE(global, tile);
    TDRAIN();
}

int orchestration(struct tg_runtime *rt)
{
    int task = tg_add_task(rt, rt->orch_args, 1, 0, TG_AIV);
    tg_publish(rt, task);
    return n_open - 1;
}

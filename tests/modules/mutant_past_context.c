/* mutant_past_context.c - paged attention's orchestration, which also looks at the entry behind the context of each
 * sequence. */
#define orchestration flagship_orchestration
#include "../../examples/aicpu_build_graph/paged_attention/kernels/orchestration/orchestration.c"
#undef orchestration

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    struct problem p;
    if (read_problem(rt, rt->orch_args, rt->orch_argc, &p)) return -1;
    for (uint64_t seq = 0; seq < p.batch; seq++)
        if (blocks_of(&p, seq) < p.table_cols)
            (void)((const volatile int32_t *)p.block_table)[seq * p.table_cols + blocks_of(&p, seq)];
    return build_graph(rt, &p);
}

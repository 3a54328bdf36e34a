#include "common/flagship.h"

#include "common/check.h"

const char *const flagship_files[FLAGSHIP_PARTS] = {"aic_qk_matmul", "aiv_softmax_prepare", "aic_pv_matmul",
                                                    "aiv_online_update", "orchestration"};

static const char *part_path(enum flagship_part part, const char *const modules[FLAGSHIP_PARTS])
{
    return modules && modules[part] ? rig_module(modules[part]) : rig_example(FLAGSHIP_EXAMPLE, flagship_files[part]);
}

void flagship_load(struct rig *rig, enum rig_mode mode, const char *const modules[FLAGSHIP_PARTS])
{
    static const enum tg_core_type types[] = {TG_AIC, TG_AIV, TG_AIC, TG_AIV};
    rig_clear(rig);
    for (int i = 0; i < 4; i++)
        rig_kernel(rig, i, types[i], flagship_files[i], part_path((enum flagship_part)i, modules));
    rig_plugin(rig, part_path(FLAGSHIP_ORCHESTRATION, modules),
               mode == RIG_HOST ? "orchestration_host" : "orchestration");
    rig_set_mode(rig, mode);
}

void flagship_draw(struct pa_problem *problem, const char *case_name, uint64_t seed)
{
    const struct pa_case *drawn = pa_case_by_name(case_name);
    CHECK(drawn, "no case %s", case_name);
    flagship_draw_case(problem, drawn, seed);
}

void flagship_draw_case(struct pa_problem *problem, const struct pa_case *drawn, uint64_t seed)
{
    struct failure failure;
    memset(problem, 0, sizeof *problem);
    enum tg_status status = pa_problem_draw(drawn, seed, problem, &failure);
    CHECK(status == TG_OK, "%s: %s", drawn->name, failure.message);
}

size_t flagship_out_bytes(const struct pa_problem *problem)
{
    return (size_t)pa_problem_counts(problem).query * pa_dtype_bytes(problem->shape.dtype);
}

void flagship_tensors(const struct pa_problem *p, struct tg_tensor tensors[FLAGSHIP_TENSORS])
{
    const struct pa_counts n = pa_problem_counts(p);
    const uint64_t bytes = pa_dtype_bytes(p->shape.dtype), batch = p->shape.batch;
    const uint64_t config_words = sizeof p->config / sizeof p->config[0];
    const struct tg_tensor all[FLAGSHIP_TENSORS] = {
        {"query", p->query, n.query * bytes, n.query, TG_IN},
        {"key_cache", p->key_cache, n.cache * bytes, n.cache, TG_IN},
        {"value_cache", p->value_cache, n.cache * bytes, n.cache, TG_IN},
        {"block_table", p->block_table, n.table * sizeof(int32_t), n.table, TG_IN},
        {"context_lens", p->context_lens, batch * sizeof(int32_t), batch, TG_IN},
        {"out", p->out, n.query * bytes, n.query, TG_OUT},
        {"config", (void *)(uintptr_t)p->config, sizeof p->config, config_words, TG_IN},
    };
    memcpy(tensors, all, sizeof all);
}

enum tg_status flagship_run(struct rig *rig, struct pa_problem *problem)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    flagship_tensors(problem, tensors);
    return rig_run(rig, tensors, FLAGSHIP_TENSORS);
}

uint64_t flagship_mismatches(const struct pa_problem *problem)
{
    struct pa_golden golden;
    struct failure failure;
    struct pa_comparison comparison;
    enum tg_status status = pa_golden_compute(problem, &golden, &failure);
    CHECK(status == TG_OK, "%s", failure.message);
    pa_golden_compare(problem, &golden, &comparison);
    pa_golden_free(&golden);
    assert_int_equal(comparison.pass, comparison.n_mismatches == 0);
    return comparison.n_mismatches;
}

void flagship_expect_right(const struct rig *rig, const struct pa_problem *problem)
{
    CHECK(rig->status == TG_OK, "%s: %s", tg_status_name(rig->status), rig->message);
    uint64_t n = flagship_mismatches(problem);
    CHECK(n == 0, "%llu elements are wrong", (unsigned long long)n);
}

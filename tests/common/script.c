#include "common/script.h"

#include <stdlib.h>

#include "common/check.h"

void script_init(struct script *script) { memset(script, 0, sizeof *script); }

void script_fini(struct script *script)
{
    free(script->words);
    free(script->data);
    memset(script, 0, sizeof *script);
}

void script_words(struct script *script, size_t n, const int64_t *words)
{
    if (script->n_words + n > script->capacity) {
        script->capacity = 2 * (script->n_words + n) + 256;
        script->words = realloc(script->words, script->capacity * sizeof *script->words);
        assert_non_null(script->words);
    }
    if (n > 0) memcpy(script->words + script->n_words, words, n * sizeof *words);
    script->n_words += n;
}

void script_op(struct script *script, enum script_word op, int64_t operand)
{
    script_words(script, 2, (int64_t[]){op, operand});
}

int script_add(struct script *script, int func_id, enum tg_core_type type, int n_args, const int64_t *args)
{
    script_words(script, 4, (int64_t[]){SCRIPT_ADD, func_id, type, n_args});
    script_words(script, (size_t)n_args, args);
    return script->n_tasks++;
}

int script_describe(struct script *script, int n_parts, int more, bool labelled, int func_id)
{
    const int64_t n_args = 3;
    script_words(script, 7, (int64_t[]){SCRIPT_DESCRIBE, n_parts, more, labelled, func_id, TG_AIV, n_args});
    script_words(script, (size_t)n_args, (int64_t[]){script->n_tasks, 0, 0});
    return script->n_tasks++;
}

int script_visit(struct script *script, enum tg_core_type type, int work, int n, const int *before)
{
    int64_t *args = malloc((3 + (size_t)n) * sizeof *args);
    assert_non_null(args);
    args[0] = script->n_tasks;
    args[1] = work;
    args[2] = n;
    for (int i = 0; i < n; i++) args[3 + i] = before[i];
    int task = script_add(script, type == TG_AIC ? SCRIPT_VISIT_AIC : SCRIPT_VISIT_AIV, type, 3 + n, args);
    free(args);
    return task;
}

int script_hostile(struct script *script, enum tg_core_type type, int64_t act, int64_t word)
{
    return script_add(script, type == TG_AIC ? SCRIPT_HOSTILE_AIC : SCRIPT_HOSTILE_AIV, type, 2,
                      (int64_t[]){act, word});
}

void script_edge(struct script *script, int64_t from, int64_t to)
{
    script_words(script, 3, (int64_t[]){SCRIPT_EDGE, from, to});
    script->n_edges++;
}

void script_publish(struct script *script, int64_t id) { script_op(script, SCRIPT_PUBLISH, id); }

void script_wait(struct script *script, int64_t id) { script_op(script, SCRIPT_WAIT, id); }

void script_expect(struct script *script, int64_t index, int64_t value)
{
    script_words(script, 3, (int64_t[]){SCRIPT_EXPECT, index, value});
}

void script_load(struct rig *rig, enum rig_mode mode)
{
    rig_clear(rig);
    rig_kernel(rig, SCRIPT_VISIT_AIV, TG_AIV, "visit", rig_module("kernel_visit"));
    rig_kernel(rig, SCRIPT_VISIT_AIC, TG_AIC, "visit_cube", rig_module("kernel_visit"));
    rig_kernel(rig, SCRIPT_HOSTILE_AIV, TG_AIV, "hostile", rig_module("hostile_kernel"));
    rig_kernel(rig, SCRIPT_HOSTILE_AIC, TG_AIC, "hostile_cube", rig_module("hostile_kernel"));
    rig_plugin(rig, rig_module("script"), mode == RIG_HOST ? "orchestration_host" : "orchestration");
    rig_set_mode(rig, mode);
}

enum tg_status script_run(struct rig *rig, struct script *script)
{
    script_words(script, 1, (int64_t[]){SCRIPT_END});
    script->n_data = script->n_tasks > 64 ? (size_t)script->n_tasks : 64;
    free(script->data);
    script->data = calloc(script->n_data, sizeof *script->data);
    assert_non_null(script->data);
    const struct tg_tensor tensors[] = {
        {"script", script->words, script->n_words * sizeof *script->words, script->n_words, TG_IN},
        {"data", script->data, script->n_data * sizeof *script->data, script->n_data, TG_INOUT},
    };
    enum tg_status status = rig_run(rig, tensors, 2);
    script->n_words--; /* more may be appended */
    return status;
}

int script_disorder(const struct script *script)
{
    int n = 0;
    for (int task = 0; task < script->n_tasks; task++) n += script->data[task] != 1;
    return n;
}

/* A diamond: 0 -> 1..8 -> 9. */
static void write_diamond(struct script *s)
{
    int middle[8], first = script_visit(s, TG_AIC, 3, 0, NULL);
    script_publish(s, first);
    for (int i = 0; i < 8; i++) {
        middle[i] = script_visit(s, i % 2 ? TG_AIC : TG_AIV, i, 1, &first);
        script_edge(s, first, middle[i]);
        script_publish(s, middle[i]);
    }
    int last = script_visit(s, TG_AIV, 0, 8, middle);
    for (int i = 0; i < 8; i++) script_edge(s, middle[i], last);
    script_publish(s, last);
}

void script_prove(struct rig *rig, enum rig_mode mode)
{
    struct tg_run_config config = rig->config;
    struct script s;
    script_init(&s);
    write_diamond(&s);
    tg_run_config_init(&rig->config);
    script_load(rig, mode);
    script_run(rig, &s);
    CHECK(rig->status == TG_OK, "the next run (%s) fails: %s: %s", rig_mode_names[mode], tg_status_name(rig->status),
          rig->message);
    assert_int_equal(rig->result.n_tasks, 10);
    assert_int_equal(rig->result.n_edges, 16);
    assert_int_equal(script_disorder(&s), 0);
    script_fini(&s);
    rig_clear(rig);
    rig->config = config;
}

/*
 * Sequences of build calls, each made by a plugin in a whole run.
 *
 * The run must end with the status that a plain sequential model of the calls predicts. A successful run has run every
 * task once, after the tasks that it waits for. A failed run has a message and leaves the output as it was. All device
 * memory is released. The figures of a run's record add up.
 */
#include "fuzz.h"
#include "modules/build_calls.h"
#include "session.h"

enum { GM_BYTES = 16 << 20, SMALL_GRAPH_BYTES = 48 * 1024, EDGES_MAX = 8192 };

static struct tg_device *device;
static struct tg_program *programs[2]; /* by enum tg_runtime_kind */
static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct fuzz_kernel kernels[N_FUNCS] = {
        {STAMP_AIC, TG_AIC, "build_stamp"},
        {STAMP_AIV, TG_AIV, "build_stamp"},
        {EMPTY_AIV, TG_AIV, "build_empty"},
        {FAULT_AIV, TG_AIV, "build_fault"},
    };
    (void)argc;
    (void)argv;
    nowhere = fopen("/dev/null", "w");
    FUZZ_CHECK(nowhere, "no /dev/null");
    device = fuzz_open_device(GM_BYTES, false);
    programs[TG_AICPU_BUILD_GRAPH] = fuzz_load(device, kernels, N_FUNCS, "build_plugin", "build");
    programs[TG_HOST_BUILD_GRAPH] = fuzz_load(device, kernels, N_FUNCS, "build_plugin", "build_host");
    return 0;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

struct edge {
    int from, to;
    int next; /* of the same source; -1: none */
};

struct model {
    struct calls calls;
    uint8_t func_ids[TASKS_MAX];
    bool published[TASKS_MAX];
    bool done[TASKS_MAX];       /* it can complete, given what was published so far */
    uint32_t n_left[TASKS_MAX]; /* its unfinished sources, and its publication */
    int successors[TASKS_MAX];  /* first edge; -1: none */
    struct edge edges[EDGES_MAX];
    uint32_t n_tasks, n_edges;
    bool can_wait;  /* tasks run while this graph is built */
    bool may_fault; /* a FAULT task can run */
    enum tg_status status;
};

/* Task `id` waits for one thing less. Those that it lets complete go onto a stack, which is as long as there are
 * tasks. */
static void let_go(struct model *m, int id)
{
    static int stack[TASKS_MAX];
    int n = 0;
    if (--m->n_left[id] == 0) stack[n++] = id;
    while (n > 0) {
        int task = stack[--n];
        if (m->func_ids[task] == FAULT_AIV) {
            m->may_fault = true;
            continue;
        }
        m->done[task] = true;
        for (int e = m->successors[task]; e >= 0; e = m->edges[e].next)
            if (--m->n_left[m->edges[e].to] == 0) stack[n++] = m->edges[e].to;
    }
}

static enum tg_status model_add(struct model *m, const struct call *call)
{
    switch (call->flaw) {
    case ADD_TOO_MANY_ARGS: return TG_ERR_TOO_MANY_ARGS;
    case ADD_NEGATIVE_ARGS:
    case ADD_NULL_ARGS: return TG_ERR_ARGUMENT;
    case ADD_UNKNOWN_FUNC:
    case ADD_WRONG_ADDR: return TG_ERR_UNKNOWN_FUNC;
    case ADD_WRONG_CORE: return TG_ERR_CORE_TYPE;
    case ADD_RIGHT: break;
    }
    uint32_t id = m->n_tasks++;
    m->func_ids[id] = (uint8_t)call->func_id;
    m->published[id] = m->done[id] = false;
    m->n_left[id] = 1;
    m->successors[id] = -1;
    return TG_OK;
}

static bool exists(const struct model *m, int id) { return id >= 0 && (uint32_t)id < m->n_tasks; }

static enum tg_status model_edge(struct model *m, const struct call *call)
{
    if (!exists(m, call->from) || !exists(m, call->to) || call->from == call->to || m->published[call->to])
        return TG_ERR_EDGE;
    struct edge *edge = &m->edges[m->n_edges];
    *edge = (struct edge){call->from, call->to, m->successors[call->from]};
    m->successors[call->from] = (int)m->n_edges++;
    if (!m->done[call->from]) m->n_left[call->to]++;
    return TG_OK;
}

static enum tg_status model_publish(struct model *m, int id)
{
    if (!exists(m, id) || m->published[id]) return TG_ERR_PUBLISH;
    m->published[id] = true;
    let_go(m, id);
    return TG_OK;
}

static enum tg_status model_wait(const struct model *m, int id)
{
    if (!m->can_wait) return TG_ERR_MISUSE;
    if (!exists(m, id)) return TG_ERR_ARGUMENT;
    return m->done[id] ? TG_OK : TG_ERR_DEADLOCK_WAIT;
}

static enum tg_status model_call(struct model *m, const struct call *call)
{
    switch (call->kind) {
    case CALL_ADD: return model_add(m, call);
    case CALL_EDGE: return model_edge(m, call);
    case CALL_PUBLISH: return model_publish(m, call->to);
    case CALL_MALLOC: return call->bytes == 0 ? TG_ERR_ARGUMENT : call->bytes > GM_BYTES ? TG_ERR_DEVICE_MEMORY : TG_OK;
    case CALL_FREE: return call->what == FREE_LIVE || call->what == FREE_NULL ? TG_OK : TG_ERR_GLOBAL_MEMORY;
    case CALL_WAIT: return model_wait(m, call->to);
    case CALL_LABEL: return exists(m, call->to) ? TG_OK : TG_ERR_ARGUMENT;
    case CALL_FAIL: return TG_ERR_ORCHESTRATION;
    case CALL_RETURN: return call->to == 0 ? TG_OK : TG_ERR_ORCHESTRATION;
    }
    return TG_OK;
}

/* The end of the graph without interference: the first task that blocks it. */
static enum tg_status model_end(const struct model *m)
{
    bool unpublished = false, waits = false;
    for (uint32_t id = 0; id < m->n_tasks; id++) {
        unpublished |= !m->published[id];
        waits |= !m->done[id];
    }
    return unpublished ? TG_ERR_DEADLOCK_UNPUBLISHED : waits ? TG_ERR_DEADLOCK_CYCLE : TG_OK;
}

/* Predict m->status: what the builder does wrong first, else what the graph comes to. */
static void model_run(struct model *m, const uint8_t *bytes, size_t n_bytes, const struct tg_run_config *config)
{
    struct call call;
    bool on_host = config->runtime == TG_HOST_BUILD_GRAPH;
    m->n_tasks = m->n_edges = 0;
    m->may_fault = false;
    m->status = TG_OK;
    m->can_wait = !on_host && config->build_mode == TG_BUILD_CONCURRENT;
    calls_begin(&m->calls, bytes, n_bytes);
    while (m->status == TG_OK && m->n_edges < EDGES_MAX && calls_next(&m->calls, &call)) {
        m->status = model_call(m, &call);
        if (call.kind == CALL_RETURN) break;
    }
    for (uint32_t id = 0; on_host && m->status == TG_OK && id < m->n_tasks; id++)
        if (!m->published[id]) (void)model_publish(m, (int)id);
}

/* May the run end so? While tasks run, one that faults may come before the builder's error. */
static bool model_allows(const struct model *m, enum tg_status status, const struct tg_run_config *config)
{
    if (status == TG_ERR_MEMORY && config->graph_bytes > 0) return true;
    if (m->status != TG_OK) return status == m->status || (m->can_wait && m->may_fault && status == TG_ERR_TILE);
    return status == (m->may_fault ? TG_ERR_TILE : model_end(m));
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static uint32_t words[TASKS_MAX + 1]; /* a counter, then a word a task: its turn */
static struct model model;

static void read_config(struct fuzz_input *in, struct tg_run_config *config)
{
    uint8_t code = fuzz_u8(in);
    uint8_t shape = fuzz_u8(in);
    tg_run_config_init(config);
    config->runtime = code & 1 ? TG_HOST_BUILD_GRAPH : TG_AICPU_BUILD_GRAPH;
    config->build_mode = code & 2 ? TG_BUILD_SEQUENTIAL : TG_BUILD_CONCURRENT;
    config->record = code & 4;
    config->graph_bytes = code >= 0xF0 ? SMALL_GRAPH_BYTES : 0;
    config->aicpu_thread_num = 2 + shape % 3;
    config->block_dim = 1 + shape / 3 % 4;
    config->window = shape & 128 ? 1 + fuzz_below(in, 100) : 16384;
    config->schedule_seed = fuzz_u8(in);
}

/* Every task has had its turn, behind those that it waits for. */
static void check_turns(const struct tg_run_result *result)
{
    uint32_t n_stamps = 0;
    for (uint32_t id = 0; id < model.n_tasks; id++) {
        bool stamps = model.func_ids[id] <= STAMP_AIV;
        n_stamps += stamps;
        FUZZ_CHECK(stamps == (words[1 + id] > 0), "task %u had turn %u", id, words[1 + id]);
    }
    FUZZ_CHECK(words[0] == n_stamps, "%u turns of %u tasks", words[0], n_stamps);
    for (uint32_t i = 0; i < model.n_edges; i++) {
        const struct edge *e = &model.edges[i];
        if (model.func_ids[e->from] > STAMP_AIV || model.func_ids[e->to] > STAMP_AIV) continue;
        FUZZ_CHECK(words[1 + e->from] < words[1 + e->to], "task %d ran before task %d", e->to, e->from);
    }
    FUZZ_CHECK(result->n_tasks == model.n_tasks, "%llu tasks", (unsigned long long)result->n_tasks);
    FUZZ_CHECK(result->n_edges == model.n_edges, "%llu edges", (unsigned long long)result->n_edges);
}

/* The analysis of the record. A failed run has a record, too. It is incomplete if the graph found no memory. */
static void look_at_record(const struct tg_run *run, const struct tg_run_result *result,
                           const struct tg_run_config *config)
{
    struct tg_analysis times;
    enum tg_status status = tg_run_analyse(run, &times);
    if (status == TG_ERR_MEMORY && config->graph_bytes > 0) return;
    FUZZ_CHECK(status == TG_OK, "%s", tg_last_message());
    uint64_t sum = 0;
    for (int i = 0; i < TG_BOUNDS; i++) sum += times.bound_ns[i];
    FUZZ_CHECK(sum == times.device_ns && sum == result->device_ns, "%llu ns of %llu", (unsigned long long)sum,
               (unsigned long long)result->device_ns);
    FUZZ_CHECK(times.critical_path_ns <= times.device_ns, "critical path");
    FUZZ_CHECK(times.unlimited_cores_ns <= times.device_ns, "unlimited cores");
    FUZZ_CHECK(times.free_control_ns <= times.device_ns && times.free_memory_ns <= times.device_ns, "what is free");
    FUZZ_CHECK(tg_run_print_summary(run, nowhere) == TG_OK, "%s", tg_last_message());
    FUZZ_CHECK(tg_run_write_trace(run, "/dev/null") == TG_OK, "%s", tg_last_message());
    FUZZ_CHECK(tg_run_write_graph(run, "/dev/null") == TG_OK, "%s", tg_last_message());
    FUZZ_CHECK(tg_run_write_report(run, "/dev/null") == TG_OK, "%s", tg_last_message());
}

static enum tg_status run(const uint8_t *bytes, size_t n_bytes, const struct tg_run_config *config,
                          struct tg_run_result *result)
{
    const struct tg_tensor tensors[] = {
        {"calls", (void *)(uintptr_t)bytes, n_bytes, n_bytes, TG_IN},
        {"words", words, sizeof words, TASKS_MAX + 1, TG_INOUT},
    };
    struct tg_run *run = NULL;
    enum tg_status status = tg_run_open(programs[config->runtime], config, tensors, 2, &run);
    if (status != TG_OK) return status;
    status = tg_run_wait(run);
    char message[2048]; /* what follows may say other things */
    (void)snprintf(message, sizeof message, "%s", tg_last_message());
    tg_run_result(run, result);
    if (config->record) look_at_record(run, result, config);
    tg_run_close(run);
    FUZZ_CHECK(strcmp(message, tg_last_message()) == 0, "calls that succeed change the message to %s",
               tg_last_message());
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    struct tg_run_config config;
    struct tg_run_result result = {0};
    read_config(&in, &config);
    size_t n = (size_t)(in.end - in.at);
    if (n == 0) return -1; /* a tensor has at least a byte */
    model_run(&model, in.at, n, &config);
    if (model.n_edges >= EDGES_MAX) return -1;

    memset(words, 0, sizeof words);
    enum tg_status status = run(in.at, n, &config, &result);
    FUZZ_CHECK(model_allows(&model, status, &config), "%s (%s), the model says %s%s", tg_status_name(status),
               status == TG_OK ? "" : tg_last_message(),
               tg_status_name(model.status == TG_OK ? model_end(&model) : model.status),
               model.may_fault ? ", or a fault" : "");
    fuzz_reached(status == TG_OK ? "" : tg_last_message());
    if (status == TG_OK) check_turns(&result);
    else FUZZ_CHECK(tg_last_message()[0], "no message for %s", tg_status_name(status));
    for (uint32_t i = 0; status != TG_OK && i <= TASKS_MAX; i++) FUZZ_CHECK(words[i] == 0, "word %u was written", i);
    FUZZ_CHECK(tg_device_bytes_in_use(device) == 0, "device memory is in use after the run");
    return 0;
}

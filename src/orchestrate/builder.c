#include "orchestrate/builder.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/sized.h"

static struct tg_builder *of(struct tg_runtime *rt) { return (struct tg_builder *)(void *)rt; }

/* Set the reason why a call may not begin. */
static bool refuse_call(struct tg_builder *b, const char *call)
{
    const char *why = NULL;
    if (b->coro != tg_coro_current()) why = "from another thread of control than the entry function's";
    else if (b->state == TG_BUILDER_CLOSED) why = "outside of the entry function";
    else if (b->state == TG_BUILDER_IN_CALL) why = "from inside another build call";
    if (why) tg_failure_set(b->failure, TG_ERR_MISUSE, "%s is called %s", call, why);
    return false;
}

/* Begin a call. false: it must do nothing, because it is not allowed or the run has failed. */
static inline bool call_begin(struct tg_builder *b, const char *call)
{
    tg_state_clear_flags();
    const bool may = b->coro == tg_coro_current() && b->state == TG_BUILDER_OPEN;
    if (!may || tg_failure_status(b->failure) != TG_OK) return refuse_call(b, call);
    b->state = TG_BUILDER_IN_CALL;
    tg_guard_enter(b->guard);
    return true;
}

static void call_end(struct tg_builder *b)
{
    b->state = TG_BUILDER_OPEN;
    tg_guard_leave(b->guard);
}

bool tg_builder_begin(struct tg_builder *b, const char *call) { return call_begin(b, call); }
void tg_builder_end(struct tg_builder *b) { call_end(b); }

/* A graph or memory call failed: its message becomes the run's. */
static void record(struct tg_builder *b, enum tg_status status)
{
    if (status != TG_OK) tg_failure_set(b->failure, status, "%s", tg_last_message());
}

static void spend(const struct tg_builder *b, enum tg_work work, uint32_t n)
{
    if (b->hooks.spend) b->hooks.spend(b->hooks.context, work, n);
}

static uint64_t now(const struct tg_builder *b) { return b->hooks.now ? b->hooks.now(b->hooks.context) : 0; }

/* ---- tasks ---- */

/* The kernel that a task names, or NULL with the failure set. */
static const struct tg_kernel *choose_kernel(struct tg_builder *b, int func_id, enum tg_core_type core_type,
                                             uint64_t kernel_addr)
{
    const struct tg_kernel *kernel = tg_kernels_at(b->kernels, func_id);
    if (kernel_addr != 0) {
        kernel = NULL;
        for (uint32_t i = 0; i < b->kernels->n && !kernel; i++)
            if (b->kernels->addrs[i] == kernel_addr) kernel = &b->kernels->by_id[i];
    }
    const char *file = b->file ? b->file : "add_task";
    if (!kernel) {
        if (kernel_addr != 0)
            tg_failure_set(b->failure, TG_ERR_UNKNOWN_FUNC, "%s:%d: task %llu: no kernel is at address 0x%llx", file,
                           b->line, (unsigned long long)b->graph->n_added, (unsigned long long)kernel_addr);
        else
            tg_failure_set(b->failure, TG_ERR_UNKNOWN_FUNC, "%s:%d: task %llu: no kernel has func_id %d", file, b->line,
                           (unsigned long long)b->graph->n_added, func_id);
        return NULL;
    }
    if (kernel->core_type == core_type) return kernel;
    tg_failure_set(b->failure, TG_ERR_CORE_TYPE, "%s:%d: task %llu: kernel %s is for %s, the task says %s", file,
                   b->line, (unsigned long long)b->graph->n_added, kernel->name, tg_core_type_name(kernel->core_type),
                   tg_core_type_name(core_type));
    return NULL;
}

static int add_task_unguarded(struct tg_builder *b, const uint64_t *args, int n_args, int func_id,
                              enum tg_core_type core_type, uint64_t kernel_addr)
{
    if (n_args < 0 || n_args > TG_TASK_ARGS_MAX || (n_args > 0 && !args)) {
        tg_failure_set(b->failure, n_args > TG_TASK_ARGS_MAX ? TG_ERR_TOO_MANY_ARGS : TG_ERR_ARGUMENT,
                       "%s:%d: task %llu has %d arguments%s; 0 to %d are possible", b->file ? b->file : "add_task",
                       b->line, (unsigned long long)b->graph->n_added, n_args, args ? "" : " at address 0",
                       TG_TASK_ARGS_MAX);
        return -1;
    }
    if (n_args > 0) spend(b, TG_WORK_ARGUMENT, (uint32_t)n_args);
    const struct tg_kernel *kernel = choose_kernel(b, func_id, core_type, kernel_addr);
    if (!kernel) return -1;
    struct tg_task_spec spec = {
        .args = args,
        .n_args = (uint32_t)n_args,
        .kernel = kernel,
        .file = b->file,
        .line = b->line,
    };
    int32_t id = -1;
    enum tg_status status = tg_graph_add(b->graph, &spec, &id);
    record(b, status);
    if (status != TG_OK) return -1;
    tg_guard_live(b->guard);
    if (b->observers) {
        const struct tg_added added = {
            .task_id = id, .line = b->line, .kernel = kernel->name, .file = b->file, .now_ns = now(b)};
        TG_OBSERVE(b->observers, added, &added);
    }
    return id;
}

/* The sizes of the first version, which is today's. */
static const struct tg_sized sized_task = {"struct tg_task_config", sizeof(struct tg_task_config),
                                           sizeof(struct tg_task_config)};
static const struct tg_sized sized_part = {"struct tg_task_part", sizeof(struct tg_task_part),
                                           sizeof(struct tg_task_part)};

static int add_described_unguarded(struct tg_builder *b, const struct tg_task_config *config)
{
    struct tg_task_config task = {.size = sizeof task};
    struct tg_task_part part;
    enum tg_status status = config ? tg_sized_take(&sized_task, &task, config)
                                   : tg_error(TG_ERR_ARGUMENT, "its description is at address 0");
    if (status == TG_OK && (task.n_parts != 1 || !task.parts))
        status = tg_error(TG_ERR_ARGUMENT, "a task of %u parts%s: in this version a task has 1 part", task.n_parts,
                          task.parts ? "" : " at address 0");
    if (status == TG_OK) status = tg_sized_item(&sized_part, &part, task.parts, task.part_size);
    if (status != TG_OK) {
        tg_failure_set(b->failure, status, "%s:%d: task %llu: %s", b->file ? b->file : "add", b->line,
                       (unsigned long long)b->graph->n_added, tg_last_message());
        return -1;
    }
    const int n_args = task.n_args <= INT_MAX ? (int)task.n_args : INT_MAX;
    const int id = add_task_unguarded(b, task.args, n_args, part.func_id, (enum tg_core_type)part.core_type,
                                      part.kernel_addr);
    if (id >= 0 && task.label) TG_OBSERVE(b->observers, labelled, id, task.label);
    return id;
}

/* A mark holds for one call. Afterwards the mark of the enclosing call holds again, if there is one. */
static void forget_mark(struct tg_builder *b)
{
    b->file = b->outer_file;
    b->line = b->outer_line;
    b->outer_file = NULL;
    b->outer_line = 0;
}

static TG_FORGETS int add_task(struct tg_runtime *rt, const uint64_t *args, int n_args, int func_id,
                               enum tg_core_type core_type, uint64_t kernel_addr)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "add_task")) return -1;
    spend(b, TG_WORK_ADD, 1);
    int id = add_task_unguarded(b, args, n_args, func_id, core_type, kernel_addr);
    forget_mark(b);
    call_end(b);
    return id;
}

static TG_FORGETS int add_described(struct tg_runtime *rt, const struct tg_task_config *config)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "add")) return -1;
    spend(b, TG_WORK_ADD, 1);
    const int id = add_described_unguarded(b, config);
    forget_mark(b);
    call_end(b);
    return id;
}

static TG_FORGETS void add_successor_conditional(struct tg_runtime *rt, int from, int to)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "add_successor_conditional")) return;
    spend(b, TG_WORK_EDGE, 1);
    uint64_t n_waits = b->graph->n_waits;
    enum tg_status status = tg_graph_edge(b->graph, from, to);
    record(b, status);
    if (b->graph->n_waits > n_waits)
        tg_guard_live(b->guard); /* not for edges from complete tasks: they have no limit */
    if (status == TG_OK) TG_OBSERVE(b->observers, edge, from, to);
    call_end(b);
}

static TG_FORGETS void publish_task(struct tg_runtime *rt, int id)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "publish_task")) return;
    spend(b, TG_WORK_PUBLISH, 1);
    struct tg_task *ready = NULL;
    enum tg_status status = tg_graph_publish(b->graph, id, &ready);
    record(b, status);
    if (status == TG_OK) tg_guard_live(b->guard);
    if (status == TG_OK) TG_OBSERVE(b->observers, published, id, now(b));
    if (status == TG_OK) b->hooks.published(b->hooks.context, ready);
    call_end(b);
}

static TG_FORGETS int wait_task(struct tg_runtime *rt, int id)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "wait_task")) return -1;
    bool complete = false;
    if (!b->hooks.wait_task)
        tg_failure_set(b->failure, TG_ERR_MISUSE,
                       "wait_task: no task runs while this graph is built; it needs aicpu_build_graph, concurrent");
    else if (id < 0 || (uint64_t)id >= b->graph->n_added)
        tg_failure_set(b->failure, TG_ERR_ARGUMENT, "wait_task: there is no task %d", id);
    else complete = b->hooks.wait_task(b->hooks.context, id);
    if (complete) TG_OBSERVE(b->observers, waited, id);
    call_end(b);
    return complete ? 0 : -1;
}

/* ---- memory ---- */

static TG_FORGETS void *device_malloc(struct tg_runtime *rt, size_t bytes)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "device_malloc")) return NULL;
    spend(b, TG_WORK_ALLOC, 1);
    uint64_t address = 0, peak = tg_gm_peak(b->gm);
    enum tg_status status = tg_gm_alloc(b->gm, bytes, b->gm_owner, &address);
    if (status != TG_OK) tg_failure_set(b->failure, status, "device_malloc: %s", tg_last_message());
    else TG_OBSERVE(b->observers, allocated, address, bytes, b->file, b->line);
    if (tg_gm_peak(b->gm) > peak) tg_guard_alive(); /* a sign of life, as the peak has a limit */
    forget_mark(b);
    call_end(b);
    return status == TG_OK ? (void *)(uintptr_t)address : NULL;
}

static TG_FORGETS void device_free(struct tg_runtime *rt, void *address)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "device_free")) return;
    enum tg_status status = TG_OK;
    if (address) {
        spend(b, TG_WORK_ALLOC, 1);
        status = tg_gm_free(b->gm, b->gm_owner, (uint64_t)(uintptr_t)address);
    }
    if (status != TG_OK) tg_failure_set(b->failure, status, "device_free: %s", tg_last_message());
    else if (address) TG_OBSERVE(b->observers, freed, (uint64_t)(uintptr_t)address, b->file, b->line);
    forget_mark(b);
    call_end(b);
}

/* ---- words ---- */

static TG_FORGETS void label_task(struct tg_runtime *rt, int id, const char *label)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "label_task")) return;
    if (!label || id < 0 || (uint64_t)id >= b->graph->n_added)
        tg_failure_set(b->failure, TG_ERR_ARGUMENT, "label_task: there is no task %d, or no label", id);
    else TG_OBSERVE(b->observers, labelled, id, label);
    call_end(b);
}

/* Our own copy of a file's name. The plugin's pointer may be invalid; the copy finds that inside the guarded call. */
static const char *intern(struct tg_builder *b, const char *file)
{
    if (!file) return NULL;
    for (int i = 0; i < b->n_files; i++)
        if (b->files[i].theirs == file) return b->files[i].ours;
    if (b->n_files == TG_BUILDER_FILES_MAX) return NULL;
    struct tg_source_file *slot = &b->files[b->n_files];
    snprintf(slot->ours, sizeof slot->ours, "%s", tg_base_name(file));
    slot->theirs = file;
    b->n_files++;
    return slot->ours;
}

static TG_FORGETS void mark(struct tg_runtime *rt, const char *file, int line)
{
    struct tg_builder *b = of(rt);
    if (b->coro != tg_coro_current() || b->state != TG_BUILDER_OPEN) return; /* add_task reports it */
    b->outer_file = b->file;
    b->outer_line = b->line;
    b->file = intern(b, file);
    b->line = line;
}

static TG_FORGETS void fail(struct tg_runtime *rt, const char *format, ...)
{
    struct tg_builder *b = of(rt);
    if (!call_begin(b, "fail")) return;
    va_list args;
    va_start(args, format);
    tg_failure_setv(b->failure, TG_ERR_ORCHESTRATION, format, args);
    va_end(args);
    call_end(b);
}

static const struct tg_task_api task_api = {.size = sizeof task_api, .add = add_described};

void tg_builder_init(struct tg_builder *b, const struct tg_builder_config *config)
{
    memset(b, 0, sizeof *b);
    b->rt.abi = TG_ORCHESTRATION_ABI;
    b->rt.orch_argc = config->orch_argc;
    b->rt.orch_args = config->orch_args;
    b->rt.n_kernel_addrs = (int32_t)config->kernels->n;
    b->rt.kernel_addrs = config->kernels->addrs;
    b->rt.aicpu_build_api = (struct tg_build_api){
        .add_task = add_task,
        .add_successor_conditional = add_successor_conditional,
        .publish_task = publish_task,
        .device_malloc = device_malloc,
        .device_free = device_free,
        .wait_task = wait_task,
        .label_task = label_task,
        .mark = mark,
        .fail = fail,
    };
    b->rt.task_api = &task_api;
    b->graph = config->graph;
    b->kernels = config->kernels;
    b->gm = config->gm;
    b->gm_owner = config->gm_owner;
    b->failure = config->failure;
    b->observers = config->observers;
    b->hooks = config->hooks;
    b->state = TG_BUILDER_CLOSED;
    b->coro = tg_coro_current();
}

/* ---- the entry ---- */

/* ISO C has no cast from object to function pointers. */
static tg_foreign_fn *function_of(void *symbol)
{
    tg_foreign_fn *fn;
    memcpy(&fn, &symbol, sizeof fn);
    return fn;
}

void tg_builder_report(struct tg_builder *b, const char *function_name, const struct tg_guard *how)
{
    char what[128];
    tg_guard_describe(how, what, sizeof what);
    tg_failure_set(b->failure, how->end == TG_GUARD_STUCK ? TG_ERR_PLUGIN_TIMEOUT : TG_ERR_PLUGIN_FAULT,
                   "%s, after %llu tasks were added: %s", function_name, (unsigned long long)b->graph->n_added, what);
}

void tg_builder_run(struct tg_builder *b, const struct tg_module *plugin, const char *function_name,
                    uint64_t *host_args, int n_host_args)
{
    void *view = tg_module_symbol(plugin, "tg_plugin_view"); /* void *view(struct tg_runtime *), or NULL */
    void *entry = tg_module_symbol(plugin, function_name);   /* int entry(void *rt), or with host arguments
                                                                int entry(void *rt, uint64_t *args, int n_args) */
    if (!entry) {
        tg_failure_set(b->failure, TG_ERR_SYMBOL, "orchestration plugin: no function '%s'", function_name);
        return;
    }
    b->coro = tg_coro_current();
    TG_OBSERVE(b->observers, entry_begins, plugin, n_host_args > 0);
    struct tg_guard guard;
    b->guard = &guard;
    b->state = TG_BUILDER_OPEN;
    tg_guard_begin(&guard, plugin->text);
    if (sigsetjmp(guard.jump, 0) == 0) {
        tg_guard_arm(&guard);
        void *rt = &b->rt;
        if (view) {
            tg_guard_foreign(&guard, function_of(view), rt, NULL, 0);
            rt = (void *)(uintptr_t)guard.coro->foreign_result;
        }
        tg_guard_foreign(&guard, function_of(entry), rt, host_args, (uint64_t)n_host_args);
    }
    const enum tg_guard_end end = tg_guard_finish(&guard);
    const int result = (int)guard.coro->foreign_result; /* if it has returned */
    TG_OBSERVE(b->observers, entry_ends, plugin);
    b->state = TG_BUILDER_CLOSED;
    if (end == TG_GUARD_RETURNED) {
        if (result != 0) tg_failure_set(b->failure, TG_ERR_ORCHESTRATION, "%s returned %d", function_name, result);
        return;
    }
    tg_builder_report(b, function_name, &guard);
}

struct tg_plugin *tg_builder_run_embedded(const struct tg_control_launch *launch, const struct tg_builder_hooks *hooks)
{
    const struct tg_launch_data *data = launch->data;
    const struct tg_launch_place *place = launch->place;
    struct tg_builder *b = place->builder;
    enum tg_status status = TG_OK;
    const struct tg_plugin_bytes bytes = {.number = data->plugin_number,
                                          .bytes = tg_launch_part(data, data->plugin_at),
                                          .n_bytes = (size_t)data->plugin_bytes};
    struct tg_plugin *plugin = tg_plugins_take(place->machine, &bytes, &status);
    if (!plugin) {
        tg_failure_set(place->failure, status, "%s", tg_last_message());
        return NULL;
    }
    const struct tg_builder_config config = {
        .graph = place->graph,
        .kernels = place->kernels,
        .gm = &place->machine->gm,
        .gm_owner = place->gm_owner,
        .failure = place->failure,
        .observers = place->machine->observers,
        .orch_args = data->orch_args,
        .orch_argc = (int32_t)data->n_orch_args,
        .hooks = *hooks,
    };
    tg_builder_init(b, &config);
    spend(b, TG_WORK_OPEN, 1);
    tg_builder_run(b, &plugin->module, tg_launch_function_name(data), NULL, 0);
    return plugin;
}

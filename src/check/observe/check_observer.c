#include "check/observe/check_observer.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"
#include "check/core/core_check.h"
#include "check/memory/plain.h"
#include "tile/execute.h"
#include "tile/rules.h"
#include "tile/table.h"

/* A core that has run a checked kernel. */
struct watched_core {
    struct tg_core_check *check; /* owned */
    struct tg_watcher watcher;   /* of the running kernel */
    enum tg_core_type core_type;
    int32_t task_id; /* of the running kernel */
};

struct tg_check_observer {
    struct tg_observer entry;
    struct tg_check *check;
    const struct tg_tile_isa *isa;
    struct tg_watcher builder;
    struct watched_core *cores[TG_CORES_MAX]; /* owned; NULL: it has not run */
};

/* ---- the builder ---- */

static struct tg_memory_check *memory_of(void *context)
{
    struct tg_check_observer *o = context;
    return &o->check->memory;
}

static void added(void *context, const struct tg_added *task)
{
    tg_memory_check_added(memory_of(context), task->task_id, task->kernel, task->file, task->line);
}

static void edge(void *context, int32_t from, int32_t to) { tg_memory_check_edge(memory_of(context), from, to); }

static void published(void *context, int32_t task_id, uint64_t now_ns)
{
    (void)now_ns;
    tg_memory_check_published(memory_of(context), task_id);
}

static void waited(void *context, int32_t task_id) { tg_memory_check_waited(memory_of(context), task_id); }

static void allocated(void *context, uint64_t address, uint64_t bytes, const char *file, int32_t line)
{
    tg_memory_check_allocated(memory_of(context), address, bytes, file, line);
}

static void freed(void *context, uint64_t address, const char *file, int32_t line)
{
    tg_memory_check_freed(memory_of(context), address, file, line);
}

static void entry_begins(void *context, const struct tg_module *plugin, bool on_host)
{
    struct tg_check_observer *o = context;
    o->builder = (struct tg_watcher){
        .check = &o->check->memory, .task_id = TG_BUILDER, .module = plugin, .on_host = on_host};
    tg_plain_listen(plugin, true);
    tg_plain_begin(&o->builder);
}

static void entry_ends(void *context, const struct tg_module *plugin)
{
    (void)plugin;
    struct tg_check_observer *o = context;
    tg_plain_end(&o->builder);
}

/* ---- cores ---- */

/* The running kernel loads or stores device memory without an instruction. */
static void plain_access(void *context, const struct tg_access *access)
{
    const struct watched_core *core = context;
    tg_core_check_plain(core->check, access);
}

static bool kernel_begins(void *context, const struct tg_kernel_begin *begin)
{
    struct tg_check_observer *o = context;
    struct watched_core *core = o->cores[begin->core];
    if (!core) core = o->cores[begin->core] = calloc(1, sizeof *core);
    if (!core) return false;
    if (!core->check) core->check = tg_core_check_open(begin->core_type);
    if (!core->check) return false;
    /* The builder has told of the task, unless memory ran out. */
    const struct tg_memory_check *memory = &o->check->memory;
    const bool known = (size_t)begin->task_id < memory->n_tasks;
    const struct tg_check_task task = {.task_id = begin->task_id,
                                       .kernel = begin->kernel->name,
                                       .file = known ? memory->tasks[begin->task_id].file : NULL,
                                       .line = known ? memory->tasks[begin->task_id].line : 0,
                                       .core = begin->core,
                                       .core_type = begin->core_type};
    core->core_type = begin->core_type;
    core->task_id = begin->task_id;
    tg_core_check_begin(core->check, o->check, &task, begin->contents, begin->facts);
    tg_memory_check_start(&o->check->memory, begin->task_id);
    core->watcher = (struct tg_watcher){
        .check = &o->check->memory,
        .task_id = begin->task_id,
        .core = begin->core,
        .core_type = begin->core_type,
        .module = begin->kernel->module,
        .kernel = begin->kernel->name,
        .args = begin->args,
        .n_args = begin->n_args,
        .args_max = TG_TASK_ARGS_MAX,
        .isa = o->isa,
        .n_isa_bytes = sizeof *o->isa,
        .accessed = plain_access,
        .context = core,
    };
    tg_plain_begin(&core->watcher);
    return true;
}

/* The library reads the instruction's descriptors, wherever they are; bytes without a meaning it does not read. It
 * writes the counts of a merge. */
static void check_descriptors(const struct tg_instr *instr)
{
    const char *op = tg_op_name(instr->op), *file = tg_base_name(instr->file);
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(instr, slot);
        if (!tile) continue;
        tg_plain_operand(tile, offsetof(struct tg_tile, reserved), false, op, file, instr->line);
        tg_plain_operand(&tile->rows, sizeof *tile - offsetof(struct tg_tile, rows), false, op, file, instr->line);
    }
    if (instr->op == TG_OP_TMRGSORT_LISTS && instr->result)
        tg_plain_operand(instr->result, sizeof(struct tg_merge_counts), true, op, file, instr->line);
    const struct tg_global *global = instr->global;
    if (!global) return;
    tg_plain_operand(global, offsetof(struct tg_global, layout) + sizeof global->layout, false, op, file, instr->line);
    tg_plain_operand(global->shape, sizeof *global - offsetof(struct tg_global, shape), false, op, file, instr->line);
}

static void instruction(void *context, uint32_t core, const struct tg_instr *instr, enum tg_pipe pipe,
                        const char *broken)
{
    struct tg_check_observer *o = context;
    check_descriptors(instr);
    if (broken) tg_core_check_broken(o->cores[core]->check, instr, broken);
    else tg_core_check_instr(o->cores[core]->check, instr, pipe);
}

/* The accesses of a transfer to device memory, one for each contiguous run of bytes. */
static bool transfer(void *context, uint32_t number, const struct tg_instr *instr)
{
    struct tg_check_observer *o = context;
    const struct watched_core *core = o->cores[number];
    struct tg_access access = {.write = instr->op == TG_OP_TSTORE,
                               .adds = tg_store_added(instr),
                               .op = tg_op_name(instr->op),
                               .file = tg_base_name(instr->file),
                               .line = instr->line,
                               .core = number,
                               .core_type = core->core_type};
    struct tg_memory_check *memory = &o->check->memory;
    struct tg_run_of_bytes run;
    bool usable = true;
    for (uint32_t i = 0; tg_global_merged_run(instr->global, &i, &run); access.goes_on = true) {
        access.address = run.address;
        access.bytes = run.bytes;
        usable &= tg_memory_check_access(memory, core->task_id, &access);
    }
    return usable;
}

static void kernel_ends(void *context, uint32_t number, bool returned)
{
    struct tg_check_observer *o = context;
    struct watched_core *core = o->cores[number];
    tg_plain_end(&core->watcher);
    if (returned) tg_core_check_end(core->check);
}

/* ---- the observer ---- */

static const struct tg_observer_ops ops = {
    .added = added,
    .edge = edge,
    .published = published,
    .waited = waited,
    .allocated = allocated,
    .freed = freed,
    .entry_begins = entry_begins,
    .entry_ends = entry_ends,
    .kernel_begins = kernel_begins,
    .instruction = instruction,
    .transfer = transfer,
    .kernel_ends = kernel_ends,
};

struct tg_check_observer *tg_check_observer_open(struct tg_check *check, const struct tg_tile_isa *isa)
{
    struct tg_check_observer *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->entry = (struct tg_observer){.ops = &ops, .context = o, .judges = true};
    o->check = check;
    o->isa = isa;
    return o;
}

void tg_check_observer_close(struct tg_check_observer *o)
{
    for (uint32_t i = 0; o && i < TG_CORES_MAX; i++) {
        if (o->cores[i]) tg_core_check_close(o->cores[i]->check);
        free(o->cores[i]);
    }
    free(o);
}

struct tg_observer *tg_check_observer_entry(struct tg_check_observer *o) { return &o->entry; }

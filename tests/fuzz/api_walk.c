#include "api_walk.h"

#include <tilegraph/orchestration.h>
#include <tilegraph/tilegraph.h>

#include "fuzz.h"
#include "modules/api_program.h"

enum {
    DEVICES = 2,
    PROGRAMS = 3,
    PROGRAMS_EVER = 32,
    RUNS = 4,
    BLOCKS = 4,
    GM_BYTES = 1 << 20,
    BYTES = API_ELEMENTS * sizeof(float)
};

struct device {
    struct tg_device *handle; /* NULL: closed */
    bool has_workers;
};

struct program {
    struct tg_program *handle; /* NULL: closed; its runs go on */
    const struct tg_device *device;
    bool has_workers;
    bool has_kernel, has_late_kernel, has_plugin;
    enum tg_runtime_kind runtime; /* that the plugin's entry is for */
};

struct run {
    struct tg_run *handle;
    const struct program *program;
    bool built_without_kernel; /* on the host */
    enum tg_runtime_kind runtime;
    bool keep, record, check, is_compared;
    bool launched, succeeded, cancelled;
    int block;    /* its input is the host's memory, in which block; -1: its own */
    float addend; /* of task 0 */
    float in[API_ELEMENTS], out[API_ELEMENTS];
    struct tg_tensor tensors[2];
};

/* Device memory of the host's. */
struct block {
    uint64_t address; /* 0: none */
    int device;
    float value;
};

static struct {
    const struct api_modules *modules;
    struct fuzz_input in;
    struct api_counts counts;
    struct device devices[DEVICES];
    struct program programs[PROGRAMS_EVER]; /* each once */
    int n_programs;
    struct program *open_programs[PROGRAMS]; /* NULL: none */
    struct run runs[RUNS];
    struct block blocks[BLOCKS];
} walk;

static FILE *nowhere;

static void expect(enum tg_status status, enum tg_status expected, const char *call)
{
    FUZZ_CHECK(status == expected, "%s: %s (%s), the model says %s", call, tg_status_name(status),
               status == TG_OK ? "" : tg_last_message(), tg_status_name(expected));
    FUZZ_CHECK(status == TG_OK || tg_last_message()[0], "%s: no message", call);
}

#define PICK(array, n) (&walk.array[fuzz_below(&walk.in, n)])

/* ---- devices and their memory ---- */

static void open_device(void)
{
    struct device *d = PICK(devices, DEVICES);
    if (d->handle) return;
    struct tg_device_config config;
    tg_device_config_init(&config);
    d->has_workers = fuzz_u8(&walk.in) & 1;
    config.platform = d->has_workers ? "cpu" : "a2a3sim";
    config.workers = d->has_workers ? 2 : 0;
    config.pin = false;
    config.gm_bytes = GM_BYTES;
    expect(tg_device_open(&config, &d->handle), TG_OK, "tg_device_open");
    expect(tg_device_open(NULL, &d->handle), TG_ERR_ARGUMENT, "tg_device_open of nothing");
}

static void close_run(struct run *r)
{
    tg_run_close(r->handle);
    r->handle = NULL;
}

/* Runs whose input is gone are refused by name. */
static void free_block(struct block *b)
{
    struct tg_device *device = walk.devices[b->device].handle;
    expect(tg_device_free(device, b->address), TG_OK, "tg_device_free");
    expect(tg_device_free(device, b->address), TG_ERR_GLOBAL_MEMORY, "tg_device_free again");
    for (int i = 0; i < RUNS; i++) {
        struct run *r = &walk.runs[i];
        if (!r->handle || r->block != b - walk.blocks) continue;
        const enum tg_status refusal = r->cancelled ? TG_ERR_CANCELLED : TG_ERR_GLOBAL_MEMORY;
        if (!r->launched) expect(tg_run_wait(r->handle), refusal, "tg_run_wait without its input");
        else if (r->keep && r->succeeded)
            expect(tg_run_replay(r->handle, NULL, 0), TG_ERR_GLOBAL_MEMORY, "tg_run_replay without its input");
        close_run(r);
    }
    b->address = 0;
}

static void close_device(void)
{
    struct device *d = PICK(devices, DEVICES);
    if (!d->handle) return;
    for (int i = 0; i < BLOCKS; i++)
        if (walk.blocks[i].address && &walk.devices[walk.blocks[i].device] == d) free_block(&walk.blocks[i]);
    tg_device_close(d->handle);
    d->handle = NULL;
}

static void allocate(void)
{
    struct block *b = PICK(blocks, BLOCKS);
    const int device = (int)fuzz_below(&walk.in, DEVICES);
    struct tg_device *handle = walk.devices[device].handle;
    if (!handle) return;
    if (b->address) {
        if (walk.devices[b->device].handle) free_block(b);
        return;
    }
    float values[API_ELEMENTS], back[API_ELEMENTS];
    b->value = (float)fuzz_u8(&walk.in);
    for (int i = 0; i < API_ELEMENTS; i++) values[i] = b->value;
    b->device = device;
    expect(tg_device_malloc(handle, 0, &b->address), TG_ERR_ARGUMENT, "tg_device_malloc of nothing");
    expect(tg_device_malloc(handle, GM_BYTES + 1, &b->address), TG_ERR_DEVICE_MEMORY, "tg_device_malloc of too much");
    expect(tg_device_malloc(handle, BYTES, &b->address), TG_OK, "tg_device_malloc");
    expect(tg_copy_to_device(handle, b->address, values, BYTES), TG_OK, "tg_copy_to_device");
    expect(tg_copy_to_device(handle, b->address + 1, values, BYTES), TG_ERR_GLOBAL_MEMORY, "tg_copy_to_device, beyond");
    expect(tg_copy_from_device(handle, back, b->address, BYTES), TG_OK, "tg_copy_from_device");
    FUZZ_CHECK(memcmp(values, back, BYTES) == 0, "device memory holds something else");
}

/* ---- programs ---- */

static void open_program(void)
{
    struct program **slot = PICK(open_programs, PROGRAMS);
    const struct device *d = PICK(devices, DEVICES);
    if (*slot || !d->handle || walk.n_programs == PROGRAMS_EVER) return;
    struct program *p = *slot = &walk.programs[walk.n_programs++];
    *p = (struct program){.device = d->handle, .has_workers = d->has_workers};
    expect(tg_program_open(d->handle, &p->handle), TG_OK, "tg_program_open");
}

static void close_program(void)
{
    struct program **slot = PICK(open_programs, PROGRAMS);
    if (!*slot) return;
    tg_program_close((*slot)->handle);
    (*slot)->handle = NULL;
    *slot = NULL;
}

static void add_kernel(void)
{
    const struct api_modules *m = walk.modules;
    struct program *p = *PICK(open_programs, PROGRAMS);
    if (!p) return;
    const int kind = (int)fuzz_below(&walk.in, 4);
    const int func_id = kind == 0 ? 65535 : kind == 1 ? 65536 : API_FUNC;
    bool *has = kind == 0 ? &p->has_late_kernel : &p->has_kernel;
    const bool refused = kind == 1 || *has;
    expect(tg_program_add_kernel(p->handle, func_id, TG_AIV, "add", m->kernel, m->n_kernel_bytes),
           refused ? TG_ERR_ARGUMENT : TG_OK, "tg_program_add_kernel");
    if (!refused) *has = true;
}

static void set_orchestration(void)
{
    const struct api_modules *m = walk.modules;
    struct program *p = *PICK(open_programs, PROGRAMS);
    if (!p) return;
    p->runtime = fuzz_u8(&walk.in) & 1 ? TG_HOST_BUILD_GRAPH : TG_AICPU_BUILD_GRAPH;
    expect(tg_program_set_orchestration(p->handle, m->plugin, m->n_plugin_bytes,
                                        p->runtime == TG_HOST_BUILD_GRAPH ? "api_host" : "api"),
           TG_OK, "tg_program_set_orchestration");
    p->has_plugin = true;
}

/* ---- runs ---- */

static void choose_config(struct run *r, const struct program *p, struct tg_run_config *config)
{
    const uint8_t code = fuzz_u8(&walk.in);
    const bool on_device = p->runtime == TG_AICPU_BUILD_GRAPH, has_workers = p->has_workers;
    tg_run_config_init(config);
    config->runtime = r->runtime = p->runtime;
    config->record = r->record = code & 2;
    config->keep = r->keep = on_device && (code & 4);
    config->build_mode = r->keep || (code & 1) ? TG_BUILD_SEQUENTIAL : TG_BUILD_CONCURRENT;
    config->window = code & 8 ? 1 : 16384;
    config->check = r->check = !has_workers && !r->keep && (code & 16);
    config->schedules = !has_workers && !r->keep && (code & 32) ? 3 : 1;
    r->is_compared = config->schedules > 1;
    config->block_dim = 1 + code / 64;
}

static void open_run(void)
{
    struct run *r = PICK(runs, RUNS);
    const struct program *p = *PICK(open_programs, PROGRAMS);
    struct block *b = PICK(blocks, BLOCKS);
    if (r->handle || !p) return;
    struct tg_run_config config;
    *r = (struct run){.program = p, .block = -1, .addend = 1.0f};
    r->built_without_kernel = p->runtime == TG_HOST_BUILD_GRAPH && !p->has_kernel;
    choose_config(r, p, &config);
    for (int i = 0; i < API_ELEMENTS; i++) r->in[i] = (float)i, r->out[i] = -7.0f;
    r->tensors[0] = (struct tg_tensor){"in", r->in, BYTES, API_ELEMENTS, TG_IN};
    r->tensors[1] = (struct tg_tensor){"out", r->out, BYTES, API_ELEMENTS, TG_OUT};
    const bool may_be_resident = p->runtime == TG_AICPU_BUILD_GRAPH && !r->is_compared && !r->check;
    if (may_be_resident && b->address && walk.devices[b->device].handle == p->device && (fuzz_u8(&walk.in) & 1)) {
        r->tensors[0].data = (void *)(uintptr_t)b->address;
        r->tensors[0].direction = TG_RESIDENT;
        r->block = (int)(b - walk.blocks);
    }
    enum tg_status expected = TG_OK;
    if (!p->has_plugin) expected = TG_ERR_ARGUMENT;
    else if (r->built_without_kernel && !r->check) expected = TG_ERR_UNKNOWN_FUNC;
    expect(tg_run_open(p->handle, &config, r->tensors, 2, &r->handle), expected, "tg_run_open");
    FUZZ_CHECK((expected == TG_OK) == (r->handle != NULL), "a failed open gave a run");
}

static enum tg_status end_of(const struct run *r)
{
    if (r->built_without_kernel) return TG_ERR_UNKNOWN_FUNC;
    if (r->cancelled) return TG_ERR_CANCELLED;
    return r->program->has_kernel ? TG_OK : TG_ERR_UNKNOWN_FUNC;
}

static void check_outputs(const struct run *r)
{
    const float first = r->block < 0 ? 0.0f : walk.blocks[r->block].value, step = r->block < 0 ? 1.0f : 0.0f;
    for (int i = 0; i < API_ELEMENTS; i++) {
        const float right = r->succeeded ? first + step * (float)i + r->addend + 1.0f : -7.0f;
        FUZZ_CHECK(r->out[i] == right, "out[%d] is %g, not %g", i, (double)r->out[i], (double)right);
    }
}

static void wait_for_run(struct run *r)
{
    if (r->launched) {
        expect(tg_run_wait(r->handle), TG_ERR_ARGUMENT, "tg_run_wait again");
        return;
    }
    const enum tg_status expected = end_of(r);
    const enum tg_status status = tg_run_wait(r->handle);
    if (status == TG_ERR_CHECK) tg_run_print_findings(r->handle, stderr);
    expect(status, expected, "tg_run_wait");
    r->launched = true;
    r->succeeded = expected == TG_OK;
    if (r->succeeded) walk.counts.n_launches++;
    else walk.counts.n_failed++;
    check_outputs(r);
}

static void replay(struct run *r)
{
    struct tg_argument change = {.task_id = (int32_t)fuzz_below(&walk.in, 5) / 3, .index = API_ADDEND};
    const float addend = (float)fuzz_u8(&walk.in);
    change.value = tg_pack_f32(addend);
    if (change.task_id == 1) change.index = 3;
    if (!r->keep || !r->succeeded || change.task_id != 0) {
        expect(tg_run_replay(r->handle, &change, 1), TG_ERR_ARGUMENT, "tg_run_replay");
        return;
    }
    for (int i = 0; i < API_ELEMENTS; i++) r->out[i] = -7.0f;
    expect(tg_run_replay(r->handle, &change, 1), TG_OK, "tg_run_replay");
    r->addend = addend;
    walk.counts.n_replays++;
    check_outputs(r);
}

static void look(const struct run *r)
{
    struct tg_run_result result;
    struct tg_analysis analysis;
    struct tg_finding finding;
    struct tg_proof proof;
    tg_run_result(r->handle, &result);
    FUZZ_CHECK((result.has_outputs == 1) == r->succeeded, "has_outputs is %u", result.has_outputs);
    FUZZ_CHECK(tg_run_n_findings(r->handle) == 0, "findings of a program that is right");
    tg_run_finding(r->handle, 7, &finding);
    FUZZ_CHECK(finding.what && finding.where && finding.mend, "a text of no finding is NULL");
    tg_run_proof(r->handle, &proof);
    tg_run_print_findings(r->handle, nowhere);
    tg_run_print_proof(r->handle, nowhere);
    const enum tg_status expected = r->record && r->launched ? TG_OK : TG_ERR_ARGUMENT;
    expect(tg_run_analyse(r->handle, &analysis), expected, "tg_run_analyse");
    expect(tg_run_print_summary(r->handle, nowhere), expected, "tg_run_print_summary");
    expect(tg_run_write_trace(r->handle, "/dev/null"), expected, "tg_run_write_trace");
    expect(tg_run_write_graph(r->handle, "/dev/null"), expected, "tg_run_write_graph");
    expect(tg_run_write_report(r->handle, "/dev/null"), expected, "tg_run_write_report");
}

static void use_run(void)
{
    struct run *r = PICK(runs, RUNS);
    const uint32_t what = fuzz_below(&walk.in, 8);
    if (!r->handle) return;
    if (!r->program->handle) walk.counts.n_late++;
    if (what < 3) wait_for_run(r);
    else if (what < 5) replay(r);
    else if (what == 5) look(r);
    else if (what == 6) close_run(r);
    else {
        tg_run_cancel(r->handle);
        if (!r->launched) r->cancelled = true; /* later it has no effect, on replays neither */
    }
}

/* ---- all ---- */

static void step(void)
{
    switch (fuzz_below(&walk.in, 16)) {
    case 0: open_device(); break;
    case 1: close_device(); break;
    case 2: open_program(); break;
    case 3: close_program(); break;
    case 4: add_kernel(); break;
    case 5: set_orchestration(); break;
    case 6: allocate(); break;
    case 7:
    case 8:
    case 9: open_run(); break;
    default: use_run();
    }
}

struct api_counts api_walk(const struct api_modules *modules, const uint8_t *bytes, size_t n_bytes)
{
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    FUZZ_CHECK(nowhere, "no /dev/null");
    memset(&walk, 0, sizeof walk);
    walk.modules = modules;
    walk.in = (struct fuzz_input){bytes, bytes + n_bytes};
    while (!fuzz_is_over(&walk.in)) step();
    for (int i = 0; i < RUNS; i++) close_run(&walk.runs[i]);
    for (int i = 0; i < BLOCKS; i++)
        if (walk.blocks[i].address) free_block(&walk.blocks[i]);
    for (int i = 0; i < DEVICES; i++) {
        const uint64_t in_use = walk.devices[i].handle ? tg_device_bytes_in_use(walk.devices[i].handle) : 0;
        FUZZ_CHECK(in_use == 0, "%llu bytes of device memory are left", (unsigned long long)in_use);
    }
    for (int i = 0; i < DEVICES; i++) tg_device_close(walk.devices[i].handle);
    for (int i = 0; i < walk.n_programs; i++) tg_program_close(walk.programs[i].handle);
    return walk.counts;
}

#include "common/rig.h"

#include <stdlib.h>

#include "common/check.h"

/* Short enough to catch an endless loop soon, long enough for a good kernel on a slow machine. */
enum { LIMIT_MS = 400, SLOW_LIMIT_MS = 4000, GRAPH_BYTES = 256 << 20, SLOW_GRAPH_BYTES = 64 << 20 };

const char *const rig_mode_names[RIG_MODES] = {"concurrent", "sequential", "host"};

void rig_open(struct rig *rig, uint64_t gm_bytes) { rig_open_on(rig, "a2a3sim", gm_bytes); }

static void open_device(struct rig *rig, const char *platform, uint32_t workers, uint64_t gm_bytes)
{
    memset(rig, 0, sizeof *rig);
    const bool slow = TEST_ASAN || TEST_TSAN || TG_TEST_EMULATOR[0];
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = platform;
    config.workers = workers;
    config.gm_bytes = gm_bytes;
    config.catch_faults = true;
    enum tg_status status = tg_device_open(&config, &rig->device);
    CHECK(status == TG_OK, "no device: %s", tg_last_message());
    rig->can_check = strcmp(platform, "a2a3sim") == 0;
    tg_run_config_init(&rig->config);
    rig->config.kernel_limit_ms = slow ? SLOW_LIMIT_MS : LIMIT_MS;
    rig->config.graph_bytes = slow ? SLOW_GRAPH_BYTES : GRAPH_BYTES;
    rig_clear(rig);
}

void rig_open_on(struct rig *rig, const char *platform, uint64_t gm_bytes) { open_device(rig, platform, 0, gm_bytes); }

void rig_open_workers(struct rig *rig, uint32_t workers, uint64_t gm_bytes)
{
    open_device(rig, "cpu", workers, gm_bytes);
}

void rig_clear(struct rig *rig)
{
    tg_program_close(rig->program);
    enum tg_status status = tg_program_open(rig->device, &rig->program);
    CHECK(status == TG_OK, "no program: %s", tg_last_message());
}

void rig_close(struct rig *rig)
{
    tg_program_close(rig->program);
    assert_int_equal(tg_device_bytes_in_use(rig->device), 0);
    tg_device_close(rig->device);
    rig->program = NULL;
    rig->device = NULL;
}

void *rig_read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    CHECK(file, "cannot open %s", path);
    CHECK(fseek(file, 0, SEEK_END) == 0, "%s", path);
    long end = ftell(file);
    CHECK(end >= 0, "%s", path);
    rewind(file);
    void *bytes = malloc((size_t)end + 1);
    assert_non_null(bytes);
    *n_bytes = fread(bytes, 1, (size_t)end, file);
    fclose(file);
    assert_int_equal(*n_bytes, end);
    ((char *)bytes)[end] = '\0';
    return bytes;
}

static enum tg_status keep(struct rig *rig, enum tg_status status)
{
    rig->status = status;
    snprintf(rig->message, sizeof rig->message, "%s", status == TG_OK ? "" : tg_last_message());
    return status;
}

enum tg_status rig_try_kernel(struct rig *rig, int func_id, enum tg_core_type type, const char *name, const char *path)
{
    size_t n_bytes;
    void *bytes = rig_read_file(path, &n_bytes);
    keep(rig, tg_program_add_kernel(rig->program, func_id, type, name, bytes, n_bytes));
    free(bytes);
    return rig->status;
}

enum tg_status rig_try_plugin(struct rig *rig, const char *path, const char *entry)
{
    size_t n_bytes;
    void *bytes = rig_read_file(path, &n_bytes);
    keep(rig, tg_program_set_orchestration(rig->program, bytes, n_bytes, entry));
    free(bytes);
    return rig->status;
}

void rig_kernel(struct rig *rig, int func_id, enum tg_core_type type, const char *name, const char *path)
{
    CHECK(rig_try_kernel(rig, func_id, type, name, path) == TG_OK, "%s: %s", path, rig->message);
}

void rig_plugin(struct rig *rig, const char *path, const char *entry)
{
    CHECK(rig_try_plugin(rig, path, entry) == TG_OK, "%s: %s", path, rig->message);
}

static void keep_findings(struct rig *rig, const struct tg_run *run)
{
    FILE *stream = fmemopen(rig->findings, sizeof rig->findings, "w");
    assert_non_null(stream);
    rig->n_findings = tg_run_n_findings(run);
    tg_run_print_findings(run, stream);
    fclose(stream);
}

static void run_opened(struct rig *rig, struct tg_run *run)
{
    keep(rig, tg_run_wait(run));
    tg_run_result(run, &rig->result);
    keep_findings(rig, run);
    if (rig->trace_path && rig->status == TG_OK) keep(rig, tg_run_write_trace(run, rig->trace_path));
    tg_run_close(run);
}

/* false: it did not open. */
static bool run_once(struct rig *rig, const struct tg_tensor *tensors, size_t n_tensors)
{
    const uint64_t before = tg_device_bytes_in_use(rig->device);
    struct tg_run *run = NULL;
    memset(&rig->result, 0, sizeof rig->result);
    rig->config.record = rig->trace_path != NULL;
    const bool opened = keep(rig, tg_run_open(rig->program, &rig->config, tensors, n_tensors, &run)) == TG_OK;
    if (opened) run_opened(rig, run);
    else assert_null(run);
    CHECK(rig->loses_thread || tg_device_bytes_in_use(rig->device) == before, "%llu bytes are left after %s: %s",
          (unsigned long long)(tg_device_bytes_in_use(rig->device) - before), tg_status_name(rig->status),
          rig->message);
    return opened;
}

/* Copy the outputs of a run from the caller's memory to `kept`, or back. Returns their bytes. NULL: copy nothing. */
static size_t move_outputs(const struct tg_tensor *tensors, size_t n_tensors, uint8_t *kept, bool back)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        const bool output = tensors[i].direction == TG_INOUT || tensors[i].direction == TG_OUT;
        if (!output || !tensors[i].data) continue;
        if (kept && back) memcpy(tensors[i].data, kept + n_bytes, tensors[i].bytes);
        else if (kept) memcpy(kept + n_bytes, tensors[i].data, tensors[i].bytes);
        n_bytes += tensors[i].bytes;
    }
    return n_bytes;
}

/* A checked run refuses what the unchecked run has refused: with the same status, or with findings beside it. One
 * refusal is a finding by itself, so that more may follow: a wait for a flag that is not set. */
static void refuse_checked(struct rig *rig, const struct tg_tensor *tensors, size_t n_tensors, bool opened)
{
    const size_t n_kept = opened ? n_tensors : 0; /* tensors that are refused at opening may have no memory */
    struct rig *unchecked = malloc(sizeof *unchecked);
    uint8_t *outputs = malloc(move_outputs(tensors, n_kept, NULL, false) + 1);
    assert_non_null(unchecked);
    assert_non_null(outputs);
    move_outputs(tensors, n_kept, outputs, false);
    *unchecked = *rig;
    rig->config.check = true;
    run_once(rig, tensors, n_tensors);
    const bool has_both = rig->status == TG_ERR_CHECK && (strstr(rig->message, tg_status_name(unchecked->status)) ||
                                                          strstr(rig->findings, "FLAG_NO_SET"));
    CHECK(rig->status == unchecked->status || has_both, "%s: %s, but checked %s: %s", tg_status_name(unchecked->status),
          unchecked->message, tg_status_name(rig->status), rig->message);
    move_outputs(tensors, n_kept, outputs, true);
    *rig = *unchecked;
    free(outputs);
    free(unchecked);
}

enum tg_status rig_run(struct rig *rig, const struct tg_tensor *tensors, size_t n_tensors)
{
    const bool opened = run_once(rig, tensors, n_tensors);
    if (rig->status != TG_OK && rig->can_check && !rig->config.check && !rig->loses_thread)
        refuse_checked(rig, tensors, n_tensors, opened);
    return rig->status;
}

void rig_expect(const struct rig *rig, enum tg_status status, ...)
{
    CHECK(rig->status == status, "expected %s, got %s: %s", tg_status_name(status), tg_status_name(rig->status),
          rig->message);
    va_list parts;
    va_start(parts, status);
    for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
        CHECK(strstr(rig->message, part), "expected '%s' in '%s'", part, rig->message);
    va_end(parts);
}

void rig_set_mode(struct rig *rig, enum rig_mode mode)
{
    rig->config.runtime = mode == RIG_HOST ? TG_HOST_BUILD_GRAPH : TG_AICPU_BUILD_GRAPH;
    rig->config.build_mode = mode == RIG_CONCURRENT ? TG_BUILD_CONCURRENT : TG_BUILD_SEQUENTIAL;
}

/* Two names may be in use at a time. */
static char *name_buffer(size_t *n_bytes)
{
    static _Thread_local char names[2][1024];
    static _Thread_local int turn;
    turn = !turn;
    *n_bytes = sizeof names[0];
    return names[turn];
}

const char *rig_module(const char *name)
{
    size_t n_bytes;
    char *path = name_buffer(&n_bytes);
    snprintf(path, n_bytes, "%s/%s.so", TG_TEST_MODULE_DIR, name);
    return path;
}

const char *rig_example(const char *example, const char *name)
{
    size_t n_bytes;
    char *path = name_buffer(&n_bytes);
    snprintf(path, n_bytes, "%s/examples/%s/checked/%s.so", TG_TEST_BUILD_DIR, example, name);
    return path;
}

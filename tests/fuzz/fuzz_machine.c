/*
 * Machine files out of bytes, and a small run on each machine that they describe.
 *
 * A file must be refused with a message, or every figure is in its range. A run on each accepted machine computes the
 * same result, in times that add up.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "machine/sim/parameters.h"
#include "session.h"

static char path[64]; /* of a file in memory */
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("machine", 0);
    FUZZ_CHECK(file >= 0, "no file");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

/* Lines out of bytes: a byte from 0x80 up stands for `name = ` of a parameter, which starts a line. */
static void write_lines(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const names[] = {
#define MACHINE_NAME(name, value, least, most, unit, confidence, source) #name,
        TG_MACHINE_PARAMETERS(MACHINE_NAME)
#undef MACHINE_NAME
    };
    FUZZ_CHECK(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0, "the file cannot be emptied");
    for (size_t i = 0; i < n_bytes; i++) {
        int n = bytes[i] < 0x80
                    ? dprintf(file, "%c", bytes[i])
                    : dprintf(file, "\n%s = ", names[(bytes[i] - 0x80u) % (sizeof names / sizeof names[0])]);
        FUZZ_CHECK(n > 0, "the file cannot be written");
    }
}

static void check_figures(const struct tg_sim_machine *machine)
{
#define MACHINE_CHECK(name, value, least, most, unit, confidence, source)                                              \
    FUZZ_CHECK(machine->name >= (least) && machine->name <= (most), #name " = %g", machine->name);
    TG_MACHINE_PARAMETERS(MACHINE_CHECK)
#undef MACHINE_CHECK
}

/* Where the time of a run went is all of its time, and nothing takes longer than the run. */
static void check_times(const struct tg_run *run)
{
    struct tg_run_result result;
    struct tg_analysis times;
    uint64_t sum = 0;
    tg_run_result(run, &result);
    FUZZ_CHECK(tg_run_analyse(run, &times) == TG_OK, "%s", tg_last_message());
    for (int i = 0; i < TG_BOUNDS; i++) sum += times.bound_ns[i];
    FUZZ_CHECK(times.device_ns == result.device_ns, "%llu ns", (unsigned long long)times.device_ns);
    FUZZ_CHECK(sum == times.device_ns, "%llu ns of %llu", (unsigned long long)sum, (unsigned long long)times.device_ns);
    FUZZ_CHECK(times.critical_path_ns <= times.device_ns, "critical path");
    FUZZ_CHECK(times.unlimited_cores_ns <= times.device_ns, "unlimited cores");
    FUZZ_CHECK(times.free_control_ns <= times.device_ns && times.free_memory_ns <= times.device_ns, "what is free");
    FUZZ_CHECK(result.first_start_ns <= result.device_ns, "a task starts after the end");
}

static void run_on(struct tg_device *device)
{
    static const struct fuzz_kernel kernel = {0, TG_AIV, "plain_object"};
    struct tg_program *program = fuzz_load(device, &kernel, 1, "plain_object", "orchestration");
    float out[8] = {0};
    const struct tg_tensor tensor = {"out", out, sizeof out, 8, TG_OUT};
    struct tg_run_config config;
    struct tg_run *run = NULL;
    tg_run_config_init(&config);
    config.block_dim = 1;
    config.record = true;
    FUZZ_CHECK(tg_run_open(program, &config, &tensor, 1, &run) == TG_OK, "%s", tg_last_message());
    FUZZ_CHECK(tg_run_wait(run) == TG_OK, "%s", tg_last_message());
    for (int i = 0; i < 8; i++) FUZZ_CHECK(out[i] == 1.0f, "out[%d] is %g", i, (double)out[i]);
    check_times(run);
    tg_run_close(run);
    tg_program_close(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct tg_sim_machine machine;
    struct tg_device *device = NULL;
    struct tg_device_config config;
    write_lines(bytes, n_bytes);
    tg_device_config_init(&config);
    config.gm_bytes = 1 << 20;
    config.machine_file = path;
    enum tg_status status = tg_device_open(&config, &device);
    if (status != TG_OK) {
        FUZZ_CHECK(status == TG_ERR_ARGUMENT && tg_last_message()[0], "%s", tg_status_name(status));
        return 0;
    }
    FUZZ_CHECK(tg_sim_machine_read(&machine, path) == TG_OK, "%s", tg_last_message());
    check_figures(&machine);
    FUZZ_CHECK(tg_device_blocks(device) == (uint32_t)machine.blocks, "%u blocks", tg_device_blocks(device));
    run_on(device);
    tg_device_close(device);
    return 0;
}

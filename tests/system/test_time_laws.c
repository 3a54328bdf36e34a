/*
 * The laws of predicted time: what has to hold of any graph on any machine, whatever the figures are.
 *
 * Graphs are the flagship's, on shapes that keep all cores busy, and scripts of kernels that take as long as they are told.
 * Some laws hold to the ns; where ready tasks are served first come, first served, a better machine or a task less to wait
 * for may change who comes first, and the whole may end later (R. L. Graham, Bounds on Multiprocessing Timing Anomalies,
 * 1969): there the law is a bound. anomaly_* shows one.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/random.h"
#include "common/script.h"
#include "host/host.h"
#include "platform/sim/machine.h"
#include "trace/analysis.h"

enum { PACE_AIV = 10, PACE_AIC, BUFFERS, DATA_BYTES = 4 << 20, PATH_BYTES = 64 };

static struct rig rig;
static struct tg_run *run; /* the last one, to be looked at */
static char machine_path[PATH_BYTES];

/* ---- a device of given figures, and a run that is kept --------------------------------------------------------------- */

/* Lines of a machine file; "" is the built-in machine. */
static void open_device(const char *machine)
{
    FILE *file = fopen(machine_path, "w");
    assert_non_null(file);
    fputs(machine, file);
    assert_int_equal(fclose(file), 0);
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.gm_bytes = 1ull << 30;
    config.machine_file = machine_path;
    memset(&rig, 0, sizeof rig);
    CHECK(tg_device_open(&config, &rig.device) == TG_OK, "%s", tg_last_message());
    tg_run_config_init(&rig.config);
    rig_clear(&rig);
}

static void close_run(void)
{
    tg_run_close(run);
    run = NULL;
}

static void close_device(void)
{
    close_run();
    rig_close(&rig);
}

/* Returns the device's time. */
static uint64_t launch(const struct tg_tensor *tensors, size_t n_tensors)
{
    close_run();
    rig.config.record = true;
    CHECK(tg_run_open(rig.program, &rig.config, tensors, n_tensors, &run) == TG_OK, "%s", tg_last_message());
    CHECK(tg_run_wait(run) == TG_OK, "%s", tg_last_message());
    return run->record.device_ns;
}

/* ---- programs ------------------------------------------------------------------------------------------------------- */

/* The flagship's: a block a task and several. 24 sequences or more fill every core. */
static const uint32_t ragged[] = {2048, 100, 0, 512, 700, 33, 1024, 256, 1, 900, 450, 1300};
static const struct pa_case cases[] = {
    {"wide", "", {48, 16, 1, 128, 128, PA_BF16}, (const uint32_t[]){512}, 1, 0, 0.1f},
    {"ragged", "", {12, 32, 2, 64, 64, PA_FP16}, ragged, 12, 0, 0.1f},
    {"heavy", "", {8, 128, 1, 128, 128, PA_FP32}, (const uint32_t[]){512}, 1, 0, 0.1f},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };
static const int64_t blocks_per_task[] = {1, 4};
enum { N_BLOCKS = sizeof blocks_per_task / sizeof blocks_per_task[0], N_FLAGSHIPS = N_CASES * N_BLOCKS };

static struct pa_problem problems[N_CASES];

/* Run flagship i, of which the program is loaded. */
static uint64_t run_flagship(int i)
{
    struct pa_problem *problem = &problems[i / N_BLOCKS];
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    problem->config[PA_CONFIG_BLOCKS_PER_TASK] = blocks_per_task[i % N_BLOCKS];
    flagship_tensors(problem, tensors);
    return launch(tensors, FLAGSHIP_TENSORS);
}

static void describe_flagship(int i, char text[64])
{
    snprintf(text, 64, "%s, %d blocks a task", cases[i / N_BLOCKS].name, (int)blocks_per_task[i % N_BLOCKS]);
}

static void load_script(enum rig_mode mode)
{
    script_load(&rig, mode);
    rig_kernel(&rig, PACE_AIV, TG_AIV, "pace", rig_module("kernel_pace"));
    rig_kernel(&rig, PACE_AIC, TG_AIC, "pace_cube", rig_module("kernel_pace"));
    rig_kernel(&rig, BUFFERS, TG_AIV, "buffers", rig_module("kernel_buffers"));
}

/* A task of n instructions: 85 ns each on a vector core, 142 ns on a cube core. */
static int pace(struct script *s, enum tg_core_type type, int64_t n)
{
    return script_add(s, type == TG_AIC ? PACE_AIC : PACE_AIV, type, 2, (int64_t[]){n, type == TG_AIC});
}

static uint64_t run_script(struct script *s)
{
    static uint8_t data[DATA_BYTES];
    memset(data, 0, sizeof data);
    script_words(s, 1, (int64_t[]){SCRIPT_END});
    const struct tg_tensor tensors[] = {
        {"script", s->words, s->n_words * sizeof *s->words, s->n_words, TG_IN},
        {"data", data, sizeof data, sizeof data / 4, TG_INOUT},
    };
    s->n_words--; /* more may be appended */
    return launch(tensors, 2);
}

/* ---- more of something ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
} bandwidths[] = {
#define BANDWIDTH(name) {#name, offsetof(struct tg_sim_machine, name)}
    BANDWIDTH(hbm_rate),       BANDWIDTH(l2_rate),       BANDWIDTH(l2_bytes),       BANDWIDTH(gm_to_l1_rate),
    BANDWIDTH(gm_to_ub_rate),  BANDWIDTH(ub_to_gm_rate), BANDWIDTH(l0c_to_gm_rate), BANDWIDTH(l1_to_l0a_rate),
    BANDWIDTH(l1_to_l0b_rate),
#undef BANDWIDTH
};
enum { N_BANDWIDTHS = sizeof bandwidths / sizeof bandwidths[0] };

static double default_figure(int i)
{
    struct tg_sim_machine machine;
    double value;
    tg_sim_machine_default(&machine);
    memcpy(&value, (const char *)&machine + bandwidths[i].offset, sizeof value);
    return value;
}

static void more_bandwidth_is_not_slower(void **state)
{
    (void)state;
    static const double factors[] = {0.125, 0.5, 1, 2, 8, 64};
    for (int b = 0; b < N_BANDWIDTHS; b++) {
        uint64_t before[N_FLAGSHIPS];
        for (size_t f = 0; f < sizeof factors / sizeof factors[0]; f++) {
            char machine[128], name[64];
            snprintf(machine, sizeof machine, "%s = %.17g\n", bandwidths[b].name, factors[f] * default_figure(b));
            open_device(machine);
            flagship_load(&rig, RIG_CONCURRENT, NULL);
            for (int i = 0; i < N_FLAGSHIPS; i++) {
                uint64_t ns = run_flagship(i);
                describe_flagship(i, name);
                if (f > 0 && ns > before[i]) printf("ANOM %s %s x%g: %llu -> %llu  %+.3f %%\n", bandwidths[b].name, name, factors[f], (unsigned long long)before[i], (unsigned long long)ns, 100.0 * ((double)ns / (double)before[i] - 1));
                else if (f == 0) printf("%s %s %llu\n", bandwidths[b].name, name, (unsigned long long)ns);
                else printf("   %llu\n",  (unsigned long long)ns);
                before[i] = ns;
            }
            close_device();
        }
    }
}

static const char free_control[] = "launch = 0\nhost_graph = 0\nplugin_open = 0\nadd_task = 0\nadd_edge = 0\npublish_task = 0\n"
                                   "device_malloc = 0\nsweep = 1\nread_register = 1\ndispatch = 0\ncomplete = 0\n"
                                   "dispatch_latency = 0\nreceive = 0\ncold_start = 0\nfinish_latency = 1\n";

static void explore(void **state)
{
    (void)state;
    static const char *const machines[] = {"", free_control, "blocks = 48\n"};
    for (int m = 0; m < 3; m++) {
        open_device(machines[m]);
        rig.config.block_dim = tg_device_blocks(rig.device);
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
            flagship_load(&rig, mode, NULL);
            for (int i = 0; i < N_FLAGSHIPS; i++) {
                uint64_t ns = run_flagship(i);
                printf("machine %d mode %d flagship %d: %llu ns tasks %zu\n", m, mode, i, (unsigned long long)ns, run->record.n_tasks);
            }
        }
        close_device();
    }
}

static int make_path(void **state)
{
    (void)state;
    strcpy(machine_path, "/tmp/tg_laws_XXXXXX");
    int file = mkstemp(machine_path);
    if (file < 0) return -1;
    close(file);
    for (int i = 0; i < N_CASES; i++) flagship_draw_case(&problems[i], &cases[i], 42);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) pa_problem_free(&problems[i]);
    return unlink(machine_path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(explore),
    cmocka_unit_test(more_bandwidth_is_not_slower),
};

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

/*
 * Kernels of 64 blocks of 128 tokens beside a published profile of them on the device (V200: bf16, 16 heads, head_dim
 * 128, all cores busy, least and most of 480 tasks in us): alone on the machine they take what the fastest there took,
 * which had the memory to itself, and with all cores busy what is in the range.
 */
#include "common/check.h"
#include "common/flagship.h"
#include "host/host.h"

#define GM_BYTES (1ull << 30)
enum { BLOCKS = 64, BUSY = 48 }; /* sequences: two rounds of all cube cores */

static const struct {
    const char *name;
    double least, most;
} published[] = {{"QK", 43.1, 59.9}, {"softmax", 43.7, 68.3}, {"PV", 32.4, 60.4}, {"update", 1.34, 5.02}};

static struct rig rig;

/* Mean times of the kernels by func_id, us. */
static void run(uint32_t batch, const char *softmax, double mean_us[4])
{
    const char *modules[FLAGSHIP_PARTS] = {NULL};
    const struct pa_case drawn = {
        "profile", "", {batch, 16, 1, 128, 128, PA_BF16}, (const uint32_t[]){BLOCKS * 128}, 1, 0, 0.1f};
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *launch;
    double n[4] = {0};
    modules[FLAGSHIP_SF] = softmax;
    rig_open(&rig, GM_BYTES);
    tg_run_config_init(&rig.config);
    rig.config.record = true;
    flagship_load(&rig, RIG_CONCURRENT, modules);
    flagship_draw_case(&problem, &drawn, 42);
    problem.config[PA_CONFIG_BLOCKS_PER_TASK] = BLOCKS;
    flagship_tensors(&problem, tensors);
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, FLAGSHIP_TENSORS, &launch), TG_OK);
    assert_int_equal(tg_run_wait(launch), TG_OK);
    assert_int_equal(flagship_mismatches(&problem), 0);
    memset(mean_us, 0, 4 * sizeof *mean_us);
    for (size_t i = 0; i < launch->record.n_tasks; i++) {
        const struct tg_record_task *task = &launch->record.tasks[i];
        mean_us[task->func_id] += 1e-3 * (double)(task->end_ns - task->start_ns);
        n[task->func_id]++;
    }
    for (int f = 0; f < 4; f++) mean_us[f] /= n[f];
    tg_run_close(launch);
    pa_problem_free(&problem);
    rig_close(&rig);
}

static void expect_as_fastest(enum flagship_part part, double us, double tolerance)
{
    CHECK(us >= (1 - tolerance) * published[part].least && us <= (1 + tolerance) * published[part].least,
          "%s: %.2f us, the fastest on the device %.2f us", published[part].name, us, published[part].least);
}

static void expect_as_published(enum flagship_part part, double us)
{
    CHECK(us >= 0.99 * published[part].least && us <= published[part].most,
          "%s: %.2f us, on the device %.2f to %.2f us", published[part].name, us, published[part].least,
          published[part].most);
}

/* The published softmax goes block by block, as the plain one does. The store of QK's scores is known to be slow. */
static void alone_they_take_what_the_fastest_took(void **state)
{
    (void)state;
    double us[4];
    run(1, "kernel_plain_softmax", us);
    expect_as_fastest(FLAGSHIP_SF, us[FLAGSHIP_SF], 0.10);
    expect_as_fastest(FLAGSHIP_PV, us[FLAGSHIP_PV], 0.10);
    expect_as_published(FLAGSHIP_QK, us[FLAGSHIP_QK]);
}

static void together_they_take_what_is_in_the_range(void **state)
{
    (void)state;
    double us[4];
    run(BUSY, "kernel_plain_softmax", us);
    expect_as_published(FLAGSHIP_QK, us[FLAGSHIP_QK]);
    expect_as_published(FLAGSHIP_SF, us[FLAGSHIP_SF]);
    expect_as_published(FLAGSHIP_PV, us[FLAGSHIP_PV]);
}

/* The flagship's own softmax has two sets of buffers, and one row maximum for all blocks. */
static void the_own_softmax_is_faster_than_the_plain_one(void **state)
{
    (void)state;
    double own[4], plain[4];
    run(1, NULL, own);
    run(1, "kernel_plain_softmax", plain);
    assert_true(own[FLAGSHIP_SF] < 0.8 * plain[FLAGSHIP_SF]);
    assert_true(own[FLAGSHIP_QK] == plain[FLAGSHIP_QK]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_they_take_what_the_fastest_took),
        cmocka_unit_test(together_they_take_what_is_in_the_range),
        cmocka_unit_test(the_own_softmax_is_faster_than_the_plain_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

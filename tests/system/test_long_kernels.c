/*
 * Kernels that are longer than the lists of the pipes. The virtual device plays a part of the lists and suspends the
 * kernel meanwhile. So memory does not grow with the kernel, and other kernels run in between.
 *
 * The first argument is the number of instructions of a long kernel.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "common/check.h"
#include "common/script.h"
#include "machine/sim/pipes.h"
#include "modules/long.h"

enum { LONG_KERNEL = 4, TASKS = 3, N_DATA = LONG_PLACE * (TASKS + 1), MIB = 1024 };

static struct rig rig;
static uint32_t n_instructions = 1000000;
static float data[N_DATA];

static void load_data(void)
{
    memset(data, 0, sizeof data);
    for (int i = 0; i < LONG_NUMBERS; i++) data[i] = (float)(i + 1);
}

/* Run tasks of so many rounds each, none of which depends on another. */
static void run_tasks(const uint32_t *rounds, int n_tasks, bool checked)
{
    struct script script;
    script_init(&script);
    script_load(&rig, RIG_CONCURRENT);
    rig_kernel(&rig, LONG_KERNEL, TG_AIV, "long", rig_module("kernel_long"));
    for (int i = 0; i < n_tasks; i++)
        script_publish(&script, script_add(&script, LONG_KERNEL, TG_AIV, 2, (int64_t[]){i, rounds[i]}));
    script_words(&script, 1, (int64_t[]){SCRIPT_END});
    load_data();
    const struct tg_tensor tensors[] = {
        {"script", script.words, script.n_words * sizeof *script.words, script.n_words, TG_IN},
        {"data", data, sizeof data, N_DATA, TG_INOUT},
    };
    rig.config.check = checked;
    rig_run(&rig, tensors, 2);
    CHECK(rig.status == TG_OK, "%s%s", rig.message, rig.findings);
    script_fini(&script);
}

static float sum_of(uint32_t rounds)
{
    float sum = 0;
    for (uint32_t round = 0; round < rounds; round += LONG_STRIDE)
        sum += (float)(round / LONG_STRIDE % LONG_NUMBERS + 1);
    return sum;
}

static void check_results(const uint32_t *rounds, int n_tasks)
{
    for (int task = 0; task < n_tasks; task++) {
        const float *results = data + LONG_PLACE * (task + 1);
        for (int i = 0; i < LONG_NUMBERS; i++) CHECK(results[i] == (float)(2 * (i + 1)), "task %d, %d", task, i);
        assert_true(results[LONG_NUMBERS] == sum_of(rounds[task]));
    }
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* docs/checking.md states this memory. */
static void memory_does_not_grow_with_the_kernel(void **state)
{
    (void)state;
    const uint32_t filled[] = {3 * TG_PIPES_BLOCK / LONG_ROUND}, rounds[] = {n_instructions / LONG_ROUND};
    for (int checked = 0; checked < 2; checked++) {
        run_tasks(filled, 1, checked);
        const long before = peak_kib();
        run_tasks(rounds, 1, checked);
        check_results(rounds, 1);
        const long grown = peak_kib() - before;
        if (!TEST_ASAN && !TEST_TSAN) CHECK(grown <= 2 * MIB, "%ld KiB more, checked: %d", grown, checked);
    }
}

/* Each is suspended while the others run, and its plain accesses stay its own. */
static void long_kernels_run_side_by_side(void **state)
{
    (void)state;
    const uint32_t rounds[TASKS] = {3 * TG_PIPES_BLOCK / LONG_ROUND, 4 * TG_PIPES_BLOCK / LONG_ROUND, 10};
    uint64_t device_ns[2];
    for (int checked = 0; checked < 2; checked++) {
        run_tasks(rounds, TASKS, checked);
        check_results(rounds, TASKS);
        assert_int_equal(rig.n_findings, 0);
        device_ns[checked] = rig.result.device_ns;
    }
    assert_int_equal(device_ns[0], device_ns[1]);
}

static int open_device(void **state)
{
    (void)state;
    rig_open(&rig, 1 << 28);
    rig.config.kernel_limit_ms = 60000;
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_not_grow_with_the_kernel),
        cmocka_unit_test(long_kernels_run_side_by_side),
    };
    if (argc > 1) n_instructions = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, open_device, close_device);
}

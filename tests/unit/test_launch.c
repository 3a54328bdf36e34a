/* The arguments of a launch are one block of bytes that can be moved. */
#include "launch/launch.h"

#include <stdlib.h>

#include "common/check.h"

static const uint64_t args[] = {0x1000, 0x2000, 512, 1024, 128};
static const struct tg_argument changes[] = {{3, 1, 0x4000}, {9, 0, 7}};
enum { N_ARGS = sizeof args / sizeof *args };

static struct tg_launch_data *write_block(struct tg_launch_data *old, uint32_t window)
{
    const struct tg_launch_data header = {.n_cores = 6,
                                          .n_threads = 3,
                                          .window = window,
                                          .graph_source = TG_GRAPH_PLUGIN,
                                          .plugin_bytes = 5,
                                          .graph_bytes = 40,
                                          .n_changes = 2,
                                          .n_orch_args = N_ARGS,
                                          .core_type = {TG_AIC, TG_AIV, TG_AIV, TG_AIC, TG_AIV, TG_AIV}};
    const struct tg_launch_parts parts = {args, "build_it", "plug!", changes};
    assert_int_equal(tg_launch_data_write(&old, &header, &parts), TG_OK);
    memset((char *)old + old->graph_at, 0x77, old->graph_bytes);
    return old;
}

static void a_moved_block_says_the_same(void **state)
{
    (void)state;
    struct tg_launch_data *first = write_block(NULL, 5);
    const uint64_t n_bytes = first->n_bytes;
    struct tg_launch_data *moved = malloc(n_bytes);
    assert_non_null(moved);
    memcpy(moved, first, n_bytes);
    memset(first, 0xA5, n_bytes);
    assert_int_equal(tg_launch_data_check(moved, NULL), TG_OK);
    assert_string_equal(tg_launch_function_name(moved), "build_it");
    assert_memory_equal(moved->orch_args, args, sizeof args);
    assert_memory_equal(tg_launch_part(moved, moved->changes_at), changes, sizeof changes);
    assert_memory_equal(tg_launch_part(moved, moved->plugin_at), "plug!", 5);
    assert_int_equal(moved->n_orch_args, N_ARGS);
    assert_int_equal(moved->window, 5);
    assert_true(tg_launch_has_plugin(moved));
    assert_int_equal(tg_control_owner(moved, 0), 1); /* thread 0 builds */
    assert_int_equal(tg_control_owner(moved, 5), 2);
    moved->graph_source = TG_GRAPH_KEPT;
    assert_int_equal(tg_control_owner(moved, 0), 0);
    free(first);
    free(moved);
}

static void the_block_of_the_next_launch_uses_its_memory(void **state)
{
    (void)state;
    struct tg_launch_data *first = write_block(NULL, 5), *second = write_block(first, 9);
    assert_ptr_equal(first, second);
    assert_int_equal(second->window, 9);
    assert_string_equal(tg_launch_function_name(second), "build_it");
    free(second);
}

static void expect_refused(const struct tg_launch_data *data, const struct tg_kernels *kernels, const char *why)
{
    struct tg_launch_place place = {.kernels = kernels};
    struct tg_launch_report report;
    assert_int_equal(tg_launch_carry_out(data, &place, &report), TG_ERR_ABI);
    CHECK(strstr(tg_last_message(), why), "%s", tg_last_message());
    assert_int_equal(report.first_start_ns, UINT64_MAX);
}

static void another_version_is_refused(void **state)
{
    (void)state;
    struct tg_launch_data *data = write_block(NULL, 0);
    data->version = TG_LAUNCH_VERSION + 1;
    expect_refused(data, NULL, "a launch of version 3, this control program reads version 2");
    free(data);
}

static void parts_outside_of_the_block_are_refused(void **state)
{
    (void)state;
    struct tg_launch_data *data = write_block(NULL, 0);
    const struct tg_launch_data good = *data;
    struct {
        uint64_t *at, value;
    } wrong[] = {
        {&data->changes_at, good.n_bytes - 8},
        {&data->changes_at, 0},
        {&data->graph_at, good.n_bytes + 8},
        {&data->graph_at, UINT64_MAX - 7},
        {&data->graph_bytes, good.n_bytes},
        {&data->plugin_bytes, UINT64_MAX},
        {&data->plugin_at, good.n_bytes},
        {&data->function_name_at, good.n_bytes},
        {&data->function_name_at, good.n_bytes - 3},
        {&data->n_bytes, good.n_bytes - 1},
        {&data->n_bytes, 8},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const uint64_t right = *wrong[i].at;
        *wrong[i].at = wrong[i].value;
        expect_refused(data, NULL, "damaged");
        *wrong[i].at = right;
    }
    uint32_t *const numbers[] = {&data->n_changes, &data->n_orch_args, &data->n_threads, &data->n_cores,
                                 &data->graph_source};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const uint32_t right = *numbers[i];
        *numbers[i] = 100000;
        expect_refused(data, NULL, "damaged");
        *numbers[i] = right;
    }
    data->n_threads = 1; /* it builds, and no thread would schedule */
    expect_refused(data, NULL, "damaged");
    data->n_threads = 3;
    assert_int_equal(tg_launch_data_check(data, NULL), TG_OK);
    free(data);
}

static void other_kernels_are_refused(void **state)
{
    (void)state;
    struct tg_launch_data *data = write_block(NULL, 0);
    struct tg_kernels kernels = {0}, swapped = {0};
    const struct tg_kernel one = {.func_id = 1, .name = "one"}, two = {.func_id = 2, .name = "two"};
    tg_kernels_fingerprint(&kernels, &one);
    expect_refused(data, &kernels, "other kernels");
    tg_kernels_fingerprint(&kernels, &two);
    tg_kernels_fingerprint(&swapped, &two);
    tg_kernels_fingerprint(&swapped, &one);
    assert_int_equal(kernels.fingerprint, swapped.fingerprint); /* whichever was registered first */
    data->program = kernels.fingerprint;
    assert_int_equal(tg_launch_data_check(data, &kernels), TG_OK);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moved_block_says_the_same), cmocka_unit_test(the_block_of_the_next_launch_uses_its_memory),
        cmocka_unit_test(another_version_is_refused),  cmocka_unit_test(parts_outside_of_the_block_are_refused),
        cmocka_unit_test(other_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

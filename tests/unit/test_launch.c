/* The arguments of a launch are one block of bytes that can be moved. */
#include "launch/launch.h"

#include <stdlib.h>

#include "common/check.h"

static const uint64_t args[] = {0x1000, 0x2000, 512, 1024, 128};
enum { N_ARGS = sizeof args / sizeof *args };

static struct tg_launch_data *write_block(struct tg_launch_data *old, uint32_t window)
{
    const struct tg_launch_data header = {.n_cores = 6,
                                          .n_threads = 3,
                                          .window = window,
                                          .plugin = 0xABC0,
                                          .plugin_bytes = 77,
                                          .n_orch_args = N_ARGS,
                                          .core_type = {TG_AIC, TG_AIV, TG_AIV, TG_AIC, TG_AIV, TG_AIV}};
    assert_int_equal(tg_launch_data_write(&old, &header, args, "build_it"), TG_OK);
    return old;
}

static void a_moved_block_says_the_same(void **state)
{
    (void)state;
    struct tg_launch_data *first = write_block(NULL, 5);
    const uint32_t n_bytes = first->n_bytes;
    struct tg_launch_data *moved = malloc(n_bytes);
    assert_non_null(moved);
    memcpy(moved, first, n_bytes);
    memset(first, 0xA5, n_bytes);
    assert_int_equal(tg_launch_data_check(moved), TG_OK);
    assert_string_equal(tg_launch_function_name(moved), "build_it");
    assert_memory_equal(moved->orch_args, args, sizeof args);
    assert_int_equal(moved->n_orch_args, N_ARGS);
    assert_int_equal(moved->window, 5);
    assert_true(tg_launch_has_plugin(moved));
    assert_int_equal(tg_control_owner(moved, 0), 1); /* thread 0 builds */
    assert_int_equal(tg_control_owner(moved, 5), 2);
    moved->plugin_bytes = 0;
    assert_int_equal(tg_control_owner(moved, 0), 0);
    free(first);
    free(moved);
}

/* An open plugin may still read the arguments of the launch before. */
static void the_block_of_the_next_launch_keeps_its_place(void **state)
{
    (void)state;
    struct tg_launch_data *first = write_block(NULL, 5), *second = write_block(first, 9);
    assert_ptr_equal(first, second);
    assert_int_equal(second->window, 9);
    assert_string_equal(tg_launch_function_name(second), "build_it");
    free(second);
}

static void another_version_is_refused(void **state)
{
    (void)state;
    struct tg_launch_data *data = write_block(NULL, 0);
    data->version = TG_LAUNCH_VERSION + 1;
    const struct tg_control_launch launch = {.data = data};
    struct tg_control *control = NULL;
    struct tg_workers *workers = NULL;
    assert_int_equal(tg_control_open(&launch, &control), TG_ERR_ABI);
    assert_int_equal(tg_workers_open(&launch, &workers), TG_ERR_ABI);
    assert_non_null(strstr(tg_last_message(), "a launch of version 2, this control program reads version 1"));
    assert_null(control);
    assert_null(workers);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moved_block_says_the_same),
        cmocka_unit_test(the_block_of_the_next_launch_keeps_its_place),
        cmocka_unit_test(another_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

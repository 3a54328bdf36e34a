/*
 * Calls of the public interface in orders that are drawn (fuzz/api_walk.h), on both platforms. A wrong answer ends the
 * process with a word. TG_TEST_SEED chooses other orders; the seed is printed.
 */
#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"
#include "common/rig.h"
#include "file.h"
#include "fuzz/api_walk.h"

static const void *read_module(const char *name, size_t *n_bytes)
{
    struct failure failure = {""};
    void *bytes = NULL;
    char file[64];
    (void)snprintf(file, sizeof file, "%s.so", name);
    CHECK(file_read_in(TG_TEST_MODULE_DIR, file, &bytes, n_bytes, &failure) == TG_OK, "%s", failure.message);
    return bytes;
}

static void any_order_of_calls_is_answered(void **state)
{
    (void)state;
    enum { WALKS = 12, BYTES = 3000 };
    const char *text = getenv("TG_TEST_SEED");
    uint64_t random = text ? strtoull(text, NULL, 10) : 20260707;
    struct api_modules modules;
    struct api_counts all = {0};
    print_message("    seed %llu (TG_TEST_SEED)\n", (unsigned long long)random);
    modules.kernel = read_module("api_kernel", &modules.n_kernel_bytes);
    modules.plugin = read_module("api_plugin", &modules.n_plugin_bytes);
    for (int i = 0; i < WALKS; i++) {
        uint8_t bytes[BYTES];
        for (int k = 0; k < BYTES; k++) bytes[k] = (uint8_t)random_next(&random);
        const struct api_counts counts = api_walk(&modules, bytes, BYTES);
        all.n_launches += counts.n_launches;
        all.n_replays += counts.n_replays;
        all.n_failed += counts.n_failed;
        all.n_late += counts.n_late;
    }
    print_message("    %u launches, %u replays, %u failed, %u uses after a close\n", all.n_launches, all.n_replays,
                  all.n_failed, all.n_late);
    assert_true(all.n_launches > 10 && all.n_replays > 3 && all.n_failed > 10 && all.n_late > 10);
    free((void *)(uintptr_t)modules.kernel);
    free((void *)(uintptr_t)modules.plugin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_of_calls_is_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

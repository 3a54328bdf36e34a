/* Tensors that are in device memory already: used in place on every platform, and refused where that cannot be. */
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"

enum { KEY = 1, VALUE = 2 };

static void open_on(struct rig *rig, const char *platform, struct pa_problem *problem,
                    struct tg_tensor tensors[FLAGSHIP_TENSORS])
{
    rig_open_on(rig, platform, (uint64_t)1 << 30);
    flagship_load(rig, RIG_CONCURRENT, NULL);
    flagship_draw(problem, "ragged", 7);
    flagship_tensors(problem, tensors);
}

/* Put a tensor into memory that is the caller's, not the run's. */
static void make_resident(struct rig *rig, struct tg_tensor *tensor)
{
    uint64_t address;
    assert_int_equal(tg_device_malloc(rig->device, tensor->bytes, &address), TG_OK);
    assert_int_equal(tg_copy_to_device(rig->device, address, tensor->data, tensor->bytes), TG_OK);
    tensor->data = (void *)(uintptr_t)address;
    tensor->direction = TG_RESIDENT;
}

static void a_resident_cache_serves_several_runs(void **state)
{
    (void)state;
    static const char *const platforms[] = {"a2a3sim", "cpu"};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        struct pa_problem problem;
        struct tg_tensor tensors[FLAGSHIP_TENSORS];
        open_on(&rig, platforms[i], &problem, tensors);
        make_resident(&rig, &tensors[KEY]);
        make_resident(&rig, &tensors[VALUE]);
        const uint64_t in_use = tg_device_bytes_in_use(rig.device);
        for (int round = 0; round < 2; round++) {
            memset(problem.out, 0xFF, flagship_out_bytes(&problem));
            assert_int_equal(rig_run(&rig, tensors, FLAGSHIP_TENSORS), TG_OK);
            assert_int_equal(tg_device_bytes_in_use(rig.device), in_use);
            flagship_expect_right(&rig, &problem);
        }
        assert_int_equal(tg_device_free(rig.device, (uint64_t)(uintptr_t)tensors[KEY].data), TG_OK);
        assert_int_equal(tg_device_free(rig.device, (uint64_t)(uintptr_t)tensors[VALUE].data), TG_OK);
        pa_problem_free(&problem);
        rig_close(&rig);
    }
}

static void what_is_not_there_or_cannot_be_used_in_place_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    open_on(&rig, "a2a3sim", &problem, tensors);
    make_resident(&rig, &tensors[KEY]);
    tensors[KEY].bytes += 4096; /* more than was allocated */
    assert_int_equal(rig_run(&rig, tensors, FLAGSHIP_TENSORS), TG_ERR_GLOBAL_MEMORY);
    rig_expect(&rig, TG_ERR_GLOBAL_MEMORY, "key_cache", "not inside one allocation", NULL);
    tensors[KEY].bytes -= 4096;
    rig.config.schedules = 2;
    assert_int_equal(rig_run(&rig, tensors, FLAGSHIP_TENSORS), TG_ERR_ARGUMENT);
    rig.config.schedules = 1;
    rig.config.runtime = TG_HOST_BUILD_GRAPH;
    assert_int_equal(rig_run(&rig, tensors, FLAGSHIP_TENSORS), TG_ERR_ARGUMENT);
    rig_expect(&rig, TG_ERR_ARGUMENT, "key_cache", "resident", NULL);
    assert_int_equal(tg_device_free(rig.device, (uint64_t)(uintptr_t)tensors[KEY].data), TG_OK);
    pa_problem_free(&problem);
    rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_resident_cache_serves_several_runs),
    cmocka_unit_test(what_is_not_there_or_cannot_be_used_in_place_is_refused),
};

CHECK_MAIN(tests)

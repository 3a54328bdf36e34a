/*
 * Kernels of usual programs: right, they have no finding and give the same bytes whatever the order of the pipes; with
 * any one of their lines wrong they have one. Arguments: the name of a program, -v for what is found.
 */
#include <dlfcn.h>
#include <unistd.h>

#include "common/check.h"
#include "common/random.h"
#include "common/script.h"
#include "modules/programs.h"

#define GM_BYTES (64ull << 20)

static struct rig rig;
static uint32_t data[PARTS * PART_WORDS], before[PARTS * PART_WORDS], right_bytes[PARTS * PART_WORDS];
static bool is_loud;

/* Numbers around 0; indices of up to 16 rows; numbers of 16 bits behind the indices. */
static void fill(void)
{
    uint64_t random = 7;
    for (size_t i = 0; i < PARTS * PART_WORDS; i++) {
        const float number = (float)random_below(&random, 2000) / 500 - 2;
        if (i / PART_WORDS == PART_INDEX) before[i] = (uint32_t)random_below(&random, 16);
        else memcpy(&before[i], &number, sizeof number);
        if (i / PART_WORDS == PART_INDEX && i % PART_WORDS >= PART_WORDS / 2) before[i] = 0x3C003C00u;
    }
}

static void run(enum tg_core_type type, size_t program, int line)
{
    struct script script;
    memcpy(data, before, sizeof data);
    script_init(&script);
    script_add(&script, 0, type, 2, (const int64_t[]){(int64_t)program, line});
    script_publish(&script, 0);
    script_op(&script, SCRIPT_RETURN, 0);
    const struct tg_tensor tensors[] = {
        {"script", script.words, script.n_words * sizeof *script.words, script.n_words, TG_IN},
        {"data", data, sizeof data, PARTS * PART_WORDS, TG_INOUT},
    };
    rig_run(&rig, tensors, 2);
    script_fini(&script);
}

static void a_right_program_has_no_finding(enum tg_core_type type, size_t program, const char *name)
{
    rig.config.check = true;
    run(type, program, 0);
    CHECK(rig.status == TG_OK, "%s: %s: %s", name, rig.message, rig.findings);
    memcpy(right_bytes, data, sizeof data);
    rig.config.check = false;
    for (uint32_t order = TG_PIPE_ORDER_PROGRAM; order <= TG_PIPE_ORDER_EARLY; order++) {
        rig.config.pipe_order = order;
        run(type, program, 0);
        CHECK(rig.status == TG_OK, "%s: %s", name, rig.message);
        CHECK(memcmp(right_bytes, data, sizeof data) == 0, "%s: other bytes with order %u of the pipes", name, order);
    }
    rig.config.pipe_order = TG_PIPE_ORDER_PROGRAM;
}

static int wrong_lines_have_findings(enum tg_core_type type, size_t program, const struct program_list *list)
{
    int n_missed = 0;
    rig.config.check = true;
    for (size_t i = 0; i < list->n_sites; i++) {
        if (strcmp(list->sites[i].program, list->names[program]) != 0) continue;
        run(type, program, list->sites[i].line);
        if (is_loud) print_message("%s, line %d: %s\n", list->names[program], list->sites[i].line, rig.findings);
        if (rig.status != TG_OK) continue;
        print_message("    %s with its line %d wrong has no finding\n", list->names[program], list->sites[i].line);
        n_missed++;
    }
    return n_missed;
}

static const char *only;

static void try_all(const char *module, enum tg_core_type type)
{
    const char *path = rig_module(module);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(object, "%s", dlerror());
    struct program_list (*get)(void);
    *(void **)&get = dlsym(object, "programs");
    CHECK(get, "%s", dlerror());
    const struct program_list list = get();
    int n_missed = 0;
    fill();
    rig_open(&rig, GM_BYTES);
    rig_kernel(&rig, 0, type, module, path);
    rig_plugin(&rig, rig_module("script"), "orchestration");
    rig_set_mode(&rig, RIG_CONCURRENT);
    for (size_t i = 0; i < list.n; i++) {
        if (only && strcmp(only, list.names[i]) != 0) continue;
        a_right_program_has_no_finding(type, i, list.names[i]);
        if (strncmp(list.names[i], "plain_", 6) == 0 && skip_without_plain_accesses()) continue;
        n_missed += wrong_lines_have_findings(type, i, &list);
    }
    print_message("    %s: %zu programs, %zu wrong lines\n", module, list.n, list.n_sites);
    assert_int_equal(n_missed, 0);
    rig_close(&rig);
    dlclose(object);
}

static void programs_of_a_vector_core(void **state)
{
    (void)state;
    try_all("kernel_programs_aiv", TG_AIV);
}

static void programs_of_a_cube_core(void **state)
{
    (void)state;
    try_all("kernel_programs_aic", TG_AIC);
}

static void programs_in_cxx(void **state)
{
    (void)state;
    if (access(rig_module("kernel_programs_cxx"), F_OK) != 0) skip(); /* no g++, or a build that cannot check them */
    try_all("kernel_programs_cxx", TG_AIV);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_of_a_vector_core),
                                       cmocka_unit_test(programs_of_a_cube_core), cmocka_unit_test(programs_in_cxx)};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) is_loud = true;
        else only = argv[i];
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

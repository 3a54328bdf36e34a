/* plain.c: plain loads and stores of an object are told to who watches the thread that runs it. */
#include <stdlib.h>

#include <tilegraph/tile.h>

#include "check/memory/plain.h"
#include "common/check.h"
#include "common/rig.h"
#include "modules/touch.h"

static struct tg_finding_list findings;
static struct tg_memory_check check;
static float memory[64]; /* device memory */

static uint64_t address_of(const void *at) { return (uint64_t)(uintptr_t)at; }

static int open_check(void **state)
{
    (void)state;
    memset(&findings, 0, sizeof findings);
    assert_int_equal(tg_memory_check_init(&check, &findings, false), TG_OK);
    tg_memory_check_device(&check, address_of(memory), sizeof memory);
    tg_memory_check_added(&check, 0, "touch", NULL, 0);
    tg_memory_check_allocated(&check, address_of(memory), sizeof memory, NULL, 0);
    tg_memory_check_published(&check, 0);
    tg_memory_check_start(&check, 0);
    return 0;
}

static int close_check(void **state)
{
    (void)state;
    tg_memory_check_fini(&check);
    tg_finding_list_fini(&findings);
    return 0;
}

static void ignore(const struct tg_instr *instr) { (void)instr; }

static void open_module(struct tg_module *module, const char *name)
{
    size_t n_bytes;
    void *bytes = rig_read_file(rig_module(name), &n_bytes);
    assert_int_equal(tg_module_open(module, bytes, n_bytes, name), TG_OK);
    free(bytes);
    /* Instructions are nobody's business here. */
    static const struct tg_tile_isa nothing = {.abi = TG_TILE_ABI, .issue = ignore};
    void *symbol = tg_module_symbol(module, "tg_tile_isa");
    const struct tg_tile_isa *isa = &nothing;
    if (symbol) memcpy(symbol, &isa, sizeof isa);
}

/* Let the kernel do one thing with n words from word `at` on. */
static void touch(const struct tg_module *module, int64_t what, int64_t at, int64_t n)
{
    int64_t args[] = {(int64_t)address_of(memory), 1, what, 4 * at, n};
    void (*entry)(int64_t * args);
    void *symbol = tg_module_symbol(module, "kernel_entry");
    memcpy(&entry, &symbol, sizeof entry);
    entry(args);
}

static tg_who writer_of(size_t word)
{
    uint64_t end;
    return tg_extents_find(&check.extents, address_of(&memory[word]), &end)->writer;
}

static void what_is_watched_is_told(void **state)
{
    (void)state;
    struct tg_module module = {0};
    open_module(&module, "kernel_touch");
    assert_true(tg_plain_tells(&module));
    tg_plain_listen(&module, true);
    struct tg_watcher watcher = {.check = &check, .task_id = 0, .module = &module};
    tg_plain_begin(&watcher);
    touch(&module, TOUCH_PLAIN_STORE, 8, 4);
    touch(&module, TOUCH_PLAIN_LOAD, 8, 4);
    tg_plain_end(&watcher);
    assert_int_equal(findings.n, 0);
    assert_int_equal(writer_of(7), ~0); /* the builder, which allocated it */
    for (size_t i = 8; i < 12; i++) assert_int_equal(writer_of(i), 0);
    assert_int_equal(writer_of(12), ~0);

    tg_plain_begin(&watcher);
    touch(&module, TOUCH_PLAIN_LOAD, 20, 1);
    tg_plain_end(&watcher);
    assert_int_equal(findings.n, 1);
    assert_int_equal(findings.items[0].code, TG_FINDING_GM_UNWRITTEN);
    CHECK(strstr(findings.items[0].what, "a plain load at offset 0x"), "%s", findings.items[0].what);
    tg_module_close(&module);
}

static void what_nobody_watches_or_listens_to_is_not_told(void **state)
{
    (void)state;
    struct tg_module module = {0};
    open_module(&module, "kernel_touch");
    tg_plain_listen(&module, true);
    touch(&module, TOUCH_PLAIN_STORE, 8, 4); /* nobody watches */
    tg_plain_listen(&module, false);
    struct tg_watcher watcher = {.check = &check, .task_id = 0, .module = &module};
    tg_plain_begin(&watcher);
    touch(&module, TOUCH_PLAIN_STORE, 8, 4); /* it does not tell */
    tg_plain_end(&watcher);
    assert_int_equal(writer_of(8), ~0);
    tg_module_close(&module);
}

static void a_watcher_gives_back_the_place_of_the_one_before(void **state)
{
    (void)state;
    struct tg_module module = {0};
    open_module(&module, "kernel_touch");
    tg_plain_listen(&module, true);
    struct tg_watcher builder = {.check = &check, .task_id = TG_BUILDER, .module = &module};
    struct tg_watcher task = {.check = &check, .task_id = 0, .module = &module};
    tg_plain_begin(&builder);
    tg_plain_begin(&task);
    touch(&module, TOUCH_PLAIN_STORE, 8, 1);
    tg_plain_end(&task);
    touch(&module, TOUCH_PLAIN_STORE, 9, 1);
    tg_plain_end(&builder);
    assert_int_equal(writer_of(8), 0);
    assert_true(!tg_who_is_task(writer_of(9)) && writer_of(9) != ~0); /* a later stretch of the builder */
    tg_module_close(&module);
}

static void an_object_that_cannot_tell_is_known(void **state)
{
    (void)state;
    struct tg_module module = {0};
    open_module(&module, "kernel_touch_unseen");
    assert_false(tg_plain_tells(&module));
    tg_plain_listen(&module, true);
    tg_module_close(&module);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (skip_without_plain_accesses()) return 77;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_check, close_check)
        TEST(what_is_watched_is_told),
        TEST(what_nobody_watches_or_listens_to_is_not_told),
        TEST(a_watcher_gives_back_the_place_of_the_one_before),
        TEST(an_object_that_cannot_tell_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* memory_check.c: each wrong access is named with everything that is needed to mend it, and no right one. */
#include <stdlib.h>

#include "base/random.h"
#include "check/memory/memory_check.h"
#include "common/check.h"

enum { BASE = 0x10000, CAPACITY = 0x100000 };

static struct tg_finding_list findings;
static struct tg_memory_check check;

static int open_check(void **state)
{
    (void)state;
    memset(&findings, 0, sizeof findings);
    assert_int_equal(tg_memory_check_init(&check, &findings, false), TG_OK);
    tg_memory_check_device(&check, BASE, CAPACITY);
    return 0;
}

static int close_check(void **state)
{
    (void)state;
    assert_false(check.lost || check.paths.lost || findings.lost);
    tg_memory_check_fini(&check);
    tg_finding_list_fini(&findings);
    return 0;
}

/* ---- what happens ---- */

static void add(int32_t id, int32_t after)
{
    tg_memory_check_added(&check, id, "kern", "plan.c", 100 + id);
    if (after >= 0) tg_memory_check_edge(&check, after, id);
}

static void publish_and_start(int32_t id)
{
    tg_memory_check_published(&check, id);
    tg_memory_check_start(&check, id);
}

static bool touch(int32_t who, bool write, uint64_t address, uint64_t bytes)
{
    const struct tg_access access = {.address = address,
                                     .bytes = bytes,
                                     .write = write,
                                     .op = write ? "TSTORE" : "TLOAD",
                                     .file = "kern.c",
                                     .line = write ? 20 : 10,
                                     .core = 3,
                                     .core_type = TG_AIV};
    return tg_memory_check_access(&check, who, &access);
}

static bool reads(int32_t who, uint64_t address, uint64_t bytes) { return touch(who, false, address, bytes); }
static bool writes(int32_t who, uint64_t address, uint64_t bytes) { return touch(who, true, address, bytes); }

static void tensor(uint64_t address, const char *name, uint64_t bytes, uint32_t direction)
{
    const struct tg_tensor t = {name, &check, bytes, bytes / 4, direction};
    tg_memory_check_tensor(&check, address, &t, 0);
}

/* ---- what is said ---- */

static void nothing_is_found(void) { CHECK(findings.n == 0, "%s", findings.items[0].what); }

/* There is one finding, of this code; its texts contain these. */
static void found(enum tg_finding_code code, const char *what, const char *where, const char *mend)
{
    assert_int_equal(findings.n, 1);
    const struct tg_finding_item *item = &findings.items[0];
    CHECK(item->code == code, "%s: %s", tg_finding_name(item->code), item->what);
    CHECK(strstr(item->what, what), "%s", item->what);
    CHECK(strstr(item->where, where), "%s", item->where);
    CHECK(strstr(item->mend, mend), "%s", item->mend);
}

/* ---- between tasks ---- */

static void ordered_tasks_are_right(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    assert_true(writes(0, BASE, 1024));
    add(1, 0);
    publish_and_start(1);
    assert_true(reads(1, BASE, 512));
    add(2, 0);
    publish_and_start(2);
    assert_true(reads(2, BASE, 1024));
    add(3, 1);
    tg_memory_check_edge(&check, 2, 3);
    publish_and_start(3);
    assert_true(writes(3, BASE, 1024));
    nothing_is_found();
    assert_int_equal(check.n_pairs, 5); /* 0-1, 0-2, 0-3, 1-3, 2-3 */
    assert_int_equal(check.n_unordered, 0);
}

/* The task adds numbers of a type. */
static void adds(int32_t who, enum tg_dtype dtype, uint64_t address, uint64_t bytes)
{
    const struct tg_access access = {.address = address,
                                     .bytes = bytes,
                                     .write = true,
                                     .adds = (uint8_t)(dtype + 1),
                                     .op = "TSTORE",
                                     .file = "kern.c",
                                     .line = 30,
                                     .core = 3,
                                     .core_type = TG_AIV};
    assert_true(tg_memory_check_access(&check, who, &access));
}

static void start_new(int32_t id, int32_t after)
{
    add(id, after);
    publish_and_start(id);
}

static void additions_commute(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    for (int32_t id = 0; id < 3; id++) {
        start_new(id, -1);
        adds(id, TG_INT32, BASE, 512);
    }
    nothing_is_found();
    assert_int_equal(check.n_pairs + check.n_unordered + check.n_sums, 0);
    /* Each of them is held against who reads, and who comes after the reader against the reader alone. */
    add(3, 0);
    tg_memory_check_edge(&check, 1, 3);
    tg_memory_check_edge(&check, 2, 3);
    publish_and_start(3);
    reads(3, BASE + 256, 64);
    start_new(4, 3);
    writes(4, BASE, 1024);
    nothing_is_found();
    assert_int_equal(check.n_pairs, 3 + 4);
}

static void sums_of_floating_point_numbers_are_counted(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    start_new(0, -1);
    adds(0, TG_FP32, BASE, 256);
    adds(0, TG_FP32, BASE, 256); /* its own come in its own order */
    start_new(1, 0);
    adds(1, TG_FP32, BASE, 256);
    assert_int_equal(check.n_sums, 0);
    assert_int_equal(check.n_pairs, 1); /* the edge is needed */
    start_new(2, 0);
    adds(2, TG_FP32, BASE, 512);
    assert_int_equal(check.n_sums, 1);
    assert_int_equal(check.n_unordered, 0);
    nothing_is_found();
}

static void a_sum_is_read_and_written_in_order(void **state)
{
    (void)state;
    static const bool write[] = {false, true};
    for (uint64_t i = 0; i < 2; i++) {
        const int32_t first = 3 * (int32_t)i;
        tensor(BASE + 1024 * i, i ? "two" : "one", 1024, TG_INOUT);
        start_new(first, -1);
        adds(first, TG_FP32, BASE + 1024 * i, 256);
        start_new(first + 1, -1);
        adds(first + 1, TG_FP32, BASE + 1024 * i, 256);
        /* After the last one only. */
        start_new(first + 2, first + 1);
        touch(first + 2, write[i], BASE + 1024 * i, 64);
        assert_int_equal(check.n_unordered, i + 1);
    }
    assert_int_equal(findings.n, 2);
    assert_non_null(
        strstr(findings.items[0].what, "reads (TLOAD at kern.c:10) what task 0 (kern, plan.c:100) adds to"));
    assert_non_null(
        strstr(findings.items[1].what, "writes (TSTORE at kern.c:20) what task 3 (kern, plan.c:103) adds to"));
}

static void additions_wait_for_readers_and_writers(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    start_new(0, -1);
    reads(0, BASE, 64);
    start_new(1, -1);
    adds(1, TG_INT32, BASE, 64);
    start_new(2, -1);
    writes(2, BASE + 512, 64);
    start_new(3, -1);
    adds(3, TG_INT32, BASE + 512, 64);
    assert_int_equal(findings.n, 2);
    assert_non_null(
        strstr(findings.items[0].what, "adds to (TSTORE at kern.c:30) what task 0 (kern, plan.c:100) reads"));
    assert_non_null(
        strstr(findings.items[1].what, "adds to (TSTORE at kern.c:30) what task 2 (kern, plan.c:102) writes"));
}

static void additions_of_two_types_do_not_commute(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    start_new(0, -1);
    adds(0, TG_INT32, BASE, 64);
    start_new(1, -1);
    adds(1, TG_FP32, BASE, 64);
    found(TG_FINDING_TASK_RACE, "adds to (TSTORE at kern.c:30) what task 0 (kern, plan.c:100) adds to", "task 1",
          "an edge from task 0 to task 1");
}

static void what_is_added_to_has_to_be_written(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    start_new(0, -1);
    adds(0, TG_FP32, BASE, 64);
    found(TG_FINDING_GM_UNWRITTEN, "TSTORE at kern.c:30 reads what nobody has written: bytes 0 to 64", "task 0", "");
}

static void memory_that_is_added_to_is_freed_after_all(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    for (int32_t id = 0; id < 2; id++) {
        start_new(id, -1);
        adds(id, TG_INT32, BASE, 64);
    }
    tg_memory_check_waited(&check, 1);
    tg_memory_check_freed(&check, BASE, "plan.c", 9);
    found(TG_FINDING_BUILDER_RACE, "the orchestration frees what task 0 (kern, plan.c:100) adds to", "device_free",
          "wait_task(0)");
}

static void a_missing_edge_is_named(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 1024);
    add(1, -1);
    publish_and_start(1);
    reads(1, BASE + 64, 64);
    found(TG_FINDING_TASK_RACE,
          "task 1 (kern, plan.c:101) reads (TLOAD at kern.c:10) what task 0 (kern, plan.c:100) writes, and no path of "
          "edges orders them: bytes 64 to 128 of device_malloc #1 of the orchestration (1024 bytes, plan.c:5)",
          "task 1 (kern, plan.c:101) on core 3 (AIV)", "an edge from task 0 to task 1");
}

static void a_write_after_a_read_needs_an_edge_too(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    add(0, -1);
    publish_and_start(0);
    reads(0, BASE, 512);
    add(1, -1);
    publish_and_start(1);
    writes(1, BASE, 1024);
    found(TG_FINDING_TASK_RACE, "writes (TSTORE at kern.c:20) what task 0 (kern, plan.c:100) reads, and no", "task 1",
          "an edge from task 0 to task 1");
    assert_non_null(strstr(findings.items[0].what, "bytes 0 to 512 of acc (elements 0 to 128)"));
}

static void the_same_again_is_counted(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    for (int32_t id = 0; id < 3; id++) {
        tg_memory_check_added(&check, id, "kern", "plan.c", 7);
        publish_and_start(id);
        writes(id, BASE, 64);
    }
    found(TG_FINDING_TASK_RACE, "writes", "task 1", "edge");
    assert_int_equal(findings.items[0].count, 2);
    assert_int_equal(check.n_unordered, 2);
}

static void tasks_that_share_no_byte_need_no_edge(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    for (int32_t id = 0; id < 8; id++) {
        add(id, -1);
        publish_and_start(id);
        writes(id, BASE + 128 * (uint64_t)id, 128);
        reads(id, BASE + 128 * (uint64_t)id, 128);
    }
    nothing_is_found();
    assert_int_equal(check.n_pairs, 0);
}

/* ---- the builder ---- */

static void the_builder_reads_what_it_has_waited_for(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 64);
    tg_memory_check_waited(&check, 0);
    reads(TG_BUILDER, BASE, 64);
    nothing_is_found();
    add(1, -1);
    publish_and_start(1);
    writes(1, BASE, 64); /* after the wait, and after the builder's read */
    nothing_is_found();
    reads(TG_BUILDER, BASE, 4);
    found(TG_FINDING_BUILDER_RACE, "the orchestration reads (TLOAD at kern.c:10) what task 1 (kern, plan.c:101) writes",
          "the orchestration", "wait_task(1)");
}

static void the_builder_writes_before_it_publishes(void **state)
{
    (void)state;
    tensor(BASE, "acc", 1024, TG_INOUT);
    add(0, -1);
    writes(TG_BUILDER, BASE, 64);
    tg_memory_check_published(&check, 0);
    writes(TG_BUILDER, BASE + 64, 64);
    tg_memory_check_start(&check, 0);
    reads(0, BASE, 64);
    nothing_is_found();
    reads(0, BASE, 128);
    found(TG_FINDING_BUILDER_RACE, "task 0 (kern, plan.c:100) reads (TLOAD at kern.c:10) what the orchestration writes",
          "task 0", "before task 0, or one that it waits for, is published");
}

static void memory_is_freed_when_its_users_have_been_waited_for(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 64);
    tg_memory_check_waited(&check, 0);
    tg_memory_check_freed(&check, BASE, NULL, 0);
    tg_memory_check_allocated(&check, BASE, 512, "plan.c", 6);
    add(1, -1);
    publish_and_start(1);
    writes(1, BASE, 64);
    nothing_is_found();
    tg_memory_check_freed(&check, BASE, NULL, 0);
    found(TG_FINDING_BUILDER_RACE, "the orchestration frees what task 1 (kern, plan.c:101) writes", "device_free",
          "wait_task(1)");
}

/* ---- device memory ---- */

static void outside_of_an_allocation(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1000, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    assert_false(writes(0, BASE + 992, 64));
    found(TG_FINDING_GM_OUTSIDE,
          "TSTORE at kern.c:20 writes bytes 0x103e8 to 0x10420, which are not inside an "
          "allocation of device memory, 0 bytes behind the end of device_malloc #1",
          "task 0", "check the address");
    assert_true(writes(0, BASE, 1000));
    assert_int_equal(findings.n, 1);
}

static void far_from_any_allocation(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    assert_false(reads(0, BASE + 2048, 64));
    found(TG_FINDING_GM_OUTSIDE,
          "bytes 0x10800 to 0x10840, which are not inside an allocation of device memory, 1024 "
          "bytes behind the end of device_malloc #1",
          "task 0", "check the address");
}

static void an_address_that_nothing_has(void **state)
{
    (void)state;
    add(0, -1);
    publish_and_start(0);
    assert_false(reads(0, UINT64_MAX - 63, 64));
    assert_false(reads(0, UINT64_MAX - 3, 64));
    assert_false(reads(0, 0, 64));
    found(TG_FINDING_GM_OUTSIDE, "no device memory", "task 0", "check the address");
}

static void an_address_of_the_host(void **state)
{
    (void)state;
    static uint32_t host[64];
    add(0, -1);
    publish_and_start(0);
    assert_false(reads(0, (uint64_t)(uintptr_t)host, sizeof host));
    found(TG_FINDING_GM_HOST_ADDRESS, "which are memory of the host", "task 0", "the address that device_malloc");
}

static void use_after_free_says_who_freed(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    tg_memory_check_published(&check, 0);
    tg_memory_check_freed(&check, BASE, "plan.c", 9);
    tg_memory_check_start(&check, 0);
    assert_false(writes(0, BASE + 32, 64));
    found(TG_FINDING_GM_FREED,
          "bytes 32 to 96 of device_malloc #1 of the orchestration (1024 bytes, plan.c:5), which "
          "the orchestration has freed at plan.c:9",
          "task 0", "free it when");
}

static void what_nobody_has_written(void **state)
{
    (void)state;
    tg_memory_check_allocated(&check, BASE, 1024, "plan.c", 5);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 100);
    assert_true(reads(0, BASE, 100));
    nothing_is_found();
    assert_true(reads(0, BASE, 104));
    found(TG_FINDING_GM_UNWRITTEN,
          "TLOAD at kern.c:10 reads what nobody has written: bytes 100 to 104 of device_malloc", "task 0",
          "let a task that comes before write it");
}

static void a_tensor_holds_what_its_direction_says(void **state)
{
    (void)state;
    tensor(BASE, "in", 64, TG_IN);
    tensor(BASE + 512, "inout", 64, TG_INOUT);
    tensor(BASE + 1024, "out", 64, TG_OUT);
    add(0, -1);
    publish_and_start(0);
    reads(0, BASE, 64);
    reads(0, BASE + 512, 64);
    nothing_is_found();
    reads(0, BASE + 1024, 64);
    found(TG_FINDING_GM_UNWRITTEN, "bytes 0 to 64 of out", "task 0", "");
}

static void an_output_that_is_not_complete(void **state)
{
    (void)state;
    tensor(BASE, "out", 1024, TG_OUT);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 512);
    writes(0, BASE + 768, 128);
    tg_memory_check_output(&check, BASE, 1024);
    found(TG_FINDING_OUTPUT_UNWRITTEN,
          "384 of the 1024 bytes that are copied back were never written, the first are bytes 512 to 768 of out "
          "(elements 128 to 192)",
          "the end of the run", "add the task");
}

static void an_output_that_is_complete(void **state)
{
    (void)state;
    tensor(BASE, "out", 1024, TG_OUT);
    add(0, -1);
    publish_and_start(0);
    for (uint64_t i = 0; i < 16; i++) writes(0, BASE + 64 * i, 64);
    tg_memory_check_output(&check, BASE, 1024);
    nothing_is_found();
}

/* ---- what the host declares ---- */

static void what_the_host_declares_to_be_undefined(void **state)
{
    (void)state;
    const struct tg_declared declared[] = {{0, TG_UNDEFINED, 16, 48, "behind the end of row 0"}};
    tg_memory_check_declare(&check, declared, 1);
    tensor(BASE, "table", 64, TG_IN);
    add(0, -1);
    publish_and_start(0);
    reads(0, BASE, 16);
    nothing_is_found();
    reads(0, BASE + 20, 4);
    found(TG_FINDING_GM_UNWRITTEN, "bytes 20 to 24 of table (elements 5 to 6): behind the end of row 0", "task 0",
          "read only what the host says is there");
}

static void what_the_host_declares_to_be_read_only(void **state)
{
    (void)state;
    const struct tg_declared declared[] = {{0, TG_READ_ONLY, 32, 32, "block 1, of sequences 0 and 2"}};
    tg_memory_check_declare(&check, declared, 1);
    tensor(BASE, "cache", 64, TG_INOUT);
    add(0, -1);
    publish_and_start(0);
    writes(0, BASE, 32);
    reads(0, BASE, 64);
    nothing_is_found();
    writes(0, BASE + 32, 4);
    found(TG_FINDING_GM_READ_ONLY, "bytes 32 to 36 of cache (elements 8 to 9): block 1, of sequences 0 and 2", "task 0",
          "one user alone");
}

static void copies_of_a_builder_on_the_host(void **state)
{
    (void)state;
    const struct tg_tensor in = {"in", &check, 64, 16, TG_IN}, out = {"out", &check, 64, 16, TG_OUT};
    const struct tg_declared declared[] = {{0, TG_UNDEFINED, 60, 4, NULL}};
    tg_memory_check_declare(&check, declared, 1);
    tg_memory_check_allocated(&check, BASE, 64, "plan.c", 5);
    tg_memory_check_allocated(&check, BASE + 512, 64, "plan.c", 6);
    tg_memory_check_allocated(&check, BASE + 1024, 64, "plan.c", 7);
    tg_memory_check_copied(&check, BASE, 64, &in, 0, 0);
    tg_memory_check_copied(&check, BASE + 512, 64, &out, 1, 0);
    tg_memory_check_copied(&check, BASE + 1024, 64, NULL, 0, 0);
    add(0, -1);
    publish_and_start(0);
    reads(0, BASE, 60);
    reads(0, BASE + 1024, 64);
    nothing_is_found();
    reads(0, BASE, 64);
    found(TG_FINDING_GM_UNWRITTEN, "bytes 60 to 64 of in (elements 15 to 16)", "task 0", "");
    tg_memory_check_output(&check, BASE + 512, 64);
    assert_int_equal(findings.n, 2);
    assert_non_null(strstr(findings.items[1].what, "64 of the 64 bytes that are copied back"));
    assert_non_null(strstr(findings.items[1].what, "of out"));
}

/* ---- against all pairs ---- */

enum { N_TASKS = 60, N_WORDS = 60, ACCESSES = 2 };

/* A random graph in which task i starts as the i-th: is there a conflict without a path, and does the check say so? */
static void compare_with_all_pairs(uint64_t seed, int *n_racy)
{
    static uint8_t before[N_TASKS][N_TASKS];
    static uint8_t read[N_TASKS][N_WORDS], written[N_TASKS][N_WORDS];
    memset(before, 0, sizeof before);
    memset(read, 0, sizeof read);
    memset(written, 0, sizeof written);
    uint64_t random = seed;
    uint32_t n_edges = 1 + (uint32_t)(seed % 12), n_tasks = 4 + tg_random_below(&random, seed % 2 ? 12 : N_TASKS - 4);
    close_check(NULL);
    open_check(NULL);
    tensor(BASE, "data", 4 * N_WORDS, TG_INOUT);
    for (uint32_t id = 0; id < n_tasks; id++) {
        add((int32_t)id, -1);
        for (uint32_t e = 0; e < n_edges && id > 0; e++) {
            uint32_t from = tg_random_below(&random, id);
            tg_memory_check_edge(&check, (int32_t)from, (int32_t)id);
            before[from][id] = 1;
            for (uint32_t i = 0; i < id; i++) before[i][id] |= before[i][from];
        }
        publish_and_start((int32_t)id);
        for (int a = 0; a < ACCESSES; a++) {
            uint32_t word = tg_random_below(&random, N_WORDS), n = 1 + tg_random_below(&random, 4);
            bool write = tg_random_below(&random, 4) == 0;
            for (uint32_t w = word; w < word + n && w < N_WORDS; w++) {
                touch((int32_t)id, write, BASE + 4 * w, 4);
                (write ? written : read)[id][w] = 1;
            }
        }
    }
    bool racy = false;
    for (uint32_t a = 0; a < n_tasks; a++)
        for (uint32_t b = a + 1; b < n_tasks; b++)
            for (uint32_t w = 0; w < N_WORDS; w++)
                racy |= !before[a][b] &&
                        ((written[a][w] && (written[b][w] || read[b][w])) || (read[a][w] && written[b][w]));
    CHECK((check.n_unordered > 0) == racy, "seed %llu: %d", (unsigned long long)seed, racy);
    CHECK((findings.n > 0) == racy, "seed %llu", (unsigned long long)seed);
    *n_racy += racy;
}

static void random_graphs_are_judged_as_all_pairs_are(void **state)
{
    (void)state;
    enum { GRAPHS = 1200 };
    int n_racy = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) compare_with_all_pairs(seed, &n_racy);
    CHECK(n_racy > GRAPHS / 10 && n_racy < GRAPHS * 9 / 10, "%d of %d", n_racy, GRAPHS);
}

/* One accumulator, updated very often: nothing grows but the notes of the tasks. */
static void a_long_chain_of_updates(void **state)
{
    (void)state;
    enum { UPDATES = 250000 };
    tensor(BASE, "acc", 1024, TG_INOUT);
    for (int32_t id = 0; id < UPDATES; id++) {
        add(id, id - 1);
        publish_and_start(id);
        reads(id, BASE, 1024);
        writes(id, BASE, 1024);
    }
    nothing_is_found();
    assert_int_equal(check.n_pairs, UPDATES - 1);
    assert_int_equal(check.extents.n_extents, 3);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_check, close_check)
        TEST(ordered_tasks_are_right),
        TEST(additions_commute),
        TEST(sums_of_floating_point_numbers_are_counted),
        TEST(a_sum_is_read_and_written_in_order),
        TEST(additions_wait_for_readers_and_writers),
        TEST(additions_of_two_types_do_not_commute),
        TEST(what_is_added_to_has_to_be_written),
        TEST(memory_that_is_added_to_is_freed_after_all),
        TEST(a_missing_edge_is_named),
        TEST(a_write_after_a_read_needs_an_edge_too),
        TEST(the_same_again_is_counted),
        TEST(tasks_that_share_no_byte_need_no_edge),
        TEST(the_builder_reads_what_it_has_waited_for),
        TEST(the_builder_writes_before_it_publishes),
        TEST(memory_is_freed_when_its_users_have_been_waited_for),
        TEST(outside_of_an_allocation),
        TEST(far_from_any_allocation),
        TEST(an_address_that_nothing_has),
        TEST(an_address_of_the_host),
        TEST(use_after_free_says_who_freed),
        TEST(what_nobody_has_written),
        TEST(a_tensor_holds_what_its_direction_says),
        TEST(an_output_that_is_not_complete),
        TEST(an_output_that_is_complete),
        TEST(what_the_host_declares_to_be_undefined),
        TEST(what_the_host_declares_to_be_read_only),
        TEST(copies_of_a_builder_on_the_host),
        TEST(random_graphs_are_judged_as_all_pairs_are),
        TEST(a_long_chain_of_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* memory_left.c: the least of what computer, control groups and address space leave. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/check.h"
#include "memory_left.h"

static char root[] = "/tmp/test_memory_left.XXXXXX";

/* Write the file `name` below the root, and the folders that lead to it. */
static void put(const char *name, const char *text)
{
    char path[256];
    const int n_root = snprintf(path, sizeof path, "%s/%s", root, name);
    assert_true(n_root > 0);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_left(uint64_t bytes, const char *by)
{
    char proc[128], cgroup[128];
    snprintf(proc, sizeof proc, "%s/proc", root);
    snprintf(cgroup, sizeof cgroup, "%s/cgroup", root);
    const struct memory_left left = memory_left_at(proc, cgroup);
    CHECK(left.bytes == bytes && strstr(left.by, by), "%llu, %s", (unsigned long long)left.bytes, left.by);
}

static void the_least_counts(void **state)
{
    (void)state;
    put("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:   4000 kB\nSwapFree:  96 kB\n");
    expect_left(UINT64_C(4096) * 1024, "this computer");

    put("proc/self/cgroup", "0::/a/b\n");
    put("cgroup/a/b/memory.max", "max\n");
    put("cgroup/a/b/memory.current", "100000\n");
    expect_left(UINT64_C(4096) * 1024, "this computer");
    put("cgroup/a/memory.max", "1000000\n"); /* of the group above */
    put("cgroup/a/memory.current", "400000\n");
    expect_left(600000, "control group");
    put("cgroup/a/memory.stat", "anon 350000\ninactive_file 50000\n");
    expect_left(650000, "control group");
    put("cgroup/a/b/memory.max", "90000\n"); /* more is taken than it may have */
    expect_left(0, "control group");

    put("proc/self/cgroup", "3:cpuset:/c\n4:cpu,memory:/c\n");
    put("cgroup/memory/c/memory.limit_in_bytes", "500000\n");
    put("cgroup/memory/c/memory.usage_in_bytes", "100000\n");
    expect_left(400000, "control group");
    put("cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712\n"); /* version 1 has a number for no limit */
    expect_left(UINT64_C(4096) * 1024, "this computer");
    put("proc/self/cgroup", "4:memory:/not/seen/from/here\n");
    put("cgroup/memory/memory.limit_in_bytes", "300000\n");
    put("cgroup/memory/memory.usage_in_bytes", "100000\n");
    expect_left(200000, "control group");
}

static void an_address_space_has_a_limit(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer has taken terabytes of addresses");
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    if (before.rlim_cur == RLIM_INFINITY) assert_true(memory_left_to_allocate().bytes == UINT64_MAX);
    limit = before;
    limit.rlim_cur = (rlim_t)1 << 36;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    const uint64_t left = memory_left_to_allocate().bytes;
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_true(left > 0 && left < UINT64_C(1) << 36);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_counts),
        cmocka_unit_test(an_address_space_has_a_limit),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}

/* memory_limit.c: its answers for the files of a computer, for control groups of both versions, and for missing files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/check.h"
#include "os/memory_limit.h"

enum { FILES_MAX = 12 };

/* The files of a computer, up to the first without a name. */
struct computer {
    const char *what;
    struct {
        const char *name, *text;
    } files[FILES_MAX];
    uint64_t limit, left;
};

#define MEMINFO "/proc/meminfo", "MemTotal:     1000 kB\nMemFree:  1 kB\nMemAvailable:   800 kB\nSwapFree: 100 kB\n"

static const struct computer computers[] = {
    {"no files", {{NULL, NULL}}, UINT64_MAX, UINT64_MAX},
    {"no groups", {{MEMINFO}}, 1024000, 921600},
    {"version 2, the group and one around it",
     {{MEMINFO},
      {"/proc/self/cgroup", "0::/a/b\n"},
      {"/sys/fs/cgroup/a/memory.max", "500000\n"},
      {"/sys/fs/cgroup/a/memory.current", "450000\n"},
      {"/sys/fs/cgroup/a/memory.stat", "anon 7\ninactive_file 50000\nactive_file 9\n"},
      {"/sys/fs/cgroup/a/memory.swap.max", "0\n"},
      {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
      {"/sys/fs/cgroup/a/b/memory.current", "1\n"}},
     500000,
     100000},
    {"version 2, swap that the group may use",
     {{MEMINFO},
      {"/proc/self/cgroup", "0::/a\n"},
      {"/sys/fs/cgroup/a/memory.max", "500000\n"},
      {"/sys/fs/cgroup/a/memory.current", "450000\n"},
      {"/sys/fs/cgroup/a/memory.swap.max", "20000\n"},
      {"/sys/fs/cgroup/a/memory.swap.current", "5000\n"}},
     500000,
     65000},
    {"version 2 inside a container, whose path is that of the system outside",
     {{MEMINFO},
      {"/proc/self/cgroup", "0::/docker/0123\n"},
      {"/sys/fs/cgroup/memory.max", "300000\n"},
      {"/sys/fs/cgroup/memory.current", "400000\n"},
      {"/sys/fs/cgroup/memory.swap.max", "0\n"}},
     300000,
     0},
    {"version 1",
     {{MEMINFO},
      {"/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a\n0::/\n"},
      {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "200000\n"},
      {"/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "150000\n"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "900000\n"}},
     200000,
     50000},
    {"lines that make no sense", {{MEMINFO}, {"/proc/self/cgroup", "\n:\n0\n0:\nmemory\n"}}, 1024000, 921600},
};

static void write_file(const char *root, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void limits_of_all_groups_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof computers / sizeof computers[0]; i++) {
        const struct computer *c = &computers[i];
        char root[] = "/tmp/test_memory_left.XXXXXX", remove[64];
        struct tg_memory_left memory;
        assert_non_null(mkdtemp(root));
        for (int k = 0; k < FILES_MAX && c->files[k].name; k++) write_file(root, c->files[k].name, c->files[k].text);
        tg_memory_look(root, &memory);
        CHECK(memory.limit == c->limit && memory.left == c->left, "%s: limit %llu, left %llu", c->what,
              (unsigned long long)memory.limit, (unsigned long long)memory.left);
        (void)snprintf(remove, sizeof remove, "rm -r %s", root);
        assert_int_equal(system(remove), 0);
    }
}

static void this_computer_has_memory(void **state)
{
    (void)state;
    struct tg_memory_left memory;
    tg_memory_look("", &memory);
    assert_true(memory.limit > 1 << 20 && memory.limit < UINT64_MAX);
    assert_true(memory.left > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_all_groups_count),
        cmocka_unit_test(this_computer_has_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

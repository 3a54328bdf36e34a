#define _POSIX_C_SOURCE 200809L

#include "memory_left.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Let `left` be `bytes` if that is less. */
static void limit(struct memory_left *left, uint64_t bytes, const char *by)
{
    if (bytes >= left->bytes) return;
    left->bytes = bytes;
    left->by = by;
}

/* The number behind `key` and spaces at the beginning of a line of the file, times `unit`; false: no such line. An
 * empty key: the file's first word, where "max" is no number. */
static bool read_number(const char *path, const char *key, uint64_t unit, uint64_t *out)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file) return false;
    bool found = false;
    const size_t n = strlen(key);
    while (!found && fgets(line, sizeof line, file)) {
        uint64_t value;
        found = strncmp(line, key, n) == 0 && sscanf(line + n, "%" SCNu64, &value) == 1;
        if (found) *out = value > UINT64_MAX / unit ? UINT64_MAX : value * unit;
    }
    fclose(file);
    return found;
}

static void limit_by_computer(struct memory_left *left, const char *proc)
{
    char path[PATH_BYTES];
    uint64_t available, swap = 0;
    (void)snprintf(path, sizeof path, "%s/meminfo", proc);
    if (read_number(path, "MemAvailable:", 1024, &available)) {
        (void)read_number(path, "SwapFree:", 1024, &swap);
        limit(left, available + swap, "this computer has");
        return;
    }
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) limit(left, (uint64_t)pages * (uint64_t)page, "this computer has");
}

/* One control group, a folder: its limit less what it has taken, but for copies of files that can be dropped. */
static void limit_by_group(struct memory_left *left, const char *folder, const char *most, const char *taken,
                           const char *files)
{
    char path[PATH_BYTES];
    uint64_t limit_bytes, taken_bytes, file_bytes = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, most);
    if (!read_number(path, "", 1, &limit_bytes)) return;
    (void)snprintf(path, sizeof path, "%s/%s", folder, taken);
    if (!read_number(path, "", 1, &taken_bytes)) return;
    (void)snprintf(path, sizeof path, "%s/memory.stat", folder);
    (void)read_number(path, files, 1, &file_bytes);
    if (file_bytes > taken_bytes) file_bytes = taken_bytes;
    taken_bytes -= file_bytes;
    limit(left, limit_bytes > taken_bytes ? limit_bytes - taken_bytes : 0, "the limit of its control group leaves");
}

/* The groups from `group`, a path like /a/b, up to the root of the hierarchy at `root`. */
static void limit_by_groups(struct memory_left *left, const char *root, char *group, bool is_v2)
{
    char folder[PATH_BYTES];
    for (;;) {
        (void)snprintf(folder, sizeof folder, "%s%s", root, group);
        if (is_v2) limit_by_group(left, folder, "memory.max", "memory.current", "inactive_file ");
        else limit_by_group(left, folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
        char *slash = strrchr(group, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

/* Lines "0::/a/b" (version 2) and "4:memory:/a/b" (version 1). In a container the path may not be there; its root
 * is. */
static void limit_by_cgroups(struct memory_left *left, const char *proc, const char *cgroup)
{
    char path[PATH_BYTES], line[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/self/cgroup", proc);
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        const bool is_v2 = strcmp(controllers, ":") == 0;
        if (!is_v2 && !strstr(controllers, "memory")) continue;
        (void)snprintf(path, sizeof path, "%s%s", cgroup, is_v2 ? "" : "/memory");
        limit_by_groups(left, path, group, is_v2);
    }
    fclose(file);
}

struct memory_left memory_left_at(const char *proc, const char *cgroup)
{
    struct memory_left left = {UINT64_MAX, "this computer has"};
    limit_by_computer(&left, proc);
    limit_by_cgroups(&left, proc, cgroup);
    return left;
}

struct memory_left memory_left(void) { return memory_left_at("/proc", "/sys/fs/cgroup"); }

struct memory_left memory_left_to_allocate(void)
{
    struct memory_left left = {UINT64_MAX, "the limit of the address space (ulimit -v) leaves"};
    struct rlimit most;
    uint64_t bytes = 0;
    if (getrlimit(RLIMIT_AS, &most) != 0 || most.rlim_cur == RLIM_INFINITY) return left;
    (void)read_number("/proc/self/statm", "", (uint64_t)sysconf(_SC_PAGESIZE), &bytes);
    left.bytes = most.rlim_cur > bytes ? most.rlim_cur - bytes : 0;
    return left;
}

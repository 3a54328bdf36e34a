#include "os/memory_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 4096 + 64 };

/* The names of one version of control groups. */
struct version {
    const char *mount, *max, *current, *swap_max, *swap_current;
};
static const struct version version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                         NULL, NULL};
static const struct version version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "memory.swap.max",
                                         "memory.swap.current"};

static uint64_t less(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* The number in a file; false: no number, or "max". */
static bool read_number(const char *folder, const char *name, uint64_t *number)
{
    char path[PATH_BYTES];
    if (!name || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return false;
    FILE *file = fopen(path, "re");
    if (!file) return false;
    unsigned long long value;
    const bool found = fscanf(file, "%llu", &value) == 1;
    fclose(file);
    if (found) *number = value;
    return found;
}

/* The number after a word at the start of a line; 0: no such line. */
static uint64_t read_field(const char *folder, const char *name, const char *word)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    uint64_t number = 0;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const size_t n = strlen(word);
        if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != ':')) continue;
        number = strtoull(line + n + 1, NULL, 10);
        break;
    }
    if (file) fclose(file);
    return number;
}

/* One group: its limit, and the rest of that limit. */
static void look_at_group(const struct version *version, const char *folder, uint64_t swap_free,
                          struct tg_memory_left *memory)
{
    uint64_t max, current, swap_max = UINT64_MAX, swap_current = 0;
    if (!read_number(folder, version->max, &max) || !read_number(folder, version->current, &current)) return;
    const uint64_t file_pages = read_field(folder, "memory.stat", "inactive_file");
    if (!read_number(folder, version->swap_max, &swap_max) && !version->swap_max) swap_max = 0;
    (void)read_number(folder, version->swap_current, &swap_current);
    const uint64_t swap = less(minus(swap_max, swap_current), swap_free);
    memory->limit = less(memory->limit, max);
    memory->left = less(memory->left, minus(max, minus(current, file_pages)) + swap);
}

/* A group and its ancestors. Inside a container the path may be that of the outer system; then the mount is the group.
 */
static void look_at_groups(const struct version *version, const char *root, const char *group, uint64_t swap_free,
                           struct tg_memory_left *memory)
{
    char folder[PATH_BYTES];
    const int n = snprintf(folder, sizeof folder, "%s%s", root, version->mount);
    if (n >= (int)sizeof folder ||
        snprintf(folder + n, sizeof folder - (size_t)n, "%s", group) >= (int)sizeof folder - n)
        return;
    for (;;) {
        look_at_group(version, folder, swap_free, memory);
        char *slash = strrchr(folder + n, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: number, controllers with commas between, path. */
static void look_at_line(const char *root, char *line, uint64_t swap_free, struct tg_memory_left *memory)
{
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0') look_at_groups(&version_2, root, group, swap_free, memory);
    for (char *rest = NULL, *one = strtok_r(controllers, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
        if (strcmp(one, "memory") == 0) look_at_groups(&version_1, root, group, swap_free, memory);
}

void tg_memory_look(const char *root, struct tg_memory_left *memory)
{
    char folder[PATH_BYTES], line[LINE_BYTES];
    *memory = (struct tg_memory_left){UINT64_MAX, UINT64_MAX};
    if (snprintf(folder, sizeof folder, "%s/proc", root) >= (int)sizeof folder) return;
    const uint64_t total_kib = read_field(folder, "meminfo", "MemTotal");
    const uint64_t free_kib = read_field(folder, "meminfo", "MemAvailable");
    const uint64_t swap_kib = read_field(folder, "meminfo", "SwapFree");
    if (total_kib > 0) *memory = (struct tg_memory_left){total_kib * 1024, (free_kib + swap_kib) * 1024};
    strcat(folder, "/self/cgroup");
    FILE *file = fopen(folder, "re");
    while (file && fgets(line, sizeof line, file)) look_at_line(root, line, swap_kib * 1024, memory);
    if (file) fclose(file);
}

#include "os/reset.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "os/imports.h"

enum { DATA_BYTES_MAX = 4 << 20 }; /* copying more takes longer than opening the object again */

/* Functions that keep no state for their caller, beyond heap memory. Sorted. */
static const char *const stateless[] = {
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
    "_Unwind_Resume",
    "_ZdaPv",
    "_ZdaPvm",
    "_ZdlPv",
    "_ZdlPvm",
    "_Znam",
    "_Znwm",
    "__assert_fail",
    "__ctype_b_loc",
    "__ctype_tolower_loc",
    "__ctype_toupper_loc",
    "__cxa_finalize",
    "__cxa_guard_acquire",
    "__cxa_guard_release",
    "__errno_location",
    "__fprintf_chk",
    "__gmon_start__",
    "__gxx_personality_v0",
    "__memcpy_chk",
    "__memmove_chk",
    "__memset_chk",
    "__printf_chk",
    "__snprintf_chk",
    "__stack_chk_fail",
    "__strcpy_chk",
    "__vsnprintf_chk",
    "abort",
    "abs",
    "aligned_alloc",
    "bsearch",
    "calloc",
    "ceil",
    "ceilf",
    "clock_gettime",
    "cos",
    "cosf",
    "exp",
    "exp2",
    "exp2f",
    "expf",
    "fabs",
    "fabsf",
    "fflush",
    "floor",
    "floorf",
    "fma",
    "fmaf",
    "fmax",
    "fmaxf",
    "fmin",
    "fminf",
    "fmod",
    "fmodf",
    "fprintf",
    "fputc",
    "fputs",
    "free",
    "fwrite",
    "getenv",
    "ldexp",
    "ldexpf",
    "log",
    "log2",
    "log2f",
    "logf",
    "lround",
    "lroundf",
    "malloc",
    "memchr",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "posix_memalign",
    "pow",
    "powf",
    "printf",
    "putchar",
    "puts",
    "qsort",
    "realloc",
    "round",
    "roundf",
    "sin",
    "sinf",
    "snprintf",
    "sqrt",
    "sqrtf",
    "strchr",
    "strcmp",
    "strcpy",
    "strlen",
    "strncmp",
    "strncpy",
    "strnlen",
    "strrchr",
    "strstr",
    "strtol",
    "strtoll",
    "strtoul",
    "strtoull",
    "tanh",
    "tanhf",
    "trunc",
    "truncf",
    "vfprintf",
    "vsnprintf",
};

static int by_name(const void *name, const void *entry) { return strcmp(name, *(const char *const *)entry); }

static void look_at_import(void *context, const char *name, void *function)
{
    (void)function;
    bool *keeps_no_state = context;
    if (!bsearch(name, stateless, sizeof stateless / sizeof stateless[0], sizeof stateless[0], by_name))
        *keeps_no_state = false;
}

/* Compilers give each object one constructor and one destructor, which do nothing here. */
static bool has_own_code_of_loading(const struct tg_module *module)
{
    struct link_map *map = NULL;
    if (dlinfo(module->handle, RTLD_DI_LINKMAP, &map) != 0) return true;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const bool is_array = entry->d_tag == DT_INIT_ARRAYSZ || entry->d_tag == DT_FINI_ARRAYSZ;
        if (is_array && entry->d_un.d_val > sizeof(ElfW(Addr))) return true;
    }
    return false;
}

/* Are all variables in module->data? */
struct segments {
    const struct tg_module *module;
    unsigned n_writable;
};

static int count_writable(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct segments *segments = context;
    if (info->dlpi_addr != segments->module->base) return 0;
    uintptr_t read_only_low = 0, read_only_high = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_GNU_RELRO) continue;
        read_only_low = (uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        read_only_high = read_only_low + (uintptr_t)info->dlpi_phdr[i].p_memsz;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W)) continue;
        const uintptr_t low = (uintptr_t)(info->dlpi_addr + segment->p_vaddr), high = low + (uintptr_t)segment->p_memsz;
        if (low < read_only_low || high > read_only_high) segments->n_writable++;
    }
    return 1;
}

void tg_reset_init(struct tg_reset *reset, const struct tg_module *module)
{
    const size_t bytes = module->data.high - module->data.low;
    struct segments segments = {.module = module};
    bool keeps_no_state = tg_imports_known();
    reset->first = NULL;
    if (module->thread_bytes > 0 || bytes > DATA_BYTES_MAX || has_own_code_of_loading(module)) return;
    dl_iterate_phdr(count_writable, &segments);
    tg_imports_each(module, look_at_import, &keeps_no_state);
    if (segments.n_writable > 1 || !keeps_no_state) return;
    reset->first = malloc(bytes + 1);
    if (reset->first) memcpy(reset->first, (const void *)module->data.low, bytes);
}

void tg_reset_fini(struct tg_reset *reset)
{
    free(reset->first);
    reset->first = NULL;
}

void tg_reset_restore(const struct tg_reset *reset, const struct tg_module *module)
{
    memcpy((void *)module->data.low, reset->first, module->data.high - module->data.low);
}

#include "os/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/escapes.h"
#include "os/exits.h"
#include "os/object.h"
#include "os/started.h"
#include "os/state.h"

/* A fork copies the loader's list of objects as it is at that moment. So no thread may fork while another one opens,
 * closes or lists objects. */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

enum { NAME_BYTES = 192 };

/*
 * A name of the file that this process has not used yet: "/proc/PID/fd/", the bits of a number as "./" and "/", the
 * descriptor. All such names lead to the same file. Not /proc/self: a debugger opens the name, too, and would find its
 * own descriptors.
 */
static void name_file(char name[NAME_BYTES], int fd)
{
    static _Atomic uint64_t n_names;
    uint64_t number = atomic_fetch_add_explicit(&n_names, 1, memory_order_relaxed); /* only has to be unique */
    int at = snprintf(name, NAME_BYTES, "/proc/%ld/fd/", (long)getpid());
    for (; number != 0; number >>= 1) at += snprintf(name + at, NAME_BYTES - (size_t)at, number & 1 ? "./" : "/");
    snprintf(name + at, NAME_BYTES - (size_t)at, "%d", fd);
}

/* Open the file. Another copy of this library in the process may have used a name. */
static void *open_file(int fd)
{
    char name[NAME_BYTES];
    TG_OWN_STATE; /* an object linked with -ffast-math turns subnormals off while it is opened */
    for (void *taken = NULL;;) {
        name_file(name, fd);
        taken = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
        if (!taken) return dlopen(name, RTLD_NOW | RTLD_LOCAL);
        dlclose(taken);
    }
}

/* ---- what was opened ---- */

static struct tg_text_range range_of(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    const uintptr_t low = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
    return (struct tg_text_range){low, low + (uintptr_t)segment->p_memsz};
}

/* The loader makes only whole pages read-only, from the first one on. */
static uintptr_t end_of_read_only(const struct dl_phdr_info *info)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) return range_of(info, &info->dlpi_phdr[i]).high / page * page;
    return 0;
}

/* The object's segments, and whether its header has the stamp of its file. */
struct search {
    struct tg_module *module;
    bool same;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct search *search = arg;
    struct tg_module *module = search->module;
    if (info->dlpi_addr != module->base) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_TLS) module->thread_bytes = (size_t)segment->p_memsz;
        if (segment->p_type != PT_LOAD) continue;
        const struct tg_text_range range = range_of(info, segment);
        if (module->image.high == 0) module->image.low = range.low;
        module->image.high = range.high;
        if (segment->p_flags & PF_X) module->text = range;
        if (segment->p_flags & PF_W) module->data = range;
        if (segment->p_offset == 0 && segment->p_filesz >= sizeof(ElfW(Ehdr)))
            search->same = ((const ElfW(Ehdr) *)range.low)->e_entry == tg_object_stamp(&module->file);
    }
    const uintptr_t read_only = end_of_read_only(info);
    if (read_only > module->data.low) module->data.low = read_only;
    if (module->data.low >= module->data.high) module->data = (struct tg_text_range){0, 0};
    return 1;
}

/* Find the load address, and check that it is the object of its file. */
static enum tg_status identify(struct tg_module *module, const char *what)
{
    struct link_map *map = NULL;
    struct search search = {.module = module};
    if (dlinfo(module->handle, RTLD_DI_LINKMAP, &map) == 0) {
        module->base = map->l_addr;
        dl_iterate_phdr(look_at, &search);
    }
    return search.same ? TG_OK
                       : tg_error(TG_ERR_LOAD, "%s: the loader answers with another object than its bytes", what);
}

/* The loader's reason for refusing the object. It says "no such file" when the system lacks a resource. */
static enum tg_status refusal(const struct tg_module *module, const char *reason, const char *what)
{
    const int spare = fcntl(module->file.fd, F_DUPFD_CLOEXEC, 0);
    if (spare < 0) return tg_descriptor_error(what, "cannot be opened");
    close(spare);
    TG_TRY(tg_module_check_names(what));
    return tg_error(TG_ERR_LOAD, "%s: %s", what, reason ? reason : "the loader gives no reason");
}

enum tg_status tg_module_check_names(const char *what)
{
    if (access("/proc/self/fd", F_OK) == 0) return TG_OK;
    return tg_error(TG_ERR_FILE, "%s: /proc is not mounted, and the loader opens objects by their names there", what);
}

enum tg_status tg_module_open(struct tg_module *module, const void *bytes, size_t n_bytes, const char *what)
{
    struct tg_object object;
    struct tg_module opened = {0};
    TG_TRY(tg_object_read(&object, bytes, n_bytes, what));
    TG_TRY(tg_object_file(&object, &opened.file, what));
    tg_module_hold_loader();
    opened.handle = open_file(opened.file.fd);
    enum tg_status status = opened.handle ? identify(&opened, what) : refusal(&opened, dlerror(), what);
    if (status == TG_OK) {
        tg_escapes_bind(&opened);
        tg_started_add_code(opened.text);
    } else if (opened.handle) {
        dlclose(opened.handle);
    }
    tg_module_release_loader();
    if (status == TG_OK) *module = opened;
    else tg_descriptor_close(&opened.file);
    return status;
}

void tg_module_close(struct tg_module *module)
{
    if (!module->handle) return;
    TG_OWN_STATE; /* its destructors are foreign code */
    const bool ended = tg_exits_run(module->text);
    tg_module_hold_loader();
    tg_started_remove_code(module->text);
    if (ended) dlclose(module->handle); /* otherwise a thread still runs its code */
    tg_module_release_loader();
    if (ended) tg_descriptor_close(&module->file);
    module->handle = NULL;
}

void *tg_module_symbol(const struct tg_module *module, const char *symbol) { return dlsym(module->handle, symbol); }

void *tg_module_slot(const struct tg_module *module, const char *symbol)
{
    void *slot = dlsym(module->handle, symbol);
    const uintptr_t at = (uintptr_t)slot, bytes = sizeof(void *);
    const bool inside = at >= module->data.low && at < module->data.high && module->data.high - at >= bytes;
    return inside && at % bytes == 0 ? slot : NULL;
}

void tg_module_hold_loader(void)
{
    pthread_mutex_lock(&loader_lock);
    tg_started_in_loader(true);
}

void tg_module_release_loader(void)
{
    tg_started_in_loader(false);
    pthread_mutex_unlock(&loader_lock);
}

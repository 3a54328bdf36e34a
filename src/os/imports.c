#include "os/imports.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { SLOT = R_X86_64_JUMP_SLOT, GLOBAL = R_X86_64_GLOB_DAT, ABSOLUTE = R_X86_64_64 };
#elif defined(__aarch64__)
enum { SLOT = R_AARCH64_JUMP_SLOT, GLOBAL = R_AARCH64_GLOB_DAT, ABSOLUTE = R_AARCH64_ABS64 };
#else
enum { SLOT = -1, GLOBAL = -1, ABSOLUTE = -1 };
#endif

bool tg_imports_known(void) { return SLOT >= 0; }

/* The relocation tables in an object's dynamic section. */
struct tables {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *names;
    struct {
        const ElfW(Rela) * first;
        size_t n;
    } relocations[2]; /* of calls, and all others */
};

/* glibc has added the base to these addresses; other loaders have not. */
static const void *at(ElfW(Addr) base, ElfW(Addr) address)
{
    return (const void *)(uintptr_t)(address < base ? base + address : address);
}

static bool find_tables(const struct tg_module *module, struct tables *tables)
{
    struct link_map *map = NULL;
    memset(tables, 0, sizeof *tables);
    if (dlinfo(module->handle, RTLD_DI_LINKMAP, &map) != 0) return false;
    tables->base = map->l_addr;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const void *address = at(map->l_addr, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB: tables->symbols = address; break;
        case DT_STRTAB: tables->names = address; break;
        case DT_JMPREL: tables->relocations[0].first = address; break;
        case DT_PLTRELSZ: tables->relocations[0].n = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
        case DT_RELA: tables->relocations[1].first = address; break;
        case DT_RELASZ: tables->relocations[1].n = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
        default: break;
        }
    }
    return tables->symbols && tables->names;
}

/* The slot of a relocation that names a function of another object; NULL: another kind of relocation. */
static void **slot_of(const struct tables *tables, const ElfW(Rela) * relocation, const char **name)
{
    const int type = (int)ELF64_R_TYPE(relocation->r_info);
    if (type != SLOT && type != GLOBAL && type != ABSOLUTE) return NULL;
    const ElfW(Sym) *symbol = &tables->symbols[ELF64_R_SYM(relocation->r_info)];
    const int kind = ELF64_ST_TYPE(symbol->st_info);
    if (symbol->st_shndx != SHN_UNDEF || (kind != STT_FUNC && kind != STT_NOTYPE && kind != STT_GNU_IFUNC)) return NULL;
    *name = tables->names + symbol->st_name;
    return (void **)(tables->base + relocation->r_offset);
}

/* The loader may have made the slot's page read-only. The rest of the page is data or slots, too. */
static void write_slot(void **slot, void *function)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)slot / page * page;
    if (mprotect((void *)start, page, PROT_READ | PROT_WRITE) == 0) *slot = function;
}

void tg_imports_bind(const struct tg_module *module, tg_bind_fn *bind, void *context)
{
    struct tables tables;
    if (!find_tables(module, &tables)) return;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables.relocations[t].n; i++) {
            const char *name = NULL;
            void **slot = slot_of(&tables, &tables.relocations[t].first[i], &name);
            void *function = slot && *slot ? bind(context, name, *slot) : NULL;
            if (function) write_slot(slot, function);
        }
    }
}

struct visit {
    tg_import_fn *visit;
    void *context;
};

static void *only_visit(void *context, const char *name, void *function)
{
    const struct visit *visit = context;
    visit->visit(visit->context, name, function);
    return NULL;
}

void tg_imports_each(const struct tg_module *module, tg_import_fn *visit, void *context)
{
    tg_imports_bind(module, only_visit, &(struct visit){visit, context});
}

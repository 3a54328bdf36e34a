#include "os/object.h"

#include <elf.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Newer than some systems' elf.h. */
#ifndef DT_RELRSZ
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif
#ifndef PT_GNU_PROPERTY
#define PT_GNU_PROPERTY 0x6474e553
#endif

/* The relocations of this processor. */
#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
enum { RELATIVE = R_X86_64_RELATIVE, IRELATIVE = R_X86_64_IRELATIVE };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
enum { RELATIVE = R_AARCH64_RELATIVE, IRELATIVE = R_AARCH64_IRELATIVE };
#else /* no distinction: every relocation writes an address */
enum { MACHINE = -1 };
enum { RELATIVE = -1, IRELATIVE = -1 };
#endif

/* Bytes that a relocation of a shared object writes; 0: shared objects have none of that type. */
static unsigned relocation_bytes(uint32_t type)
{
    switch (type) {
#if defined(__x86_64__)
    case R_X86_64_64:
    case R_X86_64_GLOB_DAT:
    case R_X86_64_JUMP_SLOT:
    case R_X86_64_RELATIVE:
    case R_X86_64_IRELATIVE:
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TPOFF64:
    case R_X86_64_SIZE64:
    case R_X86_64_PC64: return 8;
    case R_X86_64_32:
    case R_X86_64_PC32:
    case R_X86_64_SIZE32: return 4;
    case R_X86_64_TLSDESC: return 16;
#elif defined(__aarch64__)
    case R_AARCH64_ABS64:
    case R_AARCH64_GLOB_DAT:
    case R_AARCH64_JUMP_SLOT:
    case R_AARCH64_RELATIVE:
    case R_AARCH64_IRELATIVE:
    case R_AARCH64_TLS_DTPMOD:
    case R_AARCH64_TLS_DTPREL:
    case R_AARCH64_TLS_TPREL: return 8;
    case R_AARCH64_TLSDESC: return 16;
#else
    default: return sizeof(ElfW(Addr));
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    default: return 0;
#endif
    }
}

/* Does it compute an offset in thread-local data? */
static bool relocation_is_tls(uint32_t type)
{
    switch (type) {
#if defined(__x86_64__)
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TPOFF64:
    case R_X86_64_TLSDESC: return true;
#elif defined(__aarch64__)
    case R_AARCH64_TLS_DTPMOD:
    case R_AARCH64_TLS_DTPREL:
    case R_AARCH64_TLS_TPREL:
    case R_AARCH64_TLSDESC: return true;
#endif
    default: return false;
    }
}

/* A larger template of thread-local data is damage; each thread that touches it would allocate it. */
#define TLS_BYTES_MAX ((uint64_t)64 << 20)
#define ALIGNMENT_MAX ((uint64_t)1 << 30)

/* Constructors or destructors: an array; relocations must turn its entries into addresses of the object's code. */
struct functions {
    uint64_t address, n, n_relocated;
};

struct reader {
    const char *what;
    const uint8_t *bytes;
    uint64_t n_bytes;
    uint64_t segments, n_segments; /* offset of the program headers */
    uint64_t first, end;           /* addresses of the loaded segments */
    uint64_t alignment;            /* the largest of the loaded segments */
    uint64_t dynamic, n_dynamic;   /* offset of the dynamic section; entries before DT_NULL */
    uint64_t strings, n_strings;   /* offset, bytes */
    uint64_t symbols, n_symbols;   /* offset; number according to the hash tables */
    uint64_t n_symbols_max;        /* upper limit by space */
    uint64_t versions;             /* address of a uint16_t for each symbol; 0: no versions */
    uint32_t version_max;          /* the largest index of a needed or defined version */
    uint64_t tls_bytes;
    bool changes_text;
    struct functions init, fini;
};

__attribute__((format(printf, 2, 3))) static enum tg_status damaged(const struct reader *r, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return tg_error(TG_ERR_LOAD, "%s: a damaged shared object: %s", r->what, reason);
}

/* ---- what lies where ---- */

/* Are [at, at + bytes) inside [low, high)? No overflow, for any numbers. */
static bool lies_in(uint64_t at, uint64_t bytes, uint64_t low, uint64_t high)
{
    return at >= low && at <= high && bytes <= high - at;
}

static ElfW(Phdr) segment_at(const struct reader *r, uint64_t i)
{
    ElfW(Phdr) segment;
    memcpy(&segment, r->bytes + r->segments + i * sizeof segment, sizeof segment);
    return segment;
}

/* Are [address, address + bytes) inside one loaded segment that has all of `flags`? */
static bool in_memory(const struct reader *r, uint64_t address, uint64_t bytes, uint32_t flags)
{
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        if (segment.p_type == PT_LOAD && (segment.p_flags & flags) == flags &&
            lies_in(address, bytes, segment.p_vaddr, segment.p_vaddr + segment.p_memsz))
            return true;
    }
    return false;
}

/* The place of [address, address + bytes) in the file. false: not inside one loaded segment. */
static bool in_file(const struct reader *r, uint64_t address, uint64_t bytes, uint64_t *offset)
{
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        if (segment.p_type != PT_LOAD || !lies_in(address, bytes, segment.p_vaddr, segment.p_vaddr + segment.p_filesz))
            continue;
        *offset = segment.p_offset + (address - segment.p_vaddr);
        return true;
    }
    return false;
}

/* Bytes of the file from `address` to the end of its segment. */
static uint64_t file_bytes_from(const struct reader *r, uint64_t address)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        if (segment.p_type == PT_LOAD && lies_in(address, 0, segment.p_vaddr, segment.p_vaddr + segment.p_filesz))
            bytes = segment.p_vaddr + segment.p_filesz - address;
    }
    return bytes;
}

static bool is_code(const struct reader *r, uint64_t address) { return in_memory(r, address, 1, PF_X); }

static uint16_t get_u16(const struct reader *r, uint64_t offset)
{
    uint16_t value;
    memcpy(&value, r->bytes + offset, sizeof value);
    return value;
}

static uint32_t get_u32(const struct reader *r, uint64_t offset)
{
    uint32_t value;
    memcpy(&value, r->bytes + offset, sizeof value);
    return value;
}

static uint64_t get_u64(const struct reader *r, uint64_t offset)
{
    uint64_t value;
    memcpy(&value, r->bytes + offset, sizeof value);
    return value;
}

/* ---- program headers ---- */

/* The loader reserves the space from the first segment to the end of the last. It relies on ascending segments that are
 * no larger in the file than in memory. */
static enum tg_status check_loaded(struct reader *r)
{
    bool any = false;
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        if (segment.p_type != PT_LOAD) continue;
        if (segment.p_filesz > segment.p_memsz)
            return damaged(r, "segment %llu is larger in the file than in memory", (unsigned long long)i);
        if (segment.p_vaddr < r->end || segment.p_vaddr + segment.p_memsz < segment.p_vaddr)
            return damaged(r, "segment %llu does not lie behind those before it", (unsigned long long)i);
        if (!lies_in(segment.p_offset, segment.p_filesz, 0, r->n_bytes))
            return damaged(r, "segment %llu ends behind the file's %llu bytes: it is truncated", (unsigned long long)i,
                           (unsigned long long)r->n_bytes);
        if (segment.p_align > ALIGNMENT_MAX || (segment.p_align & (segment.p_align - 1)) != 0)
            return damaged(r, "segment %llu is aligned to 0x%llx bytes", (unsigned long long)i,
                           (unsigned long long)segment.p_align);
        if (!any && (segment.p_offset != 0 || segment.p_filesz < sizeof(ElfW(Ehdr))))
            return damaged(r, "its header is not loaded");
        if (!any) r->first = segment.p_vaddr;
        any = true;
        r->end = segment.p_vaddr + segment.p_memsz;
        if (segment.p_align > r->alignment) r->alignment = segment.p_align;
    }
    return any ? TG_OK : damaged(r, "nothing of it is loaded");
}

/* Notes follow each other; each one's size leads to the next. */
static enum tg_status check_notes(const struct reader *r, const ElfW(Phdr) * segment)
{
    const uint64_t alignment = segment->p_align == 8 ? 8 : 4;
    uint64_t offset;
    if (!in_file(r, segment->p_vaddr, segment->p_filesz, &offset)) return damaged(r, "its notes are not loaded");
    for (uint64_t left = segment->p_filesz; left > 0;) {
        if (left < sizeof(ElfW(Nhdr))) return damaged(r, "a note is cut off");
        const uint64_t name = ((uint64_t)get_u32(r, offset) + alignment - 1) / alignment * alignment;
        const uint64_t text = ((uint64_t)get_u32(r, offset + 4) + alignment - 1) / alignment * alignment;
        uint64_t bytes = sizeof(ElfW(Nhdr)) + name + text;
        if (bytes - left < alignment) bytes = left; /* the last one is not filled up */
        if (bytes > left) return damaged(r, "a note is larger than its segment");
        offset += bytes;
        left -= bytes;
    }
    return TG_OK;
}

static enum tg_status check_tls(struct reader *r, const ElfW(Phdr) * segment)
{
    uint64_t offset;
    if (segment->p_filesz > segment->p_memsz || !in_file(r, segment->p_vaddr, segment->p_filesz, &offset))
        return damaged(r, "its thread-local data is not loaded");
    if (segment->p_memsz > TLS_BYTES_MAX || segment->p_align > TLS_BYTES_MAX ||
        (segment->p_align & (segment->p_align - 1)) != 0)
        return damaged(r, "%llu bytes of thread-local data, aligned to 0x%llx; at most %llu are possible",
                       (unsigned long long)segment->p_memsz, (unsigned long long)segment->p_align,
                       (unsigned long long)TLS_BYTES_MAX);
    r->tls_bytes = segment->p_memsz;
    return TG_OK;
}

static enum tg_status check_dynamic(struct reader *r, const ElfW(Phdr) * segment)
{
    /* The loader adds the object's base to addresses in it, unless its header marks it as read-only. */
    const bool placed = in_memory(r, segment->p_vaddr, segment->p_memsz, segment->p_flags & PF_W);
    if (!placed || !in_file(r, segment->p_vaddr, segment->p_filesz, &r->dynamic))
        return damaged(r, "its dynamic section is not loaded");
    const uint64_t n = segment->p_filesz / sizeof(ElfW(Dyn));
    for (r->n_dynamic = 0; r->n_dynamic < n; r->n_dynamic++)
        if (get_u64(r, r->dynamic + r->n_dynamic * sizeof(ElfW(Dyn))) == DT_NULL) return TG_OK;
    return damaged(r, "its dynamic section has no end");
}

/* Is it the beginning of a writable segment? Some linkers extend it to the end of the last page. */
static bool is_protected_part(const struct reader *r, const ElfW(Phdr) * relro)
{
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        const uint64_t page = segment.p_align > 0 ? segment.p_align : 1;
        const uint64_t end = (segment.p_vaddr + segment.p_memsz + page - 1) / page * page;
        if (segment.p_type == PT_LOAD && segment.p_flags & PF_W &&
            lies_in(relro->p_vaddr, relro->p_memsz, segment.p_vaddr, end))
            return true;
    }
    return relro->p_memsz == 0;
}

static enum tg_status check_segment(struct reader *r, const ElfW(Phdr) * segment)
{
    uint64_t offset;
    switch (segment->p_type) {
    case PT_DYNAMIC: return check_dynamic(r, segment);
    case PT_TLS: return check_tls(r, segment);
    case PT_NOTE:
    case PT_GNU_PROPERTY: return check_notes(r, segment);
    case PT_PHDR: /* the process reads its objects' headers here from now on */
        if (in_file(r, segment->p_vaddr, r->n_segments * sizeof *segment, &offset) && offset == r->segments)
            return TG_OK;
        return damaged(r, "the address of its program headers is another one");
    case PT_GNU_RELRO: /* made read-only once relocations have been applied */
        if (is_protected_part(r, segment)) return TG_OK;
        return damaged(r, "what is made read-only is not one of its writable segments");
    case PT_GNU_EH_FRAME:
        if (in_file(r, segment->p_vaddr, segment->p_filesz, &offset)) return TG_OK;
        return damaged(r, "its table of stack frames is not loaded");
    default: return TG_OK;
    }
}

static enum tg_status read_segments(struct reader *r)
{
    ElfW(Ehdr) header;
    if (r->n_bytes < sizeof header)
        return tg_error(TG_ERR_LOAD, "%s: %llu bytes are no shared object", r->what, (unsigned long long)r->n_bytes);
    memcpy(&header, r->bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN)
        return tg_error(TG_ERR_LOAD, "%s: these bytes are no shared object", r->what);
    const int word = sizeof(ElfW(Addr)) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (header.e_ident[EI_CLASS] != word || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (MACHINE != -1 && header.e_machine != MACHINE))
        return tg_error(TG_ERR_LOAD, "%s: a shared object for another processor", r->what);
    r->segments = header.e_phoff;
    r->n_segments = header.e_phnum;
    if (header.e_phentsize != sizeof(ElfW(Phdr)) ||
        !lies_in(r->segments, r->n_segments * sizeof(ElfW(Phdr)), 0, r->n_bytes))
        return damaged(r, "its %llu program headers are not inside its %llu bytes", (unsigned long long)r->n_segments,
                       (unsigned long long)r->n_bytes);
    TG_TRY(check_loaded(r));
    for (uint64_t i = 0; i < r->n_segments; i++) {
        const ElfW(Phdr) segment = segment_at(r, i);
        TG_TRY(check_segment(r, &segment));
    }
    return r->dynamic ? TG_OK : damaged(r, "it has no dynamic section");
}

/* ---- the dynamic section ---- */

/* The value of a tag; the loader takes the last one. */
static bool find(const struct reader *r, int64_t tag, uint64_t *value)
{
    for (uint64_t i = r->n_dynamic; i-- > 0;) {
        const uint64_t entry = r->dynamic + i * sizeof(ElfW(Dyn));
        if ((int64_t)get_u64(r, entry) != tag) continue;
        *value = get_u64(r, entry + sizeof(uint64_t));
        return true;
    }
    return false;
}

/* The table at the address of `tag`, with the size of `bytes_tag`. Empty where both are missing. */
static bool find_table(const struct reader *r, int64_t tag, int64_t bytes_tag, uint64_t entry_bytes, uint64_t *offset,
                       uint64_t *bytes)
{
    uint64_t address = 0;
    *bytes = *offset = 0;
    const bool has_address = find(r, tag, &address), has_bytes = find(r, bytes_tag, bytes);
    if (!has_address && !has_bytes) return true;
    return has_address && has_bytes && *bytes % entry_bytes == 0 && in_file(r, address, *bytes, offset);
}

/* A tag that gives the entry size must give the size that the loader uses. */
static bool entry_bytes_fit(const struct reader *r, int64_t tag, uint64_t expected)
{
    uint64_t bytes;
    return !find(r, tag, &bytes) || bytes == expected;
}

static const char *string_at(const struct reader *r, uint64_t at)
{
    return at < r->n_strings ? (const char *)r->bytes + r->strings + at : NULL;
}

static enum tg_status read_strings(struct reader *r)
{
    static const int64_t names[] = {DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_AUXILIARY, DT_FILTER};
    if (!find_table(r, DT_STRTAB, DT_STRSZ, 1, &r->strings, &r->n_strings) || r->n_strings == 0 ||
        r->bytes[r->strings + r->n_strings - 1] != 0)
        return damaged(r, "its table of strings is not loaded, or has no end");
    for (uint64_t i = 0; i < r->n_dynamic; i++) {
        const uint64_t entry = r->dynamic + i * sizeof(ElfW(Dyn));
        const uint64_t at = get_u64(r, entry + sizeof(uint64_t));
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if ((int64_t)get_u64(r, entry) == names[k] && !string_at(r, at))
                return damaged(r, "a name of its dynamic section is not in its table of strings");
    }
    return TG_OK;
}

/* ---- symbols and the tables in which they are looked up ---- */

static ElfW(Sym) symbol_at(const struct reader *r, uint64_t i)
{
    ElfW(Sym) symbol;
    memcpy(&symbol, r->bytes + r->symbols + i * sizeof symbol, sizeof symbol);
    return symbol;
}

/* The loader resolves an undefined symbol in other objects. A hidden or local symbol must be defined here. */
static bool is_import(const ElfW(Sym) * symbol)
{
    const unsigned binding = ELF64_ST_BIND(symbol->st_info), visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    return symbol->st_value == 0 && (binding == STB_GLOBAL || binding == STB_WEAK) &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

static bool lies_where_it_may(const struct reader *r, const ElfW(Sym) * symbol)
{
    switch (ELF64_ST_TYPE(symbol->st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC: return is_code(r, symbol->st_value);
    case STT_TLS: return lies_in(symbol->st_value, symbol->st_size, 0, r->tls_bytes);
    case STT_OBJECT: return in_memory(r, symbol->st_value, symbol->st_size, PF_R);
    case STT_NOTYPE:
    case STT_SECTION:
    case STT_COMMON: return lies_in(symbol->st_value, 0, r->first, r->end);
    default: return false;
    }
}

static enum tg_status check_symbol(const struct reader *r, uint64_t i)
{
    const ElfW(Sym) symbol = symbol_at(r, i), nothing = {0};
    const char *name = string_at(r, symbol.st_name);
    const unsigned binding = ELF64_ST_BIND(symbol.st_info);
    if (i == 0 && memcmp(&symbol, &nothing, sizeof symbol) == 0) return TG_OK;
    bool right = i > 0 && name && (binding <= STB_WEAK || binding == STB_GNU_UNIQUE);
    if (symbol.st_shndx == SHN_UNDEF) right = right && is_import(&symbol);
    else if (symbol.st_shndx != SHN_ABS) right = right && lies_where_it_may(r, &symbol);
    return right ? TG_OK
                 : damaged(r, "symbol %llu (%.64s) lies where none of its kind can be", (unsigned long long)i,
                           name ? name : "without a name");
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 0;
    for (; *name; name++) {
        hash = (hash << 4) + (unsigned char)*name;
        hash = (hash ^ (hash >> 24 & 0xF0)) & 0x0FFFFFFF;
    }
    return hash;
}

static uint32_t gnu_hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++) hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* buckets[hash % n_buckets] -> symbol -> chains[symbol] -> symbol ... -> 0 */
static enum tg_status read_hash(struct reader *r, uint64_t address)
{
    uint64_t offset, n_seen = 0;
    if (!in_file(r, address, 8, &offset)) return damaged(r, "its hash table is not loaded");
    const uint64_t n_buckets = get_u32(r, offset), n_symbols = get_u32(r, offset + 4);
    if (!in_file(r, address, (2 + n_buckets + n_symbols) * 4, &offset) || n_symbols > r->n_symbols_max)
        return damaged(r, "its hash table or its symbols are not loaded");
    const uint64_t buckets = offset + 8, chains = buckets + n_buckets * 4;
    for (uint64_t b = 0; b < n_buckets; b++)
        for (uint64_t i = get_u32(r, buckets + b * 4); i != 0; i = get_u32(r, chains + i * 4)) {
            const char *name = i < n_symbols ? string_at(r, symbol_at(r, i).st_name) : NULL;
            if (!name || hash_of(name) % n_buckets != b || ++n_seen > n_symbols)
                return damaged(r, "bucket %llu of its hash table", (unsigned long long)b);
        }
    if (n_symbols > r->n_symbols) r->n_symbols = n_symbols;
    return TG_OK;
}

/* buckets[hash % n_buckets] -> the first of a row of symbols; hashes[symbol - first_symbol] has its low bit set at a
 * row's end. */
static enum tg_status read_gnu_hash(struct reader *r, uint64_t address)
{
    uint64_t offset;
    if (!in_file(r, address, 16, &offset)) return damaged(r, "its hash table is not loaded");
    const uint64_t n_buckets = get_u32(r, offset), first = get_u32(r, offset + 4);
    const uint64_t n_words = get_u32(r, offset + 8), shift = get_u32(r, offset + 12);
    const uint64_t all = file_bytes_from(r, address), fixed = 16 + n_words * sizeof(ElfW(Addr)) + n_buckets * 4;
    if (n_buckets == 0 || n_words == 0 || (n_words & (n_words - 1)) != 0 || shift >= 32 || fixed > all)
        return damaged(r, "the head of its hash table");
    const uint64_t bloom = offset + 16, buckets = bloom + n_words * sizeof(ElfW(Addr)), hashes = offset + fixed;
    const uint64_t n_hashes = (all - fixed) / 4;
    if (r->n_symbols < first && first <= r->n_symbols_max) r->n_symbols = first;
    for (uint64_t b = 0; b < n_buckets; b++) {
        uint64_t i = get_u32(r, buckets + b * 4);
        for (bool last = i == 0; !last; i++) {
            const char *name = NULL;
            if (i >= first && i - first < n_hashes && i < r->n_symbols_max)
                name = string_at(r, symbol_at(r, i).st_name);
            if (!name) return damaged(r, "bucket %llu of its hash table", (unsigned long long)b);
            const uint32_t hash = gnu_hash_of(name), kept = get_u32(r, hashes + (i - first) * 4);
            const uint64_t word = get_u64(r, bloom + hash / 64 % n_words * sizeof(ElfW(Addr)));
            if ((hash | 1) != (kept | 1) || hash % n_buckets != b || !(word >> (hash % 64) & 1) ||
                !(word >> ((hash >> shift) % 64) & 1))
                return damaged(r, "its hash table does not lead to symbol %.64s", name);
            last = kept & 1;
            if (i >= r->n_symbols) r->n_symbols = i + 1;
        }
    }
    return TG_OK;
}

static enum tg_status read_symbols(struct reader *r)
{
    uint64_t address, table;
    if (!find(r, DT_SYMTAB, &address) || !in_file(r, address, sizeof(ElfW(Sym)), &r->symbols) ||
        !entry_bytes_fit(r, DT_SYMENT, sizeof(ElfW(Sym))))
        return damaged(r, "its symbols are not loaded");
    r->n_symbols_max = file_bytes_from(r, address) / sizeof(ElfW(Sym));
    if (find(r, DT_HASH, &table)) TG_TRY(read_hash(r, table));
    if (find(r, DT_GNU_HASH, &table)) TG_TRY(read_gnu_hash(r, table));
    for (uint64_t i = 0; i < r->n_symbols; i++) TG_TRY(check_symbol(r, i));
    return TG_OK;
}

/* ---- versions ---- */

/* Lists of needed or defined versions: each entry gives the distance to the next, 0 at the end. `names` of each entry
 * is a list of the same kind. */
struct version_list {
    int64_t tag, count_tag;
    uint64_t bytes, n_names, names, next; /* of an entry: size, and offsets of its parts */
    uint64_t name_bytes, name, name_next, index,
        entry_index; /* of a name; offset of the index; UINT64_MAX: elsewhere */
};

static const struct version_list needed = {
    .tag = DT_VERNEED,
    .count_tag = DT_VERNEEDNUM,
    .bytes = sizeof(ElfW(Verneed)),
    .n_names = offsetof(ElfW(Verneed), vn_cnt),
    .names = offsetof(ElfW(Verneed), vn_aux),
    .next = offsetof(ElfW(Verneed), vn_next),
    .name_bytes = sizeof(ElfW(Vernaux)),
    .name = offsetof(ElfW(Vernaux), vna_name),
    .name_next = offsetof(ElfW(Vernaux), vna_next),
    .index = offsetof(ElfW(Vernaux), vna_other),
    .entry_index = UINT64_MAX,
};

static const struct version_list defined = {
    .tag = DT_VERDEF,
    .count_tag = DT_VERDEFNUM,
    .bytes = sizeof(ElfW(Verdef)),
    .n_names = offsetof(ElfW(Verdef), vd_cnt),
    .names = offsetof(ElfW(Verdef), vd_aux),
    .next = offsetof(ElfW(Verdef), vd_next),
    .name_bytes = sizeof(ElfW(Verdaux)),
    .name = offsetof(ElfW(Verdaux), vda_name),
    .name_next = offsetof(ElfW(Verdaux), vda_next),
    .index = UINT64_MAX,
    .entry_index = offsetof(ElfW(Verdef), vd_ndx),
};

static void note_version(struct reader *r, uint64_t offset)
{
    const uint32_t index = get_u16(r, offset) & 0x7FFF;
    if (index > r->version_max) r->version_max = index;
}

static bool read_version_names(struct reader *r, const struct version_list *list, uint64_t address, uint64_t n_names)
{
    for (uint64_t offset; n_names > 0; n_names--) {
        if (!in_file(r, address, list->name_bytes, &offset) || !string_at(r, get_u32(r, offset + list->name)))
            return false;
        if (list->index != UINT64_MAX) note_version(r, offset + list->index);
        const uint64_t next = get_u32(r, offset + list->name_next);
        if ((next == 0) != (n_names == 1)) return false;
        address += next;
    }
    return true;
}

static enum tg_status read_versions(struct reader *r, const struct version_list *list)
{
    uint64_t address, n, offset;
    if (!find(r, list->tag, &address)) return TG_OK;
    if (!find(r, list->count_tag, &n) || n == 0) return damaged(r, "its versions are not counted");
    for (; n > 0; n--) {
        if (!in_file(r, address, list->bytes, &offset) || get_u16(r, offset) != 1)
            return damaged(r, "its versions are not loaded");
        if (list == &needed && !string_at(r, get_u32(r, offset + offsetof(ElfW(Verneed), vn_file))))
            return damaged(r, "the library of a version has no name");
        if (list->entry_index != UINT64_MAX) note_version(r, offset + list->entry_index);
        if (!read_version_names(r, list, address + get_u32(r, offset + list->names),
                                get_u16(r, offset + list->n_names)))
            return damaged(r, "the names of its versions");
        const uint64_t next = get_u32(r, offset + list->next);
        if ((next == 0) != (n == 1)) return damaged(r, "its list of versions does not end where it should");
        address += next;
    }
    return TG_OK;
}

/* A symbol's version, if given, must be in one of the lists. */
static enum tg_status check_symbol_version(const struct reader *r, uint64_t i)
{
    uint64_t offset;
    if (r->versions == 0) return TG_OK;
    if (!in_file(r, r->versions + 2 * i, 2, &offset)) return damaged(r, "its symbols' versions are not loaded");
    const uint32_t version = get_u16(r, offset) & 0x7FFF; /* 0 and 1: local and global, in no list */
    if (version <= 1 || version <= r->version_max) return TG_OK;
    return damaged(r, "symbol %llu has a version that is not listed", (unsigned long long)i);
}

static enum tg_status read_symbol_versions(struct reader *r)
{
    TG_TRY(read_versions(r, &needed));
    TG_TRY(read_versions(r, &defined));
    (void)find(r, DT_VERSYM, &r->versions);
    for (uint64_t i = 0; i < r->n_symbols; i++) TG_TRY(check_symbol_version(r, i));
    return TG_OK;
}

/* ---- relocations, constructors and destructors ---- */

static enum tg_status find_functions(const struct reader *r, int64_t tag, int64_t bytes_tag, struct functions *out)
{
    uint64_t offset, bytes;
    if (!find_table(r, tag, bytes_tag, sizeof(ElfW(Addr)), &offset, &bytes))
        return damaged(r, "its constructors or destructors are not loaded");
    if (bytes > 0) (void)find(r, tag, &out->address);
    out->n = bytes / sizeof(ElfW(Addr));
    return TG_OK;
}

/* A relocation has written at `place`: an address inside the object's code, or something else. */
static enum tg_status note_function(struct reader *r, uint64_t place, bool code)
{
    struct functions *both[] = {&r->init, &r->fini};
    for (int i = 0; i < 2; i++) {
        if (!lies_in(place, sizeof(ElfW(Addr)), both[i]->address, both[i]->address + both[i]->n * sizeof(ElfW(Addr))))
            continue;
        if (!code) return damaged(r, "a constructor or destructor is not in its code");
        both[i]->n_relocated++;
    }
    return TG_OK;
}

static enum tg_status check_relocation(struct reader *r, const ElfW(Rela) * it)
{
    const uint32_t type = (uint32_t)ELF64_R_TYPE(it->r_info), symbol_index = (uint32_t)ELF64_R_SYM(it->r_info);
    const uint64_t addend = (uint64_t)it->r_addend;
    if (type == 0) return TG_OK;
    const unsigned bytes = relocation_bytes(type);
    if (bytes == 0) return damaged(r, "a relocation of type %u", type);
    if (!in_memory(r, it->r_offset, bytes, r->changes_text ? PF_R : PF_W))
        return damaged(r, "a relocation changes address 0x%llx, which cannot be written",
                       (unsigned long long)it->r_offset);
    if (symbol_index >= r->n_symbols_max) return damaged(r, "a relocation for symbol %u", symbol_index);
    TG_TRY(check_symbol(r, symbol_index)); /* the hash tables do not lead to every symbol */
    TG_TRY(check_symbol_version(r, symbol_index));
    const ElfW(Sym) symbol = symbol_at(r, symbol_index);
    const bool is_relative = (int)type == RELATIVE || (int)type == IRELATIVE;
    if (is_relative && symbol_index != 0) return damaged(r, "a relative relocation for symbol %u", symbol_index);
    if (relocation_is_tls(type) && symbol_index == 0 && r->tls_bytes == 0)
        return damaged(r, "a relocation for thread-local data, of which it has none");
    if (relocation_is_tls(type) && symbol_index != 0 && ELF64_ST_TYPE(symbol.st_info) != STT_TLS)
        return damaged(r, "a relocation for thread-local data, and symbol %u is none", symbol_index);
    if ((int)type == RELATIVE && !lies_in(addend, 0, r->first, r->end))
        return damaged(r, "a relative relocation leads to 0x%llx, outside of it", (unsigned long long)addend);
    if ((int)type == IRELATIVE && !is_code(r, addend))
        return damaged(r, "a function that chooses a function is not in its code");
    const bool to_code = is_relative ? is_code(r, addend) : symbol_index != 0;
    return note_function(r, it->r_offset, to_code);
}

static enum tg_status check_relocations(struct reader *r, int64_t tag, int64_t bytes_tag)
{
    uint64_t offset, bytes, n_relative = 0;
    if (!find_table(r, tag, bytes_tag, sizeof(ElfW(Rela)), &offset, &bytes))
        return damaged(r, "its relocations are not loaded");
    /* These come first, and the loader ignores their types. */
    if (tag == DT_RELA) (void)find(r, DT_RELACOUNT, &n_relative);
    const uint64_t n = bytes / sizeof(ElfW(Rela));
    if (n_relative > n)
        return damaged(r, "%llu of %llu relocations are relative", (unsigned long long)n_relative,
                       (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++) {
        ElfW(Rela) it;
        memcpy(&it, r->bytes + offset + i * sizeof it, sizeof it);
        if (i < n_relative && RELATIVE != -1 && ELF64_R_TYPE(it.r_info) != (uint64_t)RELATIVE)
            return damaged(r, "relocation %llu is not relative", (unsigned long long)i);
        TG_TRY(check_relocation(r, &it));
    }
    return TG_OK;
}

/* One relative relocation of the packed table; the addend is the old contents of its place. */
static enum tg_status check_packed(struct reader *r, uint64_t place)
{
    uint64_t offset;
    if (!in_memory(r, place, sizeof(ElfW(Addr)), r->changes_text ? PF_R : PF_W) ||
        !in_file(r, place, sizeof(ElfW(Addr)), &offset) || !lies_in(get_u64(r, offset), 0, r->first, r->end))
        return damaged(r, "a packed relocation changes address 0x%llx", (unsigned long long)place);
    return note_function(r, place, is_code(r, get_u64(r, offset)));
}

/* An even entry is an address to relocate; an odd one has a bit for each of the next 63 words. */
static enum tg_status check_packed_relocations(struct reader *r)
{
    uint64_t offset, bytes, place = 0;
    if (!find_table(r, DT_RELR, DT_RELRSZ, sizeof(uint64_t), &offset, &bytes) ||
        !entry_bytes_fit(r, DT_RELRENT, sizeof(uint64_t)))
        return damaged(r, "its packed relocations are not loaded");
    for (uint64_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        uint64_t entry = get_u64(r, offset + i * sizeof entry);
        if ((entry & 1) == 0) {
            TG_TRY(check_packed(r, entry));
            place = entry + sizeof(ElfW(Addr));
            continue;
        }
        for (uint64_t at = place; (entry >>= 1) != 0; at += sizeof(ElfW(Addr)))
            if (entry & 1) TG_TRY(check_packed(r, at));
        place += 63 * sizeof(ElfW(Addr));
    }
    return TG_OK;
}

static enum tg_status read_relocations(struct reader *r)
{
    uint64_t value;
    const bool plain = find(r, DT_REL, &value) || (find(r, DT_PLTREL, &value) && value != DT_RELA);
    if (plain || !entry_bytes_fit(r, DT_RELAENT, sizeof(ElfW(Rela)))) return damaged(r, "relocations of another kind");
    r->changes_text = find(r, DT_TEXTREL, &value) || (find(r, DT_FLAGS, &value) && value & DF_TEXTREL);
    TG_TRY(find_functions(r, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, &r->init));
    TG_TRY(find_functions(r, DT_FINI_ARRAY, DT_FINI_ARRAYSZ, &r->fini));
    TG_TRY(check_relocations(r, DT_RELA, DT_RELASZ));
    TG_TRY(check_relocations(r, DT_JMPREL, DT_PLTRELSZ));
    TG_TRY(check_packed_relocations(r));
    if (r->init.n_relocated != r->init.n || r->fini.n_relocated != r->fini.n)
        return damaged(r, "a constructor or destructor has no address");
    const bool bad_init = find(r, DT_INIT, &value) && !is_code(r, value);
    const bool bad_fini = find(r, DT_FINI, &value) && !is_code(r, value);
    if (bad_init || bad_fini) return damaged(r, "its first constructor or last destructor is not in its code");
    return TG_OK;
}

static bool wants_sanitizer(const struct reader *r)
{
    static const char *const runtimes[] = {"__asan_init", "__tsan_init", "__msan_init", "__hwasan_init"};
    for (uint64_t i = 0; i < r->n_symbols; i++) {
        const ElfW(Sym) symbol = symbol_at(r, i);
        for (size_t k = 0; symbol.st_shndx == SHN_UNDEF && k < sizeof runtimes / sizeof runtimes[0]; k++)
            if (strcmp(string_at(r, symbol.st_name), runtimes[k]) == 0) return true;
    }
    return false;
}

enum tg_status tg_object_read(struct tg_object *object, const void *bytes, size_t n_bytes, const char *what)
{
    struct reader r = {.what = what, .bytes = bytes, .n_bytes = n_bytes};
    TG_TRY(read_segments(&r));
    TG_TRY(read_strings(&r));
    TG_TRY(read_symbols(&r));
    TG_TRY(read_symbol_versions(&r));
    TG_TRY(read_relocations(&r));
    *object = (struct tg_object){
        .bytes = bytes,
        .n_bytes = n_bytes,
        .span = r.end - r.first + r.alignment,
        .symbols_offset = r.symbols,
        .n_symbols = r.n_symbols,
        .dynamic_offset = r.dynamic,
        .n_dynamic = r.n_dynamic,
        .wants_sanitizer = wants_sanitizer(&r),
    };
    return TG_OK;
}

/* Give a copy of the object symbols of its own, and its stamp. */
static void change_copy(const struct tg_object *object, uint8_t *copy, uint64_t stamp)
{
    for (uint64_t i = 0; i < object->n_symbols; i++) {
        uint8_t *info = copy + object->symbols_offset + i * sizeof(ElfW(Sym)) + offsetof(ElfW(Sym), st_info);
        if (ELF64_ST_BIND(*info) == STB_GNU_UNIQUE) *info = (uint8_t)ELF64_ST_INFO(STB_GLOBAL, ELF64_ST_TYPE(*info));
    }
    memcpy(copy + offsetof(ElfW(Ehdr), e_entry), &stamp, sizeof stamp);
}

/* Hide constructors and destructors of the copy from the loader. */
static void hide_functions(const struct tg_object *object, uint8_t *copy)
{
    for (uint64_t i = 0; i < object->n_dynamic; i++) {
        ElfW(Dyn) entry;
        uint8_t *at = copy + object->dynamic_offset + i * sizeof entry;
        memcpy(&entry, at, sizeof entry);
        const int64_t tag = entry.d_tag;
        if (tag != DT_INIT && tag != DT_FINI && tag != DT_INIT_ARRAY && tag != DT_FINI_ARRAY) continue;
        entry.d_tag += TG_TRIAL_TAG;
        memcpy(at, &entry, sizeof entry);
    }
}

static enum tg_status write_file(const struct tg_object *object, bool for_trial, struct tg_descriptor *file,
                                 const char *what)
{
    if (!tg_descriptor_memory(file, "tilegraph-module")) return tg_descriptor_error(what, "no file in memory");
    uint8_t *copy = malloc(object->n_bytes);
    bool done = copy != NULL;
    if (copy) {
        memcpy(copy, object->bytes, object->n_bytes);
        change_copy(object, copy, tg_object_stamp(file));
        if (for_trial) hide_functions(object, copy);
        done = tg_descriptor_append(file, copy, object->n_bytes) && tg_descriptor_seal(file);
        free(copy);
    }
    if (done) return TG_OK;
    const enum tg_status status = tg_descriptor_error(what, "its bytes cannot be kept");
    tg_descriptor_close(file);
    return status;
}

enum tg_status tg_object_file(const struct tg_object *object, struct tg_descriptor *file, const char *what)
{
    return write_file(object, false, file, what);
}

enum tg_status tg_object_trial_file(const struct tg_object *object, struct tg_descriptor *file, const char *what)
{
    return write_file(object, true, file, what);
}

/* Above all addresses of code. */
uint64_t tg_object_stamp(const struct tg_descriptor *file) { return (uint64_t)1 << 62 | file->inode; }

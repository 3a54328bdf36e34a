#define _GNU_SOURCE /* mempcpy, memrchr, rawmemchr, qsort_r */
#include "check/memory/libc_calls.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wchar.h>

#include "base/error.h"
#include "check/memory/plain.h"

/* The address of the call in the object. Only functions of the table use it; they are never inlined. */
#define PC __builtin_return_address(0)

static void reads(const void *from, size_t bytes, const void *pc) { tg_plain_tell(from, bytes, TG_PLAIN_LOAD, pc); }
static void writes(const void *to, size_t bytes, const void *pc) { tg_plain_tell(to, bytes, TG_PLAIN_STORE, pc); }

static void copies(const void *to, const void *from, size_t bytes, const void *pc)
{
    reads(from, bytes, pc);
    writes(to, bytes, pc);
}

/* ---- bytes ---- */

static void *told_memcpy(void *to, const void *from, size_t n)
{
    copies(to, from, n, PC);
    return memcpy(to, from, n);
}

static void *told_mempcpy(void *to, const void *from, size_t n)
{
    copies(to, from, n, PC);
    return mempcpy(to, from, n);
}

static void *told_memmove(void *to, const void *from, size_t n)
{
    copies(to, from, n, PC);
    return memmove(to, from, n);
}

static void told_bcopy(const void *from, void *to, size_t n)
{
    copies(to, from, n, PC);
    memmove(to, from, n);
}

static void *told_memccpy(void *to, const void *from, int c, size_t n)
{
    const void *found = memchr(from, c, n);
    const size_t bytes = found ? (size_t)((const char *)found - (const char *)from) + 1 : n;
    copies(to, from, bytes, PC);
    return memccpy(to, from, c, n);
}

static void *told_memset(void *to, int value, size_t n)
{
    writes(to, n, PC);
    return memset(to, value, n);
}

static void told_bzero(void *to, size_t n)
{
    writes(to, n, PC);
    memset(to, 0, n);
}

static void told_explicit_bzero(void *to, size_t n)
{
    writes(to, n, PC);
    explicit_bzero(to, n);
}

static int told_memcmp(const void *one, const void *other, size_t n)
{
    reads(one, n, PC);
    reads(other, n, PC);
    return memcmp(one, other, n);
}

/* Up to the byte that was found, inclusive. */
static size_t bytes_to(const void *from, const void *found, size_t n)
{
    return found ? (size_t)((const char *)found - (const char *)from) + 1 : n;
}

static void *told_memchr(const void *from, int c, size_t n)
{
    void *found = memchr(from, c, n);
    reads(from, bytes_to(from, found, n), PC);
    return found;
}

static void *told_rawmemchr(const void *from, int c)
{
    void *found = rawmemchr(from, c);
    reads(from, bytes_to(from, found, 0), PC);
    return found;
}

static void *told_memrchr(const void *from, int c, size_t n)
{
    reads(from, n, PC);
    return memrchr(from, c, n);
}

static void *told_memmem(const void *in, size_t n_in, const void *what, size_t n_what)
{
    reads(in, n_in, PC);
    reads(what, n_what, PC);
    return memmem(in, n_in, what, n_what);
}

static void told_swab(const void *from, void *to, ssize_t n)
{
    if (n > 1) copies(to, from, (size_t)n & ~(size_t)1, PC);
    swab(from, to, n);
}

/* ---- wide characters ---- */

static wchar_t *told_wmemcpy(wchar_t *to, const wchar_t *from, size_t n)
{
    copies(to, from, n * sizeof *to, PC);
    return wmemcpy(to, from, n);
}

static wchar_t *told_wmempcpy(wchar_t *to, const wchar_t *from, size_t n)
{
    copies(to, from, n * sizeof *to, PC);
    return wmempcpy(to, from, n);
}

static wchar_t *told_wmemmove(wchar_t *to, const wchar_t *from, size_t n)
{
    copies(to, from, n * sizeof *to, PC);
    return wmemmove(to, from, n);
}

static wchar_t *told_wmemset(wchar_t *to, wchar_t value, size_t n)
{
    writes(to, n * sizeof *to, PC);
    return wmemset(to, value, n);
}

/* ---- strings ---- */

static size_t told_strlen(const char *from)
{
    const size_t n = strlen(from);
    reads(from, n + 1, PC);
    return n;
}

static size_t told_strnlen(const char *from, size_t most)
{
    const size_t n = strnlen(from, most);
    reads(from, n < most ? n + 1 : n, PC);
    return n;
}

static char *told_strcpy(char *to, const char *from)
{
    copies(to, from, strlen(from) + 1, PC);
    return strcpy(to, from); /* NOLINT: the object asked for it */
}

static char *told_stpcpy(char *to, const char *from)
{
    copies(to, from, strlen(from) + 1, PC);
    return stpcpy(to, from);
}

/* strncpy and stpncpy fill up to n. */
static void tell_strncpy(char *to, const char *from, size_t n, const void *pc)
{
    const size_t length = strnlen(from, n);
    reads(from, length < n ? length + 1 : n, pc);
    writes(to, n, pc);
}

static char *told_strncpy(char *to, const char *from, size_t n)
{
    tell_strncpy(to, from, n, PC);
    return memcpy(memset(to, 0, n), from, strnlen(from, n));
}

static char *told_stpncpy(char *to, const char *from, size_t n)
{
    tell_strncpy(to, from, n, PC);
    return stpncpy(to, from, n);
}

static char *told_strcat(char *to, const char *from)
{
    const size_t length = strlen(to);
    reads(to, length + 1, PC);
    copies(to + length, from, strlen(from) + 1, PC);
    return strcat(to, from); /* NOLINT: the object asked for it */
}

static char *told_strncat(char *to, const char *from, size_t n)
{
    const size_t length = strlen(to), more = strnlen(from, n);
    reads(to, length + 1, PC);
    reads(from, more < n ? more + 1 : n, PC);
    writes(to + length, more + 1, PC);
    return strncat(to, from, n);
}

/* Two strings are read up to the first difference, or to their end. */
static void tell_strcmp(const char *one, const char *other, size_t most, const void *pc)
{
    size_t n = 0;
    while (n < most && one[n] == other[n] && one[n] != '\0') n++;
    reads(one, n < most ? n + 1 : n, pc);
    reads(other, n < most ? n + 1 : n, pc);
}

static int told_strcmp(const char *one, const char *other)
{
    tell_strcmp(one, other, SIZE_MAX, PC);
    return strcmp(one, other);
}

static int told_strncmp(const char *one, const char *other, size_t n)
{
    tell_strcmp(one, other, n, PC);
    return strncmp(one, other, n);
}

static char *told_strchr(const char *from, int c)
{
    reads(from, strlen(from) + 1, PC);
    return strchr(from, c);
}

static char *told_strrchr(const char *from, int c)
{
    reads(from, strlen(from) + 1, PC);
    return strrchr(from, c);
}

/* ---- text ---- */

static int told_vsnprintf(char *to, size_t n, const char *format, va_list args)
{
    const int length = vsnprintf(to, n, format, args);
    if (length >= 0 && n > 0) writes(to, (size_t)length < n ? (size_t)length + 1 : n, PC);
    return length;
}

static int told_snprintf(char *to, size_t n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(to, n, format, args);
    va_end(args);
    if (length >= 0 && n > 0) writes(to, (size_t)length < n ? (size_t)length + 1 : n, PC);
    return length;
}

static int told_sprintf(char *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsprintf(to, format, args);
    va_end(args);
    if (length >= 0) writes(to, (size_t)length + 1, PC);
    return length;
}

static size_t told_fwrite(const void *from, size_t size, size_t n, FILE *stream)
{
    reads(from, size * n, PC);
    return fwrite(from, size, n, stream);
}

static size_t told_fread(void *to, size_t size, size_t n, FILE *stream)
{
    const size_t got = fread(to, size, n, stream);
    writes(to, size * got, PC);
    return got;
}

/* ---- sorting ---- */

static void sorts(void *array, size_t n, size_t size, const void *pc)
{
    reads(array, n * size, pc);
    writes(array, n * size, pc);
}

/* The comparison may be given copies on the heap of the C library. */
static void told_qsort(void *array, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    sorts(array, n, size, PC);
    tg_plain_enter_library();
    qsort(array, n, size, compare);
    tg_plain_leave_library();
}

static void told_qsort_r(void *array, size_t n, size_t size, int (*compare)(const void *, const void *, void *),
                         void *context)
{
    sorts(array, n, size, PC);
    tg_plain_enter_library();
    qsort_r(array, n, size, compare, context);
    tg_plain_leave_library();
}

/* ---- the heap ---- */

static void *told_malloc(size_t bytes)
{
    void *block = malloc(bytes);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static void *told_calloc(size_t n, size_t bytes)
{
    void *block = calloc(n, bytes);
    tg_plain_own((uintptr_t)block, n * bytes);
    return block;
}

static void *told_realloc(void *old, size_t bytes)
{
    const uintptr_t before = (uintptr_t)old;
    const size_t bytes_before = tg_plain_disown(before);
    void *block = realloc(old, bytes);
    if (block) tg_plain_own((uintptr_t)block, bytes);
    else if (bytes > 0) tg_plain_own(before, bytes_before); /* it is as it was */
    return block;
}

static void *told_aligned_alloc(size_t alignment, size_t bytes)
{
    void *block = aligned_alloc(alignment, bytes);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static int told_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    const int error = posix_memalign(block, alignment, bytes);
    if (error == 0) tg_plain_own((uintptr_t)*block, bytes);
    return error;
}

static void told_free(void *block)
{
    tg_plain_disown((uintptr_t)block);
    free(block);
}

/* ---- functions of other libraries, or with checked arguments: call the one that the loader found ---- */

typedef void *real_new_fn(size_t bytes);
typedef void *real_new_aligned_fn(size_t bytes, size_t alignment);
typedef void *real_copy_chk_fn(void *to, const void *from, size_t n, size_t room);
typedef void *real_set_chk_fn(void *to, int value, size_t n, size_t room);
typedef char *real_string_chk_fn(char *to, const char *from, size_t room);
typedef void real_atomic_load_fn(size_t n, const void *at, void *out, int order);
typedef void real_atomic_store_fn(size_t n, void *at, const void *value, int order);
typedef void real_atomic_exchange_fn(size_t n, void *at, const void *value, void *out, int order);
typedef bool real_atomic_compare_fn(size_t n, void *at, void *expected, const void *value, int order, int otherwise);

static struct {
    real_new_fn *new_one, *new_array;
    real_new_aligned_fn *new_aligned, *new_array_aligned;
    real_copy_chk_fn *memcpy_chk, *mempcpy_chk, *memmove_chk;
    real_set_chk_fn *memset_chk;
    real_string_chk_fn *strcpy_chk, *stpcpy_chk, *strcat_chk;
    real_copy_chk_fn *strncpy_chk;
    real_atomic_load_fn *atomic_load;
    real_atomic_store_fn *atomic_store;
    real_atomic_exchange_fn *atomic_exchange;
    real_atomic_compare_fn *atomic_compare;
} real; /* writer: tg_libc_calls_bind, always the same values */

static void *told_new(size_t bytes)
{
    void *block = real.new_one(bytes);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static void *told_new_array(size_t bytes)
{
    void *block = real.new_array(bytes);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static void *told_new_aligned(size_t bytes, size_t alignment)
{
    void *block = real.new_aligned(bytes, alignment);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static void *told_new_array_aligned(size_t bytes, size_t alignment)
{
    void *block = real.new_array_aligned(bytes, alignment);
    tg_plain_own((uintptr_t)block, bytes);
    return block;
}

static void *told_memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
    copies(to, from, n, PC);
    return real.memcpy_chk(to, from, n, room);
}

static void *told_mempcpy_chk(void *to, const void *from, size_t n, size_t room)
{
    copies(to, from, n, PC);
    return real.mempcpy_chk(to, from, n, room);
}

static void *told_memmove_chk(void *to, const void *from, size_t n, size_t room)
{
    copies(to, from, n, PC);
    return real.memmove_chk(to, from, n, room);
}

static void *told_memset_chk(void *to, int value, size_t n, size_t room)
{
    writes(to, n, PC);
    return real.memset_chk(to, value, n, room);
}

static char *told_strcpy_chk(char *to, const char *from, size_t room)
{
    copies(to, from, strlen(from) + 1, PC);
    return real.strcpy_chk(to, from, room);
}

static char *told_stpcpy_chk(char *to, const char *from, size_t room)
{
    copies(to, from, strlen(from) + 1, PC);
    return real.stpcpy_chk(to, from, room);
}

static char *told_strcat_chk(char *to, const char *from, size_t room)
{
    const size_t length = strlen(to);
    reads(to, length + 1, PC);
    copies(to + length, from, strlen(from) + 1, PC);
    return real.strcat_chk(to, from, room);
}

static void *told_strncpy_chk(void *to, const void *from, size_t n, size_t room)
{
    tell_strncpy(to, from, n, PC);
    return real.strncpy_chk(to, from, n, room);
}

static void told_atomic_load(size_t n, const void *at, void *out, int order)
{
    tg_plain_tell(at, n, TG_ATOMIC_LOAD, PC);
    (real.atomic_load)(n, at, out, order); /* in brackets: <stdatomic.h> has a macro of this name */
}

static void told_atomic_store(size_t n, void *at, const void *value, int order)
{
    tg_plain_tell(at, n, TG_ATOMIC_STORE, PC);
    (real.atomic_store)(n, at, value, order);
}

static void told_atomic_exchange(size_t n, void *at, const void *value, void *out, int order)
{
    tg_plain_tell(at, n, TG_ATOMIC_UPDATE, PC);
    (real.atomic_exchange)(n, at, value, out, order);
}

static bool told_atomic_compare(size_t n, void *at, void *expected, const void *value, int order, int otherwise)
{
    tg_plain_tell(at, n, TG_ATOMIC_UPDATE, PC);
    return (real.atomic_compare)(n, at, expected, value, order, otherwise);
}

/* ---- the table ---- */

typedef void any_fn(void);

/* real NULL: the function of the same name that this library has. */
struct told_function {
    const char *name;
    any_fn *told, *ours; /* ours NULL: `found` keeps the one that the loader found */
    any_fn **found;
};

#define OURS(name)                                                                                                     \
    {                                                                                                                  \
#name, (any_fn *)told_##name, (any_fn *)(name), NULL                                                           \
    }
#define ALSO(alias, name)                                                                                              \
    {                                                                                                                  \
#alias, (any_fn *)told_##name, (any_fn *)(name), NULL                                                          \
    }
#define FOUND(alias, name)                                                                                             \
    {                                                                                                                  \
#alias, (any_fn *)told_##name, NULL, (any_fn **)(void *)&real.name                                             \
    }
#define FOUND_NEW(alias, name, slot)                                                                                   \
    {                                                                                                                  \
#alias, (any_fn *)told_##name, NULL, (any_fn **)(void *)&real.slot                                             \
    }

static const struct told_function told_functions[] = {
    OURS(memcpy),
    OURS(mempcpy),
    ALSO(__mempcpy, mempcpy),
    OURS(memmove),
    OURS(bcopy),
    OURS(memccpy),
    OURS(memset),
    OURS(bzero),
    OURS(explicit_bzero),
    OURS(memcmp),
    ALSO(bcmp, memcmp),
    OURS(memchr),
    OURS(rawmemchr),
    OURS(memrchr),
    OURS(memmem),
    OURS(swab),
    OURS(wmemcpy),
    OURS(wmempcpy),
    OURS(wmemmove),
    OURS(wmemset),
    OURS(strlen),
    OURS(strnlen),
    OURS(strcpy),
    OURS(stpcpy),
    ALSO(__stpcpy, stpcpy),
    OURS(strncpy),
    OURS(stpncpy),
    OURS(strcat),
    OURS(strncat),
    OURS(strcmp),
    OURS(strncmp),
    OURS(strchr),
    OURS(strrchr),
    OURS(snprintf),
    OURS(vsnprintf),
    OURS(sprintf),
    OURS(fwrite),
    OURS(fread),
    OURS(qsort),
    OURS(qsort_r),
    OURS(malloc),
    OURS(calloc),
    OURS(realloc),
    OURS(aligned_alloc),
    OURS(posix_memalign),
    OURS(free),
    FOUND_NEW(_Znwm, new, new_one),
    FOUND_NEW(_Znam, new_array, new_array),
    FOUND_NEW(_ZnwmSt11align_val_t, new_aligned, new_aligned),
    FOUND_NEW(_ZnamSt11align_val_t, new_array_aligned, new_array_aligned),
    FOUND(__memcpy_chk, memcpy_chk),
    FOUND(__mempcpy_chk, mempcpy_chk),
    FOUND(__memmove_chk, memmove_chk),
    FOUND(__memset_chk, memset_chk),
    FOUND(__strcpy_chk, strcpy_chk),
    FOUND(__stpcpy_chk, stpcpy_chk),
    FOUND(__strcat_chk, strcat_chk),
    FOUND(__strncpy_chk, strncpy_chk),
    FOUND(__atomic_load, atomic_load),
    FOUND(__atomic_store, atomic_store),
    FOUND(__atomic_exchange, atomic_exchange),
    FOUND(__atomic_compare_exchange, atomic_compare),
};
enum { N_TOLD = sizeof told_functions / sizeof told_functions[0] };

static const struct told_function *told_by(const char *name)
{
    for (size_t i = 0; i < N_TOLD; i++)
        if (strcmp(told_functions[i].name, name) == 0) return &told_functions[i];
    return NULL;
}

static void *address_of(any_fn *function)
{
    void *address;
    memcpy(&address, &function, sizeof address); /* ISO C has no cast between the two */
    return address;
}

static void *bind_told(void *context, const char *name, void *function)
{
    (void)context;
    const struct told_function *told = told_by(name);
    if (!told || function == address_of(told->told)) return NULL;
    if (!told->ours) memcpy(told->found, &function, sizeof function);
    return address_of(told->told);
}

static void *bind_real(void *context, const char *name, void *function)
{
    (void)context;
    const struct told_function *told = told_by(name);
    if (!told || function != address_of(told->told)) return NULL;
    return address_of(told->ours ? told->ours : *told->found);
}

void tg_libc_calls_bind(const struct tg_module *module, bool tell)
{
    tg_imports_bind(module, tell ? bind_told : bind_real, NULL);
}

/* ---- unknown functions ---- */

/* They use no memory that their caller names, except for text that they print or words on its stack. A name that ends
 * in * covers all names with this beginning: strings, streams and containers, deleting, throwing and unwinding in C++,
 * and registers in a compiler's library. */
static const char *const harmless[] = {
    "abort",
    "exit",
    "_exit",
    "abs",
    "labs",
    "llabs",
    "printf",
    "puts",
    "putchar",
    "fprintf",
    "fputs",
    "fputc",
    "fflush",
    "perror",
    "__printf_chk",
    "__fprintf_chk",
    "__cxa_*",
    "_ZSt*",
    "_ZNSt7__cxx11*",
    "_ZNKSt7__cxx11*",
    "_ZNSolsE*",
    "_ZNSo3putEc",
    "_ZNSo5flushEv",
    "_ZNSo9_M_insert*",
    "_ZNSt8ios_base*",
    "_ZNSt9basic_ios*",
    "_ZNSt6locale*",
    "_ZNKSt5ctypeIcE13_M_widen_initEv",
    "_ZNKSt8__detail*",
    "_ZNSt9exception*",
    "_ZNKSt9exception*",
    "_ZNSt13runtime_error*",
    "_ZNSt11logic_error*",
    "_ZNSt16invalid_argument*",
    "_ZNSt12out_of_range*",
    "_ZNSt6chrono*",
    "_Zd*",
    "_Unwind_*",
    "__g*_personality_v0",
    "_ITM_*",
    "__gmon_start__",
    "__stack_chk_fail",
    "__assert_fail",
    "__errno_location",
    "__tls_get_addr",
    "__atomic_feraiseexcept",
    "bsearch",
    "time",
    "clock",
    "clock_gettime",
    "gettimeofday",
};

static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (!star) return strcmp(pattern, name) == 0;
    const size_t before = (size_t)(star - pattern), after = strlen(star + 1), length = strlen(name);
    return length >= before + after && strncmp(pattern, name, before) == 0 &&
           strcmp(name + length - after, star + 1) == 0;
}

/* Functions of the mathematical library that write to an address. */
static const char *const mathematical_outputs[] = {"frexp*", "modf*", "remquo*", "sincos*", "lgamma*", "nan*"};

static bool is_one_of(const char *const *patterns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (matches(patterns[i], name)) return true;
    return false;
}
#define IS_ONE_OF(patterns, name) is_one_of(patterns, sizeof(patterns) / sizeof(patterns)[0], name)

/* Does the function lie in a library of that name? */
static bool is_of(const void *function, const char *library)
{
    Dl_info info;
    if (dladdr(function, &info) == 0 || !info.dli_fname) return false;
    const char *file = tg_base_name(info.dli_fname);
    return strncmp(file, library, strlen(library)) == 0;
}

struct unknown {
    void (*visit)(void *context, const char *name);
    void *context;
};

static void visit_unknown(void *context, const char *name, void *function)
{
    const struct unknown *unknown = context;
    if (told_by(name) || IS_ONE_OF(harmless, name) || is_of(function, "libgcc_s.so")) return;
    if (is_of(function, "libm.so") && !IS_ONE_OF(mathematical_outputs, name)) return;
    unknown->visit(unknown->context, name);
}

void tg_libc_calls_unknown(const struct tg_module *module, void (*visit)(void *context, const char *name),
                           void *context)
{
    tg_imports_each(module, visit_unknown, &(struct unknown){visit, context});
}

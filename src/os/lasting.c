#include "os/lasting.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <printf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "os/escapes.h"
#include "os/guard.h"
#include "os/refused.h"

/* ---- pointers ---- */

static int lasting_putenv(char *variable)
{
    if (!tg_guard_is_watched()) return putenv(variable);
    const char *value = strchr(variable, '=');
    if (!value) return unsetenv(variable);
    char *name = strndup(variable, (size_t)(value - variable));
    const int error = name ? setenv(name, value + 1, 1) : -1;
    free(name);
    return error;
}

/* The C library then uses a buffer of its own. */
static char *buffer_of(char *buffer) { return tg_guard_is_watched() ? NULL : buffer; }

static int lasting_setvbuf(FILE *stream, char *buffer, int mode, size_t bytes)
{
    return setvbuf(stream, buffer_of(buffer), mode, bytes);
}

static void lasting_setbuffer(FILE *stream, char *buffer, size_t bytes)
{
    (void)setvbuf(stream, buffer_of(buffer), buffer ? _IOFBF : _IONBF, bytes);
}

static void lasting_setbuf(FILE *stream, char *buffer) { lasting_setbuffer(stream, buffer, BUFSIZ); }

/* ---- functions that would be called after the object is gone ---- */

static int refused_on_exit(void (*fn)(int code, void *arg), void *arg) { return tg_refused() ? -1 : on_exit(fn, arg); }

/* at_quick_exit and pthread_atfork, which objects contain, call these two. No header declares them. */
int __cxa_at_quick_exit(void (*fn)(void *arg), void *object);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object);

static int refused_at_quick_exit(void (*fn)(void *arg), void *object)
{
    return tg_refused() ? -1 : __cxa_at_quick_exit(fn, object);
}

static int refused_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
{
    return tg_refused() ? EPERM : __register_atfork(prepare, parent, child, object);
}

static int refused_printf_specifier(int letter, printf_function *print, printf_arginfo_size_function *size)
{
    return tg_refused() ? -1 : register_printf_specifier(letter, print, size);
}

/* An older function of the same kind, which glibc warns of. */
int older_printf_function(int letter, printf_function *print,
                          printf_arginfo_function *size) __asm__("register_printf_function");

static int refused_printf_function(int letter, printf_function *print, printf_arginfo_function *size)
{
    return tg_refused() ? -1 : older_printf_function(letter, print, size);
}

static int refused_printf_type(printf_va_arg_function *take) { return tg_refused() ? -1 : register_printf_type(take); }

static int refused_printf_modifier(const wchar_t *letters)
{
    return tg_refused() ? -1 : register_printf_modifier(letters);
}

static FILE *refused_fopencookie(void *cookie, const char *mode, cookie_io_functions_t functions)
{
    return tg_refused() ? NULL : fopencookie(cookie, mode, functions);
}

/* ---- keys ---- */

typedef void destructor_fn(void *value);

/* Those that foreign code has created. Relaxed: a key comes to another thread by other ways. */
static atomic_bool is_foreign[PTHREAD_KEYS_MAX];

/* The key works, and its values are never destroyed: threads outlive objects. */
static int lasting_key_create(pthread_key_t *key, destructor_fn *destructor)
{
    if (!tg_guard_is_watched()) return pthread_key_create(key, destructor);
    const int error = pthread_key_create(key, NULL);
    if (error == 0) atomic_store_explicit(&is_foreign[*key], true, memory_order_relaxed);
    return error;
}

static int lasting_key_delete(pthread_key_t key)
{
    const bool known = key < PTHREAD_KEYS_MAX &&
                       atomic_exchange_explicit(&is_foreign[key], false, memory_order_relaxed);
    return !known && tg_refused() ? EPERM : pthread_key_delete(key);
}

static int lasting_tss_create(tss_t *key, tss_dtor_t destructor)
{
    pthread_key_t made = 0;
    const int error = lasting_key_create(&made, destructor);
    *key = made;
    return error == 0 ? thrd_success : thrd_error;
}

static void lasting_tss_delete(tss_t key) { (void)lasting_key_delete(key); }

/* ---- objects ---- */

/* An object that closes itself would be missing at its next call. Another may be in use by others, whose openings
 * cannot be told from its own. */
static int lasting_dlclose(void *handle)
{
    struct link_map *closed = NULL, *own = NULL;
    Dl_info info;
    const uintptr_t text = tg_guard_text().low;
    if (!tg_guard_is_watched()) return dlclose(handle);
    if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &closed) != 0) return -1;
    const bool knows = text != 0 && dladdr1((void *)text, &info, (void **)&own, RTLD_DL_LINKMAP) != 0;
    return knows && closed == own && tg_refused() ? -1 : 0;
}

/* A list of the loaded objects, with copies of what the loader owns. */
struct listed {
    struct dl_phdr_info info;
    size_t bytes;
    struct listed *next;
    ElfW(Phdr) headers[]; /* then the name */
};

struct list {
    struct listed *first, **last;
    bool is_short; /* no memory */
};

static int add_object(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct list *list = arg;
    const size_t n_headers = info->dlpi_phnum, name_bytes = strlen(info->dlpi_name) + 1;
    struct listed *listed = malloc(sizeof *listed + n_headers * sizeof listed->headers[0] + name_bytes);
    list->is_short = !listed;
    if (!listed) return 1;
    *listed = (struct listed){.info = *info, .bytes = bytes};
    char *name = (char *)&listed->headers[n_headers];
    memcpy(listed->headers, info->dlpi_phdr, n_headers * sizeof listed->headers[0]);
    memcpy(name, info->dlpi_name, name_bytes);
    listed->info.dlpi_phdr = listed->headers;
    listed->info.dlpi_name = name;
    *list->last = listed;
    list->last = &listed->next;
    return 0;
}

typedef int visit_fn(struct dl_phdr_info *info, size_t bytes, void *arg);

/* The loader holds a lock while it calls a function. Nobody would release it if the function does not end. */
static int lasting_iterate_phdr(visit_fn *visit, void *arg)
{
    struct list list = {.last = &list.first};
    int result = 0;
    if (!tg_guard_is_watched()) return dl_iterate_phdr(visit, arg);
    tg_guard_enter_runtime();
    dl_iterate_phdr(add_object, &list);
    tg_guard_leave_runtime();
    for (struct listed *at = list.first; at && result == 0 && !list.is_short; at = at->next)
        result = visit(&at->info, at->bytes, arg);
    for (struct listed *next; list.first; list.first = next) {
        next = list.first->next;
        free(list.first);
    }
    return result;
}

static const struct tg_escape calls[] = {
    TG_ESCAPE("putenv", lasting_putenv),
    TG_ESCAPE("setvbuf", lasting_setvbuf),
    TG_ESCAPE("_IO_setvbuf", lasting_setvbuf),
    TG_ESCAPE("setbuf", lasting_setbuf),
    TG_ESCAPE("setbuffer", lasting_setbuffer),
    TG_ESCAPE("_IO_setbuffer", lasting_setbuffer),
    TG_ESCAPE("on_exit", refused_on_exit),
    TG_ESCAPE("__cxa_at_quick_exit", refused_at_quick_exit),
    TG_ESCAPE("__register_atfork", refused_atfork),
    TG_ESCAPE("register_printf_specifier", refused_printf_specifier),
    TG_ESCAPE("register_printf_function", refused_printf_function),
    TG_ESCAPE("register_printf_type", refused_printf_type),
    TG_ESCAPE("register_printf_modifier", refused_printf_modifier),
    TG_ESCAPE("fopencookie", refused_fopencookie),
    TG_ESCAPE("_IO_fopencookie", refused_fopencookie),
    TG_ESCAPE("pthread_key_create", lasting_key_create),
    TG_ESCAPE("__pthread_key_create", lasting_key_create),
    TG_ESCAPE("pthread_key_delete", lasting_key_delete),
    TG_ESCAPE("tss_create", lasting_tss_create),
    TG_ESCAPE("tss_delete", lasting_tss_delete),
    TG_ESCAPE("dlclose", lasting_dlclose),
    TG_ESCAPE("dl_iterate_phdr", lasting_iterate_phdr),
};

void *tg_lasting_find(const char *name) { return tg_escape_find(calls, sizeof calls / sizeof calls[0], name); }

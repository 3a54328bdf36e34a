/*
 * Shared objects that are none, or not quite: a real one with patches out of bytes, or with one bit that is another
 * one, or the bytes themselves.
 *
 * What must hold: setting them as an orchestration gives a status and a message, and leaves this process as it was,
 * with no child, no descriptor and no memory more. What opens in the runtime's trial is then loaded as a kernel and as
 * a plugin in a process of its own, and that process lives.
 *
 * Input: a byte that says which; then the object; or offset (2) and bit (1) of a flip; or patches of it: where (1
 * byte), offset (2), how (1), value.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "session.h"

enum { GM_BYTES = 1 << 20, REGIONS_MAX = 32, RAW = 0xFF, FLIP = 2 };

static struct tg_device *device;
static uint8_t *object;
static size_t n_object;

/* Stretches of the object that the loader reads. */
static struct region {
    size_t offset, bytes;
} regions[REGIONS_MAX];
static uint32_t n_regions;

static void add_region(size_t offset, size_t bytes)
{
    if (bytes == 0 || offset > n_object || bytes > n_object - offset || n_regions == REGIONS_MAX) return;
    regions[n_regions++] = (struct region){offset, bytes};
}

/* Headers, dynamic section, symbols, names, relocations, arrays of constructors; last the whole object. */
static void find_regions(void)
{
    ElfW(Ehdr) header;
    memcpy(&header, object, sizeof header);
    add_region(0, sizeof header);
    add_region(header.e_phoff, (size_t)header.e_phnum * header.e_phentsize);
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        ElfW(Shdr) section;
        memcpy(&section, object + header.e_shoff + i * sizeof section, sizeof section);
        if (section.sh_flags & SHF_ALLOC && section.sh_type != SHT_NOBITS && !(section.sh_flags & SHF_EXECINSTR))
            add_region(section.sh_offset, section.sh_size);
    }
    add_region(0, n_object);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    device = fuzz_open_device(GM_BYTES, true);
    object = fuzz_read_module("plain_object", &n_object);
    find_regions();
    return 0;
}

/* ---- the object -------------------------------------------------------------------------------------------------- */

static uint64_t draw_value(struct fuzz_input *in, uint8_t how, uint64_t old)
{
    static const uint64_t values[] = {0, 1, 2, 6, 7, 0x7F, 0xFF, 0x1000, 0x7FFFFFFF, 0xFFFFFFFF, INT64_MAX, UINT64_MAX};
    switch (how >> 2 & 7) {
    case 0: return values[fuzz_below(in, sizeof values / sizeof values[0])];
    case 1: return old + (uint64_t)(int64_t)(int8_t)fuzz_u8(in);
    case 2: return old ^ (1ull << (fuzz_u8(in) & 63));
    case 3: return fuzz_u16(in);
    case 4: return n_object - fuzz_u8(in);
    default: return fuzz_u64(in);
    }
}

static void patch(struct fuzz_input *in, uint8_t *bytes, size_t n_bytes)
{
    const struct region *region = &regions[fuzz_below(in, n_regions)];
    size_t at = region->offset + fuzz_u16(in) % region->bytes;
    uint8_t how = fuzz_u8(in);
    size_t width = (size_t)1 << (how & 3);
    if (how & 64) at &= ~(width - 1);
    if (at > n_bytes || width > n_bytes - at) return;
    uint64_t value = 0;
    memcpy(&value, bytes + at, width);
    value = draw_value(in, how, value);
    memcpy(bytes + at, &value, width);
}

/* The object of an input; the caller's, to be freed. */
static uint8_t *make_object(const uint8_t *bytes, size_t n_bytes, size_t *n_made)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    uint8_t which = fuzz_u8(&in);
    bool raw = which == RAW;
    *n_made = raw ? (size_t)(in.end - in.at) : which & 1 ? fuzz_u16(&in) % n_object : n_object;
    uint8_t *made = malloc(*n_made + 1);
    FUZZ_CHECK(made, "no memory");
    memcpy(made, raw ? in.at : object, *n_made);
    if (!raw && (which & 3) == FLIP) {
        const size_t at = fuzz_u16(&in) % n_object; /* not truncated: FLIP is even */
        made[at] ^= (uint8_t)(1u << fuzz_u8(&in) % 8);
        return made;
    }
    while (!raw && !fuzz_is_over(&in)) patch(&in, made, *n_made);
    return made;
}

/* ---- the trial --------------------------------------------------------------------------------------------------- */

static enum tg_status set_orchestration(struct tg_program *program, const uint8_t *made, size_t n_made)
{
    enum tg_status status = tg_program_set_orchestration(program, made, n_made, "orchestration");
    bool named = status == TG_OK || status == TG_ERR_LOAD || status == TG_ERR_SYMBOL || status == TG_ERR_ABI;
    FUZZ_CHECK(named, "%s: %s", tg_status_name(status), tg_last_message());
    if (status != TG_OK) FUZZ_CHECK(tg_last_message()[0], "no message for %s", tg_status_name(status));
    return status;
}

/* How a message begins says what the loader found; behind that come names out of the object, each of them another. */
static void reached(enum tg_status status)
{
    char beginning[12] = "";
    const char *reason = status == TG_OK ? NULL : strstr(tg_last_message(), ": ");
    if (reason) (void)snprintf(beginning, sizeof beginning, "%s", reason);
    fuzz_reached(beginning);
}

/* The lowest descriptor that is free. */
static int free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0, "no descriptor");
    close(fd);
    return fd;
}

/* In a process of its own: load it as kernel and as plugin and run it once. */
static _Noreturn void load_and_run(const uint8_t *made, size_t n_made)
{
    float out[8];
    const struct tg_tensor tensor = {"out", out, sizeof out, 8, TG_OUT};
    struct tg_program *program = NULL;
    struct tg_run *run = NULL;
    struct tg_run_config config;
    tg_run_config_init(&config);
    config.block_dim = 1;
    (void)alarm(10);
    if (tg_program_open(device, &program) != TG_OK) _exit(1);
    enum tg_status status = tg_program_add_kernel(program, 0, TG_AIV, "kernel", made, n_made);
    if (status == TG_OK) status = tg_program_set_orchestration(program, made, n_made, "orchestration");
    if (status == TG_OK) status = tg_run_open(program, &config, &tensor, 1, &run);
    if (status == TG_OK) status = tg_run_wait(run);
    tg_run_close(run);
    tg_program_close(program);
    _exit(status == TG_OK || tg_last_message()[0] ? 0 : 2);
}

static void check_load(const uint8_t *made, size_t n_made)
{
    int state = 0;
    pid_t child = fork();
    FUZZ_CHECK(child >= 0, "no process");
    if (child == 0) load_and_run(made, n_made);
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) continue;
    FUZZ_CHECK(WIFEXITED(state) && WEXITSTATUS(state) == 0, "loading what has passed the trial ends with state %d",
               state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    size_t n_made = 0;
    uint8_t *made = make_object(bytes, n_bytes, &n_made);
    struct tg_program *program = NULL;
    int fd = free_descriptor();
    FUZZ_CHECK(tg_program_open(device, &program) == TG_OK, "%s", tg_last_message());
    enum tg_status status = set_orchestration(program, made, n_made);
    reached(status);
    tg_program_close(program);
    FUZZ_CHECK(free_descriptor() == fd, "a descriptor is left open");
    FUZZ_CHECK(waitpid(-1, NULL, WNOHANG) <= 0, "nobody has waited for a child process");
    if (status == TG_OK) check_load(made, n_made);
    free(made);
    return 0;
}

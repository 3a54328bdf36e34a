/*
 * .npy files out of bytes.
 *
 * What must hold: a file is refused with a message, or what was understood of it agrees with its size; written and read
 * again it is the same array.
 */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "npy.h"

static char folder[] = "/tmp/fuzz_npy.XXXXXX";
static char path[sizeof folder + 16];

static void remove_folder(void) { (void)rmdir(folder); }

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    FUZZ_CHECK(mkdtemp(folder), "no folder %s", folder);
    (void)snprintf(path, sizeof path, "%s/array.npy", folder);
    (void)atexit(remove_folder);
    return 0;
}

static void check_sizes(const struct npy_array *array, size_t offset, size_t n_bytes)
{
    uint64_t n = 1;
    FUZZ_CHECK(array->type < NPY_TYPE_COUNT && array->n_dims <= NPY_MAX_DIMS, "type or dimensions");
    for (uint32_t i = 0; i < array->n_dims; i++) n *= array->shape[i];
    FUZZ_CHECK(array->n_elements == n, "%llu elements", (unsigned long long)array->n_elements);
    FUZZ_CHECK(array->n_bytes == n * npy_type_bytes(array->type), "%llu bytes", (unsigned long long)array->n_bytes);
    FUZZ_CHECK(offset <= n_bytes && array->n_bytes == n_bytes - offset, "elements at %zu", offset);
}

static void write_and_read(const struct npy_array *array, const uint8_t *data)
{
    struct npy_array again;
    struct failure failure = {""};
    enum tg_status status = npy_write(path, array->type, array->n_dims, array->shape, data, &failure);
    FUZZ_CHECK(status == TG_OK, "%s", failure.message);
    FUZZ_CHECK(npy_read(path, &again, &failure) == TG_OK, "%s", failure.message);
    (void)unlink(path);
    FUZZ_CHECK(again.type == array->type && again.n_dims == array->n_dims, "another type");
    FUZZ_CHECK(memcmp(again.shape, array->shape, array->n_dims * sizeof again.shape[0]) == 0, "another shape");
    FUZZ_CHECK(again.n_bytes == array->n_bytes, "another size");
    FUZZ_CHECK(memcmp(again.data, data, (size_t)again.n_bytes) == 0, "other elements");
    FUZZ_CHECK((uintptr_t)again.data % 16 == 0, "elements at %p", again.data);
    npy_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct npy_array array = {.n_dims = 99};
    struct failure failure = {""};
    size_t offset = 0;
    enum tg_status status = npy_parse(bytes, n_bytes, "array.npy", &array, &offset, &failure);
    if (status != TG_OK) {
        FUZZ_CHECK(status == TG_ERR_FILE && failure.message[0], "%s", tg_status_name(status));
        FUZZ_CHECK(array.n_dims == 99, "a refused file leaves *out alone");
        return 0;
    }
    check_sizes(&array, offset, n_bytes);
    write_and_read(&array, bytes + offset);
    return 0;
}

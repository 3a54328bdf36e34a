/* Sequences of calls of the public interface (api_walk.h). */
#include "api_walk.h"
#include "fuzz.h"
#include "session.h"

static struct api_modules modules;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    modules.kernel = fuzz_read_module("api_kernel", &modules.n_kernel_bytes);
    modules.plugin = fuzz_read_module("api_plugin", &modules.n_plugin_bytes);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    (void)api_walk(&modules, bytes, n_bytes);
    return 0;
}

/* Kernels made of the input: the checks inside a kernel say what an oracle says that asks for paths, byte by byte. */
#include "common/random_kernel.h"
#include "fuzz.h"

static uint32_t draw(void *context, uint32_t n)
{
    struct fuzz_input *in = context;
    return (n <= 256 ? fuzz_u8(in) : fuzz_u16(in)) % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    struct random_kernel_verdict check, oracle;
    static char text[16384];
    random_kernel_judge(draw, &in, &check, &oracle, text, sizeof text);
    FUZZ_CHECK(check.hazard == oracle.hazard, "the oracle says %d\n%s", oracle.hazard, text);
    FUZZ_CHECK(check.unwritten == oracle.unwritten, "the oracle says %d\n%s", oracle.unwritten, text);
    FUZZ_CHECK(check.undrained == oracle.undrained, "the oracle says %d\n%s", oracle.undrained, text);
    FUZZ_CHECK(check.cached == oracle.cached, "the oracle says %d\n%s", oracle.cached, text);
    return 0;
}

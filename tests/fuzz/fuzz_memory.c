/* Runs made of the input: the checks between tasks give the verdict of an oracle that compares all pairs. */
#include "common/random_memory.h"
#include "fuzz.h"

static uint32_t draw(void *context, uint32_t n)
{
    struct fuzz_input *in = context;
    return (n <= 256 ? fuzz_u8(in) : fuzz_u16(in)) % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    struct random_memory_verdict check, oracle;
    static char text[32768];
    random_memory_judge(draw, &in, &check, &oracle, text, sizeof text);
    FUZZ_CHECK(check.race == oracle.race, "race %d, the oracle says %d\n%s", check.race, oracle.race, text);
    FUZZ_CHECK(oracle.race || check.line == oracle.line, "line %d, the oracle says %d\n%s", check.line, oracle.line,
               text);
    return 0;
}

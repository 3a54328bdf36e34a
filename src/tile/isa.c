#include "tile/isa.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const names[TG_N_ISAS] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};

const char *tg_isa_name(enum tg_isa isa) { return names[isa]; }

bool tg_isa_by_name(const char *name, enum tg_isa *isa)
{
    for (int i = 0; i < TG_N_ISAS; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *isa = (enum tg_isa)i;
        return true;
    }
    return false;
}

enum tg_status tg_isa_choose(const char *name, enum tg_isa *out)
{
    const char *from = name ? "isa" : "TG_ISA";
    if (!name) name = getenv("TG_ISA");
    const enum tg_isa usable = tg_isa_usable();
    enum tg_isa cap = usable;
    if (name && name[0] && !tg_isa_by_name(name, &cap)) {
        const char *meant = tg_nearest_name(name, names, TG_N_ISAS);
        return tg_error(TG_ERR_ARGUMENT, "%s is '%s'; there are: portable, avx2, avx512, avx512bf16, amx%s%s", from,
                        name, meant ? "; did you mean " : "", meant ? meant : "");
    }
    *out = cap < usable ? cap : usable;
    if (cap > usable)
        tg_log(TG_LOG_WARN, "%s is '%s', which this computer or its system does not offer: tiles use up to %s", from,
               name, tg_isa_name(usable));
    else tg_log(TG_LOG_INFO, "tiles use instruction sets up to %s", tg_isa_name(*out));
    return TG_OK;
}

#if defined(__x86_64__)

/* Bits of XCR0: the register state that the system saves. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xE6, XCR0_AMX = 0x60000 };

/* Leaf 7, EDX, and its subleaf 1, EAX; not every cpuid.h names them. */
enum { CPUID_AMX_BF16 = 1 << 22, CPUID_AMX_TILE = 1 << 24, CPUID_AVX512_BF16 = 1 << 5 };

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid c = {0, 0, 0, 0};
    (void)__get_cpuid_count(leaf, subleaf, &c.eax, &c.ebx, &c.ecx, &c.edx);
    return c;
}

static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

/* The system gives the space for tile registers only to processes that ask for it. */
static bool amx_is_granted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* On Zen 4 and 5 VDPBF16PS multiplies twice as many numbers a cycle as an FMA of fp32. On Intel's processors it
 * multiplies as many, and widening leaves the FMA faster. */
static bool has_fast_bf16(void)
{
    return has(cpuid(7, 1).eax, CPUID_AVX512_BF16) && cpuid(0, 0).ebx == signature_AMD_ebx;
}

/* Reads CPUID itself, not the compiler runtime's copy from the start of the process: an emulator may hide bits. */
enum tg_isa tg_isa_usable(void)
{
    const struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0);
    if (!has(one.ecx, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C) || !has(seven.ebx, bit_AVX2)) return TG_ISA_PORTABLE;
    const uint32_t state = saved_state();
    if (!has(state, XCR0_AVX)) return TG_ISA_PORTABLE;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    if (!has(seven.ebx, avx512) || !has(state, XCR0_AVX512)) return TG_ISA_AVX2;
    const enum tg_isa best = has_fast_bf16() ? TG_ISA_AVX512BF16 : TG_ISA_AVX512;
    if (!has(seven.edx, CPUID_AMX_TILE | CPUID_AMX_BF16) || !has(state, XCR0_AMX)) return best;
    return amx_is_granted() ? TG_ISA_AMX : best;
}

#else

enum tg_isa tg_isa_usable(void) { return TG_ISA_PORTABLE; }

#endif

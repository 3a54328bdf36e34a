/* isa.h - the instruction sets that tile operations are compiled for, and the ones that this process may use. */
#ifndef TG_TILE_ISA_H
#define TG_TILE_ISA_H

#include <stdbool.h>

#include <tilegraph/tilegraph.h>

/* From the slowest to the fastest; each contains the ones before it. AVX512BF16 counts as usable only where its
 * products are faster than those of AVX512: on AMD's processors. */
enum tg_isa { TG_ISA_PORTABLE = 0, TG_ISA_AVX2, TG_ISA_AVX512, TG_ISA_AVX512BF16, TG_ISA_AMX, TG_N_ISAS };

/* "portable", "avx2", "avx512", "avx512bf16", "amx". */
const char *tg_isa_name(enum tg_isa isa);

/* Store the instruction set of that name in *isa. false: unknown name, *isa is unchanged. */
bool tg_isa_by_name(const char *name, enum tg_isa *isa);

/* The fastest instruction set that the CPU has and the system permits. AMX needs a request to the system, which is made
 * here; a thread inherits the permissions from before its start. Any thread. */
enum tg_isa tg_isa_usable(void);

/* The instruction set of a device that is being opened: the fastest usable one up to `name`. NULL: up to the value of
 * the environment variable TG_ISA. The log shows the choice, and the reason if it differs from the name.
 * Errors    TG_ERR_ARGUMENT   unknown name */
enum tg_status tg_isa_choose(const char *name, enum tg_isa *out);

#endif

/* isa.h - the instruction sets that tile operations are compiled for, and which of them this process may use. */
#ifndef TG_TILE_ISA_H
#define TG_TILE_ISA_H

#include <stdbool.h>

#include <tilegraph/tilegraph.h>

/* From the slowest to the fastest; each contains the ones before it. */
enum tg_isa { TG_ISA_PORTABLE = 0, TG_ISA_AVX2, TG_ISA_AVX512, TG_ISA_AMX, TG_N_ISAS };

/* "portable", "avx2", "avx512", "amx". */
const char *tg_isa_name(enum tg_isa isa);

/* The one of that name into *isa. false: there is none, *isa is untouched. */
bool tg_isa_by_name(const char *name, enum tg_isa *isa);

/* The fastest that the CPU has and the system lets this process use. For AMX that takes a request, which is made here;
 * a thread gets what was granted before it was started. Any thread. */
enum tg_isa tg_isa_usable(void);

/* The instruction set of a device that is being opened: the fastest usable, but none above `name`. NULL: none above the
 * value of the environment variable TG_ISA. The log says which it is, and why if it is another than the named one.
 * Errors    TG_ERR_ARGUMENT   there is no instruction set of that name */
enum tg_status tg_isa_choose(const char *name, enum tg_isa *out);

#endif

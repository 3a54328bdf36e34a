/* amx.h - the tile instructions that products use, each as a call. The number of a tile is part of an instruction and
 * must be a constant.
 *
 * They are written in assembly: a compiler's intrinsics may hide that tiles are program-visible state. These calls keep
 * their order among each other and among loads and stores. Tests that define TG_AMX_MODEL bring their own functions, so
 * that they can check a caller on computers without tiles. */
#ifndef TG_MACHINE_CPU_AMX_H
#define TG_MACHINE_CPU_AMX_H

#include <stddef.h>
#include <stdint.h>

enum { TG_AMX_TILES = 8, TG_AMX_ROWS = 16, TG_AMX_ROW_BYTES = 64 };

/* The operand of LDTILECFG. Palette 1 has tiles of up to 16 rows of 64 bytes; a tile of no rows is unused. */
struct tg_amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct tg_amx_config) == 64, "the layout is the processor's");

#ifdef TG_AMX_MODEL

enum { TG_AMX_LINES_LEAST = 1, TG_AMX_ROWS_LEAST = 1 }; /* always */

void tg_amx_configure(const struct tg_amx_config *config);
void tg_amx_release(void);
void tg_amx_zero(int tile);
void tg_amx_load(int tile, const void *from, size_t stride);
void tg_amx_store(int tile, void *to, size_t stride);
void tg_amx_add_products(int into, int left, int right);

#else

/* Where tiles begin to be faster than AVX-512, measured on Sapphire Rapids: lines of right, because configuring tiles
 * takes 100 ns; and rows of left over contiguous rows of right. */
enum { TG_AMX_LINES_LEAST = 128, TG_AMX_ROWS_LEAST = 3 };

/* From here on tiles have these sizes and hold zeros. */
static inline void tg_amx_configure(const struct tg_amx_config *config)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*config) : "memory");
}

/* Release the tiles: the system then has less state to save when it switches threads. */
static inline void tg_amx_release(void) { __asm__ volatile("tilerelease" : : : "memory"); }

#define tg_amx_zero(tile) __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile) : "memory")

/* The rows of a tile are `stride` bytes apart in memory. */
#define tg_amx_load(tile, from, stride)                                                                                \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"((size_t)(stride)), "i"(tile) : "memory")
#define tg_amx_store(tile, to, stride)                                                                                 \
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"((size_t)(stride)), "i"(tile) : "memory")

/* into[row][col] of fp32 += left[row][2 * pair + i] * right[pair][2 * col + i] of bf16, over i of 0 and 1 and all
 * pairs. */
#define tg_amx_add_products(into, left, right)                                                                         \
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(into), "i"(left), "i"(right) : "memory")

#endif

#endif

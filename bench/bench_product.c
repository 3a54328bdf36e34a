/*
 * bench_product: products of `cpu` whose right operand lies in L2, by each instruction set that this computer has.
 *
 * Right is ROWS x COLS of bf16 in the NZ layout or in contiguous rows, a block of keys for head_dim 128. Left has the
 * rows of the query heads that share a KV head, or those of a prefill. The table has the least and the median time of
 * the repetitions, and the part of the peak that bf16 has on registers. A JSON array follows it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limits.h"
#include "machine/cpu/product.h"

enum { REPEATS = 101, ROWS = 128, COLS = 128, N_RIGHT = 4, LEFT_MOST = 128 };

static struct operands {
    uint16_t right[N_RIGHT][ROWS * COLS];
    float left[LEFT_MOST * ROWS], sum[LEFT_MOST * COLS];
} operands;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Numbers from 1 to 2, which bf16 has. */
static void fill(void)
{
    for (int i = 0; i < N_RIGHT; i++)
        for (int j = 0; j < ROWS * COLS; j++) operands.right[i][j] = (uint16_t)(0x3f80 + (i + 7 * j) % 128);
    for (int i = 0; i < LEFT_MOST * ROWS; i++) operands.left[i] = 1 + (float)(i % 128) / 128;
}

static double time_all(const struct tg_product_variant *variant, uint32_t m, bool in_nz)
{
    const double began = now_ns();
    for (int i = 0; i < N_RIGHT; i++) {
        const uint8_t *const right = (const uint8_t *)operands.right[i];
        const struct tg_product product = {.left = operands.left,
                                           .right = &right,
                                           .sum = operands.sum,
                                           .left_ld = ROWS,
                                           .right_ld = in_nz ? 16 : COLS,
                                           .panel_ld = in_nz ? ROWS * 16 : 16,
                                           .block_ld = (size_t)m * 16,
                                           .piece_rows = ROWS,
                                           .m = m,
                                           .k = ROWS,
                                           .n = COLS,
                                           .dtype = TG_BF16,
                                           .fresh = true};
        variant->multiply(&product, NULL);
    }
    return (now_ns() - began) / N_RIGHT;
}

static void measure(const struct tg_product_variant *variant, uint32_t m, bool in_nz, double peak, bool *is_first)
{
    double ns[REPEATS];
    for (int i = 0; i < REPEATS; i++) ns[i] = time_all(variant, m, in_nz);
    qsort(ns, REPEATS, sizeof ns[0], ascending);
    const double gflops = 2.0 * m * ROWS * COLS / ns[0];
    const char *layout = in_nz ? "NZ" : "rows";
    fprintf(stderr, "%-12s %-5s %4u %10.0f %10.0f %9.0f %6.2f\n", variant->name, layout, m, ns[0], ns[REPEATS / 2],
            gflops, peak > 0 ? gflops / peak : 0);
    printf("%s\n {\"bench\": \"product\", \"isa\": \"%s\", \"layout\": \"%s\", \"rows\": %u, \"least_ns\": %.4g, "
           "\"median_ns\": %.4g, \"gflops\": %.4g, \"peak_gflops\": %.4g}",
           *is_first ? "" : ",", variant->name, layout, m, ns[0], ns[REPEATS / 2], gflops, peak);
    *is_first = false;
}

int main(void)
{
    static const uint32_t rows[] = {1, 2, 4, 8, 16, 32, 64, 128};
    const enum tg_isa usable = tg_isa_usable(); /* asks the system for the tiles of AMX */
    bool is_first = true;
    fill();
    fprintf(stderr, "left x %d x %d of bf16 in L2, 1 thread, %d repetitions\n\n%-12s %-5s %4s %10s %10s %9s %6s\n",
            ROWS, COLS, REPEATS, "", "right", "left", "least ns", "median ns", "GFLOP/s", "peak");
    printf("[");
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        const struct tg_product_variant *variant = tg_product_variant_at(v);
        if (variant->needs > usable) {
            fprintf(stderr, "%-12s not measured: this computer lacks it\n", variant->name);
            continue;
        }
        const double peak = limits_products(1, variant->name, true);
        for (int in_nz = 1; in_nz >= 0; in_nz--)
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) measure(variant, rows[i], in_nz, peak, &is_first);
    }
    printf("\n]\n");
    return 0;
}

/* bgemm: c = a x b for each matrix of a batch, compared with the same in double precision. */
#include "small.h"

enum { BATCH = 2, SIDE = 256, MATRIX = SIDE * SIDE, N = BATCH * MATRIX };
enum { A, B, C };

static const struct small_kernel kernels[] = {{0, TG_AIC, "aic_gemm_tile"}, {1, TG_AIV, "aiv_tile_add"}};

static const struct small_tensor tensors[] = {
    {"a", PA_FP32, N, TG_IN},
    {"b", PA_FP32, N, TG_IN},
    {"c", PA_FP32, N, TG_OUT},
};

static void draw(double *const *values)
{
    small_normal(0, N, 1.0, values[A]);
    small_normal(1, N, 1.0, values[B]);
}

static void multiply(const double *a, const double *b, double *c)
{
    for (size_t row = 0; row < SIDE; row++) {
        for (size_t col = 0; col < SIDE; col++) c[row * SIDE + col] = 0;
        for (size_t k = 0; k < SIDE; k++)
            for (size_t col = 0; col < SIDE; col++) c[row * SIDE + col] += a[row * SIDE + k] * b[k * SIDE + col];
    }
}

static void golden(double *const *values)
{
    for (size_t at = 0; at < N; at += MATRIX) multiply(values[A] + at, values[B] + at, values[C] + at);
}

int main(int argc, char **argv)
{
    const struct small_example example = {
        .name = "bgemm",
        .text = "c = a x b for two matrices of 256 x 256, fp32, in tiles of 64 x 64.",
        .kernels = kernels,
        .n_kernels = 2,
        .tensors = tensors,
        .n_tensors = 3,
        .draw = draw,
        .golden = golden,
        .rtol = 1e-5, /* golden.py says why */
        .atol = 1e-4,
    };
    return small_main(argc, argv, &example);
}

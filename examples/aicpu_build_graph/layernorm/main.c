/* layernorm: rows without their mean, in units of their deviation, compared with the same in double precision. */
#include <math.h>

#include "small.h"

enum { ROWS = 136, COLS = 512, N = ROWS * COLS }; /* six slices, the last of them short */
enum { X, GAMMA, BETA, Y };

static const struct small_kernel kernels[] = {{0, TG_AIV, "aiv_moments"}, {1, TG_AIV, "aiv_normalize"}};

static const struct small_tensor tensors[] = {
    {"x", PA_FP32, N, TG_IN},
    {"gamma", PA_FP32, COLS, TG_IN},
    {"beta", PA_FP32, COLS, TG_IN},
    {"y", PA_FP32, N, TG_OUT},
};

/* x is large beside its deviation, which shows a variance that is computed from the squares of x. */
static void draw(double *const *values)
{
    small_normal(0, N, 1.0, values[X]);
    for (size_t i = 0; i < N; i++) values[X][i] += 100.0;
    small_normal(1, COLS, 1.0, values[GAMMA]);
    small_normal(2, COLS, 1.0, values[BETA]);
}

static void normalize(const double *x, const double *gamma, const double *beta, double *y)
{
    double mean = 0, variance = 0;
    for (size_t c = 0; c < COLS; c++) mean += x[c] / COLS;
    for (size_t c = 0; c < COLS; c++) variance += (x[c] - mean) * (x[c] - mean) / COLS;
    for (size_t c = 0; c < COLS; c++) y[c] = (x[c] - mean) / sqrt(variance + 1e-5) * gamma[c] + beta[c];
}

static void golden(double *const *values)
{
    for (size_t row = 0; row < ROWS; row++)
        normalize(values[X] + row * COLS, values[GAMMA], values[BETA], values[Y] + row * COLS);
}

int main(int argc, char **argv)
{
    const struct small_example example = {
        .name = "layernorm",
        .text = "Layer normalisation of rows, slice by slice, fp32.",
        .kernels = kernels,
        .n_kernels = 2,
        .tensors = tensors,
        .n_tensors = 4,
        .draw = draw,
        .golden = golden,
        .rtol = 1e-5, /* golden.py says why */
        .atol = 1e-4,
    };
    return small_main(argc, argv, &example);
}

/* matmul: f = e^(b x w1 + b x w2) with b = sqrt(ln a), compared with the same in double precision. */
#include <math.h>

#include "small.h"

enum { SIZE = 128, N = SIZE * SIZE };
enum { A, W1, W2, F };

static const struct small_kernel kernels[] = {
    {0, TG_AIV, "aiv_log_sqrt"},
    {1, TG_AIC, "aic_matmul"},
    {2, TG_AIV, "aiv_add_exp"},
};

static const struct small_tensor tensors[] = {
    {"a", PA_FP16, N, TG_IN},
    {"w1", PA_FP16, N, TG_IN},
    {"w2", PA_FP16, N, TG_IN},
    {"f", PA_FP32, N, TG_OUT},
};

/* a is 1 or more: its logarithm has a root. */
static void draw(double *const *values)
{
    small_normal(0, N, 1.0, values[A]);
    for (size_t i = 0; i < N; i++) values[A][i] = 1.0 + fabs(values[A][i]);
    small_normal(1, N, 0.02, values[W1]);
    small_normal(2, N, 0.02, values[W2]);
}

static void golden(double *const *values)
{
    for (size_t row = 0; row < SIZE; row++) {
        for (size_t col = 0; col < SIZE; col++) {
            double sum = 0;
            for (size_t k = 0; k < SIZE; k++)
                sum += sqrt(log(values[A][row * SIZE + k])) * (values[W1][k * SIZE + col] + values[W2][k * SIZE + col]);
            values[F][row * SIZE + col] = exp(sum);
        }
    }
}

int main(int argc, char **argv)
{
    const struct small_example example = {
        .name = "matmul",
        .text = "f = e^(b x w1 + b x w2) with b = sqrt(ln a): a diamond of four tasks, fp16 to fp32.",
        .kernels = kernels,
        .n_kernels = 3,
        .tensors = tensors,
        .n_tensors = 4,
        .draw = draw,
        .golden = golden,
        .rtol = 5e-3, /* golden.py says why */
        .atol = 0,
    };
    return small_main(argc, argv, &example);
}

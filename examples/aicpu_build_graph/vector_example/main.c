/* vector_example: out = (a + b) * 2, compared with the same in double precision. */
#include "small.h"

enum { N = 4 * 4096 + 7 }; /* five pieces, the last of them short */

static const struct small_kernel kernels[] = {{0, TG_AIV, "aiv_add"}, {1, TG_AIV, "aiv_scale"}};

static const struct small_tensor tensors[] = {
    {"a", PA_FP32, N, TG_IN},
    {"b", PA_FP32, N, TG_IN},
    {"out", PA_FP32, N, TG_OUT},
};

static void draw(double *const *values)
{
    small_normal(0, N, 1.0, values[0]);
    small_normal(1, N, 1.0, values[1]);
}

static void golden(double *const *values)
{
    for (size_t i = 0; i < N; i++) values[2][i] = (values[0][i] + values[1][i]) * 2.0;
}

int main(int argc, char **argv)
{
    const struct small_example example = {
        .name = "vector_example",
        .text = "out = (a + b) * 2 on vectors, piece by piece.",
        .kernels = kernels,
        .n_kernels = 2,
        .tensors = tensors,
        .n_tensors = 3,
        .draw = draw,
        .golden = golden,
        .rtol = 1e-6, /* one rounding, of a + b: 2^-24 */
        .atol = 0,
    };
    return small_main(argc, argv, &example);
}

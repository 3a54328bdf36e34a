/*
 * small.h - the main program of the small examples: its options, the run, the comparison with a golden.
 *
 * An example says what its kernels and tensors are, how inputs are drawn and what is expected; small_main does the
 * rest. The flagship's main.c shows the calls of tilegraph.h that this is made of.
 */
#ifndef EXAMPLES_SMALL_H
#define EXAMPLES_SMALL_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "pa_dtype.h"

struct small_kernel {
    int func_id;
    enum tg_core_type core_type;
    const char *name; /* of the kernel, and of its shared object without .so */
};

struct small_tensor {
    const char *name;
    enum pa_dtype dtype;
    size_t elements;
    enum tg_direction direction; /* TG_IN or TG_OUT */
};

enum { SMALL_TENSORS_MAX = 8 };

/* An example. Values are doubles here for every tensor type: values[i] are those of tensor i. */
struct small_example {
    const char *name; /* its folder's name in examples/aicpu_build_graph */
    const char *text; /* one line for --help */
    const struct small_kernel *kernels;
    size_t n_kernels;
    const struct small_tensor *tensors; /* as the orchestration expects them */
    size_t n_tensors;
    /* Fill the inputs. They are then rounded to the tensors' types, in place. */
    void (*draw)(double *const *values);
    /* Compute the outputs from the rounded inputs. */
    void (*golden)(double *const *values);
    /* |result - golden| may be atol + rtol * |golden|; the file that says so says why. */
    double rtol, atol;
};

/* Draw n standard normal numbers times `deviation` as element i of `stream`. */
void small_normal(uint64_t stream, size_t n, double deviation, double *out);

/* The example's main program; returns its exit code. */
int small_main(int argc, char **argv, const struct small_example *example);

#endif

"""Twice x; 1.5 as bfloat16 and as float; a x b."""
import numpy as np

PARAMS_LIST = [{"name": "first"}, {"name": "again"}]
TENSOR_ORDER = ["x", "out_twice", "out_bf16", "out_float", "a", "b_transposed", "out_product"]
RTOL, ATOL = 1e-3, 1e-3  # the product is rounded to fp16: 2^-11


def generate_inputs(params):
    rng = np.random.default_rng(42)
    x = rng.standard_normal((24, 40), dtype=np.float32)
    a, b_transposed = rng.standard_normal((2, 16, 32)).astype(np.float16)
    return {"x": x, "out_twice": np.zeros_like(x), "out_bf16": np.zeros(16, dtype=np.uint16),
            "out_float": np.zeros(16, dtype=np.float32), "a": a, "b_transposed": b_transposed,
            "out_product": np.zeros((16, 16), dtype=np.float16)}


def compute_golden(tensors, params):
    tensors["out_twice"][:] = tensors["x"] * 2
    tensors["out_bf16"][:] = 0x3FC0
    tensors["out_float"][:] = 1.5
    tensors["out_product"][:] = tensors["a"].astype(np.float64) @ tensors["b_transposed"].astype(np.float64).T

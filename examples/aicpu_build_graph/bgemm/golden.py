"""c = a @ b for each matrix of a batch, fp32."""
import numpy as np

PARAMS_LIST = [{"name": "one", "batch": 1}, {"name": "two", "batch": 2}]
TENSOR_ORDER = ["a", "b", "c"]
__outputs__ = ["c"]
# A sum of 256 products of about 1: each addition rounds a partial sum of about 16 by 2^-24 of it.
RTOL, ATOL = 1e-5, 1e-4

SIDE = 256


def generate_inputs(params):
    rng = np.random.default_rng(42)
    a, b = rng.standard_normal((2, params["batch"], SIDE, SIDE), dtype=np.float32)
    return {"a": a, "b": b, "c": np.zeros_like(a)}


def compute_golden(tensors, params):
    tensors["c"][:] = tensors["a"].astype(np.float64) @ tensors["b"].astype(np.float64)

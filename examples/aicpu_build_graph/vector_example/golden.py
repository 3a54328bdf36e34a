"""out = (a + b) * 2, fp32."""
import numpy as np

PARAMS_LIST = [{"name": "one-piece", "n": 1000}, {"name": "five-pieces", "n": 4 * 4096 + 7}]
TENSOR_ORDER = ["a", "b", "out"]
__outputs__ = ["out"]
RTOL, ATOL = 1e-6, 0.0  # one rounding, of a + b: 2^-24


def generate_inputs(params):
    rng = np.random.default_rng(42)
    a, b = rng.standard_normal((2, params["n"]), dtype=np.float32)
    return {"a": a, "b": b, "out": np.zeros_like(a)}


def compute_golden(tensors, params):
    tensors["out"][:] = (tensors["a"].astype(np.float64) + tensors["b"]) * 2.0

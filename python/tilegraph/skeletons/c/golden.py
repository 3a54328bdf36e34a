"""out = exp(a) + b, fp32: the inputs, and the result that is expected."""
import numpy as np

PARAMS_LIST = [{"name": "one-piece", "n": 1000}, {"name": "five-pieces", "n": 4 * 4096 + 7}]
TENSOR_ORDER = ["a", "b", "out"]
__outputs__ = ["out"]


def generate_inputs(params):
    rng = np.random.default_rng(42)
    a, b = rng.standard_normal((2, params["n"]), dtype=np.float32)
    return {"a": a, "b": b, "out": np.zeros_like(a)}


def compute_golden(tensors, params):
    tensors["out"][:] = np.exp(tensors["a"].astype(np.float64)) + tensors["b"]

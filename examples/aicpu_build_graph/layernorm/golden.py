"""Layer normalisation of rows: y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta, fp32."""
import numpy as np

PARAMS_LIST = [{"name": "one-slice", "rows": 24, "mean": 0.0}, {"name": "far-from-zero", "rows": 136, "mean": 100.0}]
TENSOR_ORDER = ["x", "gamma", "beta", "y"]
__outputs__ = ["y"]
# x is off by 2^-24 of itself, which may be 100 deviations; the mean, a sum of 512 such terms, by a few times as much.
RTOL, ATOL = 1e-5, 1e-4

COLS = 512


def generate_inputs(params):
    rng = np.random.default_rng(42)
    x = rng.standard_normal((params["rows"], COLS)) + params["mean"]
    gamma, beta = rng.standard_normal((2, COLS))
    inputs = {"x": x, "gamma": gamma, "beta": beta, "y": np.zeros_like(x)}
    return {name: value.astype(np.float32) for name, value in inputs.items()}


def compute_golden(tensors, params):
    x = tensors["x"].astype(np.float64)
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred ** 2).mean(axis=1, keepdims=True) + 1e-5)
    tensors["y"][:] = centred / deviation * tensors["gamma"] + tensors["beta"]

"""Several types and sizes by one set of kernels: a list of cases by name, some chosen by the environment."""
import os

import numpy as np

ALL_CASES = {
    "small_fp32": {"rows": 16, "cols": 16, "block": 16, "dtype": "float32"},
    "wide_fp16": {"rows": 48, "cols": 96, "block": 32, "dtype": "float16"},
    "odd_int32": {"rows": 33, "cols": 40, "block": 64, "dtype": "int32"},
    "one_row": {"rows": 1, "cols": 8, "block": 16, "dtype": "float32"},
}
PARAMS_LIST = [{"name": name, **case} for name, case in ALL_CASES.items()
               if name in os.environ.get("STYLE_CASES", name)]
TENSOR_ORDER = ["a", "b", "m", "out_f", "out_sum", "settings"]
RTOL = 2e-3
ATOL = 2e-3

_TYPES = {"float32": 0, "float16": 1, "int32": 2}


def generate_inputs(params: dict) -> dict:
    np.random.seed(0)
    dtype = np.dtype(params["dtype"])
    shape = (params["rows"], params["cols"])
    a, b = ((8 * np.random.rand(*shape) - 4).astype(dtype) for _ in range(2))
    settings = np.array([params["rows"], params["cols"], params["block"], _TYPES[params["dtype"]]], dtype=np.int64)
    return {"a": a, "b": b, "m": (np.random.rand(32, 32) - 0.5).astype(np.float32),
            "out_f": np.zeros(shape, dtype), "out_sum": np.zeros((32, 32), np.float32), "settings": settings}


def compute_golden(tensors: dict, params: dict) -> None:
    a, b = (tensors[name].astype(np.float64) for name in "ab")
    # f = (a + b + 1) (a + b + 2), on the device (s + 1) + (s + 1)^2 with s = a + b
    s = a + b + 1
    np.copyto(tensors["out_f"], s + s * s, casting="unsafe")
    m = tensors["m"]
    tensors["out_sum"][...] = m @ m + m @ m.T

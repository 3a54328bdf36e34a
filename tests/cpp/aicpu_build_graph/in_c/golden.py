"""A product with a bias whose rounded result is multiplied again; bits; products over rows and columns."""
import numpy as np

RTOL = ATOL = 2e-3
TENSOR_ORDER = ["a", "b_nz", "bias", "c", "u", "v", "w", "out_first", "out_second", "out_bits", "out_shifted",
                "out_rows", "out_columns", "out_less"]


def to_nz(matrix):
    """[column blocks][rows][32 bytes of columns]"""
    width = 32 // matrix.itemsize
    return np.ascontiguousarray(matrix.reshape(matrix.shape[0], -1, width).transpose(1, 0, 2))


def generate_inputs(params):
    rng = np.random.default_rng(3)
    return {"a": rng.standard_normal((20, 40)).astype(np.float16),
            "b_nz": to_nz(rng.standard_normal((40, 32)).astype(np.float16)),
            "bias": rng.standard_normal(32).astype(np.float32),
            "c": rng.standard_normal((32, 24)).astype(np.float16),
            "u": rng.integers(-2**31, 2**31, (9, 24)).astype(np.int32),
            "v": rng.integers(-2**31, 2**31, (9, 24)).astype(np.int32),
            "w": (1 + 0.1 * rng.standard_normal((20, 72))).astype(np.float32),
            "out_first": np.zeros((20, 32), np.float32), "out_second": np.zeros((20, 24), np.float32),
            "out_bits": np.zeros((9, 24), np.int32), "out_shifted": np.zeros((9, 24), np.int32),
            "out_rows": np.zeros(20, np.float32), "out_columns": np.zeros(72, np.float32),
            "out_less": np.zeros((20, 72), np.float32)}


def compute_golden(tensors, params):
    b = tensors["b_nz"].transpose(1, 0, 2).reshape(40, 32)
    first = tensors["a"].astype(np.float64) @ b.astype(np.float64) + tensors["bias"]
    tensors["out_first"][:] = first
    tensors["out_second"][:] = first.astype(np.float16).astype(np.float64) @ tensors["c"].astype(np.float64)
    u, v = tensors["u"], tensors["v"]
    tensors["out_bits"][:] = ~((u & v) ^ (u | 255))
    tensors["out_shifted"][:] = ((u << 5) >> 3) - (v >> 31)
    w = tensors["w"].astype(np.float64)
    tensors["out_rows"][:] = w.prod(axis=1)
    tensors["out_columns"][:] = w.prod(axis=0)
    tensors["out_less"][:] = w - w.prod(axis=1, keepdims=True)

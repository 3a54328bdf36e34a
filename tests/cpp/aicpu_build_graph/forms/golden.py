"""Softmax of rows by forms with scratch, a chain of two products, and a message from one kernel to another."""
import numpy as np

RTOL, ATOL = 2e-3, 2e-3
TENSOR_ORDER = ["x", "out_softmax", "out_columns", "out_wide", "a", "b_nz", "c", "out_chain", "out_part", "message",
                "out_message", "signal", "narrow", "shallow", "out_float", "s8", "t8", "out_int"]
__outputs__ = ["out_softmax", "out_columns", "out_wide", "out_chain", "out_part", "out_message",
               "out_float", "out_int"]


def to_nz(matrix):
    """[column blocks][rows][32 bytes of columns]"""
    width = 32 // matrix.itemsize
    rows, cols = matrix.shape
    return np.ascontiguousarray(matrix.reshape(rows, cols // width, width).transpose(1, 0, 2))


def generate_inputs(params):
    rng = np.random.default_rng(7)
    return {
        "x": rng.standard_normal((16, 40)).astype(np.float32),
        "out_softmax": np.zeros((16, 40), np.float32),
        "out_columns": np.zeros((1, 40), np.float32),
        "out_wide": np.zeros((16, 48), np.float32),
        "a": rng.standard_normal((16, 64)).astype(np.float16),
        "b_nz": to_nz(rng.standard_normal((64, 32)).astype(np.float16)),
        "c": rng.standard_normal((32, 16)).astype(np.float16),
        "out_chain": np.zeros((16, 16), np.float32),
        "out_part": np.zeros((16, 16), np.float32),
        "message": rng.integers(-9, 9, (5, 7, 100)).astype(np.int32),
        "out_message": np.zeros((5, 7, 100), np.int32),
        "signal": np.zeros(4, np.int32),
        "narrow": rng.standard_normal((16, 8)).astype(np.float32),
        "shallow": rng.standard_normal((8, 16)).astype(np.float32),
        "out_float": np.zeros((16, 16), np.float32),
        "s8": rng.integers(-128, 128, (16, 32)).astype(np.int8),
        "t8": rng.integers(-128, 128, (16, 32)).astype(np.int8),  # transposed
        "out_int": np.zeros((16, 16), np.int32),
    }


def compute_golden(tensors, params):
    x = tensors["x"].astype(np.float64)
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    softmax = weights / weights.sum(axis=1, keepdims=True)
    tensors["out_softmax"][:] = softmax
    tensors["out_columns"][:] = softmax.sum(axis=0)
    tensors["out_wide"][:] = -1
    tensors["out_wide"][:, :40] = softmax
    blocks, rows, width = tensors["b_nz"].shape
    b = tensors["b_nz"].transpose(1, 0, 2).reshape(rows, blocks * width)
    product = (tensors["a"].astype(np.float32) @ b.astype(np.float32)).astype(np.float16).astype(np.float32)
    c = tensors["c"].astype(np.float32)
    tensors["out_chain"][:] = product @ c
    tensors["out_part"][:] = product[:, 16:] @ c[:16]
    tensors["out_message"][:] = tensors["message"] + 1
    tensors["out_float"][:] = tensors["narrow"] @ tensors["shallow"]
    tensors["out_int"][:] = tensors["s8"].astype(np.int32) @ tensors["t8"].astype(np.int32).T

"""What each instruction gives, in double precision or in integers, in the order in which the kernels store results."""
import numpy as np

R, C, TR, TC = 23, 37, 24, 48
M, K, N = 19, 21, 27
TYPES = {"fp32": np.float32, "fp16": np.float16, "int32": np.int32, "int16": np.int16}
# Integers and fp16 are exact: what is expected is rounded, too. A sum of 37 fp32 numbers of about 2 is off by some
# 2^-18.
RTOL, ATOL = 2e-6, 1e-4


def _numbers(a, b, kind):
    """The results of aiv_elementwise for one type, a row each, in double precision or in wrapping integers."""
    results = [a + b, a - b, a * b, np.maximum(a, b), np.minimum(a, b), a + 3, a - 3, a * 3, np.maximum(a, 3),
               np.minimum(a, 3), -a, np.maximum(-a, 0), b, np.full_like(a, 7)]
    if kind == "f":
        results += [a / b, a / 3, np.abs(a), 1 / a, np.exp(a), np.log(b), np.sqrt(b), 1 / np.sqrt(b), 1 / np.sqrt(b)]
    return results


def _rows(a, b):
    column = a.sum(axis=1, keepdims=True)
    line = a.sum(axis=0, keepdims=True)
    results = [a.max(axis=1), a.min(axis=1), column, np.broadcast_to(column, a.shape), a + column, a - column,
               column - a, a * column, a / column, np.maximum(a, column), np.minimum(a, column), np.exp(a - column),
               a.max(axis=0), a.min(axis=0), line, np.broadcast_to(line, a.shape), a + line, a - line, line - a,
               a * line, a / line, np.maximum(a, line), np.minimum(a, line), np.exp(a - line)]
    padded = np.full((TR, TC), 5.0)
    padded[:R] = -np.inf
    copied, in_place = padded.copy(), padded.copy()
    copied[:20, :30] = a[:20, :30]
    in_place[:20, :30] = 5.0
    return results + [copied, in_place, column + 1]


def _moves(a, b):
    """The results of aiv_moves: numbers, then integers."""
    chosen = np.where(a < 2, a, b)
    keys = a.ravel()[:128]
    order = np.argsort(-keys, kind="stable")
    truncated = a.astype(np.float16)
    truncated = np.where(truncated > a, np.nextafter(truncated, np.float16(0)), truncated)
    scattered = np.zeros_like(a)
    scattered[2] = a[0, ::-1]
    numbers = [np.maximum(a, b), 2 * chosen, a[0, ::-1], scattered, a.T, np.hstack([a, b]), a[3:19, 8:24], truncated,
               keys[order], np.repeat(keys[order], 2)]
    counted = order.copy()
    counted[:3] = 128, 128, 256
    return numbers, [np.floor(a), np.ceil(a), order, counted]


def generate_inputs(params):
    rng = np.random.default_rng(42)
    tensors = {}
    for name, kind in TYPES.items():
        a, b = rng.uniform(0.5, 4, (2, R, C)) if kind(0).dtype.kind == "f" else rng.integers(-99, 99, (2, R, C))
        tensors[f"a_{name}"], tensors[f"b_{name}"] = a.astype(kind), b.astype(kind)
        n_results = 23 if kind(0).dtype.kind == "f" else 14
        tensors[f"out_{name}"] = np.zeros(n_results * R * C, dtype=kind)
    tensors["out_rows"] = np.zeros(sum(np.size(x) for x in _rows(np.ones((R, C)), np.ones((R, C)))), dtype=np.float32)
    tensors["out_index"] = np.zeros(R, dtype=np.int32)
    for name in ("fp32", "fp16"):
        kind = TYPES[name]
        tensors[f"left_{name}"] = rng.standard_normal((M, K)).astype(kind)
        tensors[f"right_{name}"] = rng.standard_normal((K, N)).astype(kind)
        tensors[f"out_product_{name}"] = np.zeros((2, M, N), dtype=np.float32)
    numbers, integers = _moves(np.ones((R, C)), np.ones((R, C)))
    tensors["out_moves"] = np.zeros(sum(map(np.size, numbers)), dtype=np.float32)
    tensors["out_moves_int"] = np.zeros(sum(map(np.size, integers)), dtype=np.int32)
    tensors["left_int8"] = rng.integers(-99, 99, (32, 64), dtype=np.int8)
    tensors["right_int8"] = rng.integers(-99, 99, (64, 32), dtype=np.int8)
    tensors["out_sums"] = np.zeros((2, 32, 32), dtype=np.int32)
    tensors["out_scaled"] = np.zeros((32, 32), dtype=np.float16)
    return tensors


def compute_golden(tensors, params):
    for name, kind in TYPES.items():
        float_kind = kind(0).dtype.kind
        a, b = (tensors[f"{operand}_{name}"] for operand in "ab")
        if float_kind == "f":
            a, b = a.astype(np.float64), b.astype(np.float64)
        tensors[f"out_{name}"][:] = np.concatenate([x.astype(kind).ravel() for x in _numbers(a, b, float_kind)])
    a, b = tensors["a_fp32"].astype(np.float64), tensors["b_fp32"].astype(np.float64)
    tensors["out_rows"][:] = np.concatenate([np.ravel(x) for x in _rows(a, b)])
    tensors["out_index"][:] = a.argmax(axis=1)
    for name in ("fp32", "fp16"):
        product = tensors[f"left_{name}"].astype(np.float64) @ tensors[f"right_{name}"].astype(np.float64)
        tensors[f"out_product_{name}"][:] = [product, 2 * product]
    numbers, integers = _moves(tensors["a_fp32"].astype(np.float64), tensors["b_fp32"].astype(np.float64))
    tensors["out_moves"][:] = np.concatenate([np.ravel(x) for x in numbers])
    tensors["out_moves_int"][:] = np.concatenate([np.ravel(x) for x in integers])
    sums = tensors["left_int8"].astype(np.int32) @ tensors["right_int8"].astype(np.int32)
    tensors["out_sums"][:] = [sums, np.maximum(sums, 0)]
    tensors["out_scaled"][:] = sums * 0.125

"""Products in double precision; bits as Python's integers have them, cut to the type."""
import numpy as np

TENSOR_ORDER = ["x", "w", "bias", "out_y", "a_u32", "b_u32", "out_u32", "a_i16", "b_i16", "out_i16", "f", "out_f"]
RTOL, ATOL = 1e-5, 1e-5
N_RESULTS = 11


def generate_inputs(params):
    rng = np.random.default_rng(42)
    tensors = {"x": rng.standard_normal((20, 48)).astype(np.float16),
               "w": rng.standard_normal((48, 40)).astype(np.float16),
               "bias": rng.standard_normal(40).astype(np.float32), "out_y": np.zeros((22, 40), np.float32),
               "f": rng.uniform(0.5, 2, (7, 24)).astype(np.float32), "out_f": np.zeros(7 + 24, np.float32)}
    for name, kind in (("u32", np.uint32), ("i16", np.int16)):
        info = np.iinfo(kind)
        tensors[f"a_{name}"] = rng.integers(info.min, info.max, (7, 24), dtype=kind, endpoint=True)
        tensors[f"b_{name}"] = rng.integers(0, 40, (7, 24), dtype=kind)  # counts of bits, some too many
        tensors[f"out_{name}"] = np.zeros((N_RESULTS, 7, 24), kind)
    return tensors


def _bits(a, b, kind):
    """The results for one element, as exact integers; a shift by too many bits leaves 0 or the sign."""
    n_bits = np.iinfo(kind).bits
    right = a >> min(b, n_bits - 1) if np.iinfo(kind).min < 0 else a >> b
    return [a & b, a | b, a ^ b, ~a, a << b if b < n_bits else 0, right, a & 0x3C5A, a | 0x3C5A, a ^ 0x3C5A, a << 3,
            a >> 3]


def compute_golden(tensors, params):
    x, w = tensors["x"].astype(np.float64), tensors["w"].astype(np.float64)
    tensors["out_y"][:20] = x @ w + tensors["bias"]
    tensors["out_y"][20] = x[0] @ w + tensors["bias"]
    tensors["out_y"][21] = 2 * (x[0] @ w)
    f = tensors["f"].astype(np.float64)
    tensors["out_f"][:] = np.concatenate([f.prod(axis=1), f.prod(axis=0)])
    for name, kind in (("u32", np.uint32), ("i16", np.int16)):
        mask = (1 << np.iinfo(kind).bits) - 1
        pairs = zip(tensors[f"a_{name}"].ravel().tolist(), tensors[f"b_{name}"].ravel().tolist())
        exact = np.array([[each & mask for each in _bits(a, b, kind)] for a, b in pairs], np.uint64)
        unsigned = exact.T.astype(np.uint32 if kind is np.uint32 else np.uint16)
        tensors[f"out_{name}"][:] = unsigned.view(kind).reshape(N_RESULTS, 7, 24)

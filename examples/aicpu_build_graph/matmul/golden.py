"""f = exp(b @ w1 + b @ w2) with b = sqrt(log(a)); a, w1, w2 fp16, f fp32."""
import numpy as np

TENSOR_ORDER = ["a", "w1", "w2", "f"]
__outputs__ = ["f"]
# log and sqrt are rounded to fp16: b is off by up to 3/2 * 2^-11 of itself. An exponent, the sum of 256 terms of which
# |b| is at most 1.5 and |w| about 0.016, is then off by 4.5e-3 at most, and so is f in relation to itself.
RTOL, ATOL = 5e-3, 0.0

SIZE = 128


def generate_inputs(params):
    rng = np.random.default_rng(42)
    w1, w2 = rng.standard_normal((2, SIZE, SIZE)) * 0.02
    return {"a": rng.uniform(1.0, 7.0, (SIZE, SIZE)).astype(np.float16), "w1": w1.astype(np.float16),
            "w2": w2.astype(np.float16), "f": np.zeros((SIZE, SIZE), dtype=np.float32)}


def compute_golden(tensors, params):
    a, w1, w2 = (tensors[name].astype(np.float64) for name in ("a", "w1", "w2"))
    b = np.sqrt(np.log(a))
    tensors["f"][:] = np.exp(b @ w1 + b @ w2)

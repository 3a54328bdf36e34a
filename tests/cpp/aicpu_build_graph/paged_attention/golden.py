"""Paged attention over blocks of KV cache, fp32; PA_CASE chooses Case1 (one block) or Case2 (four)."""
import os
import struct

import numpy as np

__outputs__ = ["out"]
TENSOR_ORDER = ["query", "key_cache", "value_cache", "block_table", "context_lens", "out", "config"]
RTOL = 1e-3
ATOL = 1e-3

_CASES = {
    "Case1": {"name": "Case1", "block_num": 1, "context_len": 16},
    "Case2": {"name": "Case2", "block_num": 4, "context_len": 64},
}
PARAMS_LIST = [_CASES[os.environ.get("PA_CASE", "Case1")]]

BATCH, HEADS, KV_HEADS, HEAD_DIM, BLOCK_SIZE = 1, 16, 1, 16, 16


def generate_inputs(params):
    block_num = params["block_num"]
    scale = 1.0 / np.sqrt(HEAD_DIM)
    scale_bits = struct.unpack("I", struct.pack("f", scale))[0]
    rng = np.random.RandomState(42)

    def draw(*shape):
        return (rng.randn(*shape) * 0.1).astype(np.float32)

    return {
        "query": draw(BATCH, HEADS, HEAD_DIM),
        "key_cache": draw(block_num, KV_HEADS, HEAD_DIM, BLOCK_SIZE),
        "value_cache": draw(block_num, KV_HEADS, BLOCK_SIZE, HEAD_DIM),
        "block_table": np.arange(BATCH * block_num, dtype=np.int32).reshape(BATCH, block_num)[:, ::-1].copy(),
        "context_lens": np.full(BATCH, params["context_len"], dtype=np.int32),
        "out": np.zeros((BATCH, HEADS, HEAD_DIM), dtype=np.float32),
        "config": np.array([BATCH, HEADS, KV_HEADS, HEAD_DIM, BLOCK_SIZE, block_num, scale_bits], dtype=np.int64),
    }


def compute_golden(tensors, params):
    scale = 1.0 / np.sqrt(HEAD_DIM)
    for seq, table in enumerate(tensors["block_table"]):
        keys = np.concatenate([tensors["key_cache"][block, 0] for block in table], axis=1).astype(np.float64)
        values = np.concatenate([tensors["value_cache"][block, 0] for block in table]).astype(np.float64)
        scores = tensors["query"][seq] @ keys * scale
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        tensors["out"][seq] = weights / weights.sum(axis=1, keepdims=True) @ values

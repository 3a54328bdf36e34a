"""Inputs and expected output of paged attention.

The variable PA_CASE chooses the case, PA_BLOCKS_PER_TASK (1 to 64, default 1) how many KV blocks a task covers.

The golden is a softmax over all keys of a sequence at once, in double precision, straight from the paged cache:
another algorithm than the kernels', which go block by block and merge.

Tensors, in the order of the program's arguments (E is the element type; bf16 travels as uint16):

    query         E [batch][num_heads][head_dim]
    key_cache     E [block][kv_head_num][head_dim][block_size]     K transposed
    value_cache   E [block][kv_head_num][block_size][head_dim]
    block_table   int32 [batch][block_num]     blocks of each sequence in order; -1 behind its last one
    context_lens  int32 [batch]                tokens of each sequence
    out           E [batch][num_heads][head_dim]
    config        int64 [7 to 10] batch, num_heads, kv_head_num, head_dim, block_size, block_num, bits of the fp32
                                  scale, element type (0 fp32, 1 fp16, 2 bf16; absent: fp32), blocks per task (absent:
                                  1)
"""
import math
import os

import numpy as np

SEED = 42
SPARE_BLOCKS = 3  # blocks of the cache that no sequence owns
DTYPE_WORDS = {"fp32": 0, "fp16": 1, "bf16": 2}

_BASE = {"num_heads": 16, "kv_head_num": 1, "head_dim": 16, "block_size": 16, "dtype": "fp32",
         "shared_blocks": 0,  # leading blocks that all sequences have in common
         "query_scale": 1.0}  # query is this times 0.1 * N(0,1)

CASES = {
    "Case1": {**_BASE, "context_lens": [16]},
    "Case2": {**_BASE, "context_lens": [64]},
    "shared-blocks": {**_BASE, "context_lens": [64, 41], "shared_blocks": 2},
    "partial-block": {**_BASE, "context_lens": [33]},
    "ragged": {**_BASE, "context_lens": [0, 1, 16, 37, 64]},
    "gqa": {**_BASE, "kv_head_num": 4, "head_dim": 32, "context_lens": [40, 70]},
    "large-scores": {**_BASE, "context_lens": [64], "query_scale": 2400.0},  # scores to about +-80
    "fp16": {**_BASE, "dtype": "fp16", "context_lens": [40, 64]},
    "bf16": {**_BASE, "dtype": "bf16", "context_lens": [40, 64]},
    "zero": {**_BASE, "context_lens": [0]},
    "one-key": {**_BASE, "context_lens": [1]},
    "PA-small1": {**_BASE, "dtype": "bf16", "context_lens": [33]},
    "PA-small2": {**_BASE, "dtype": "bf16", "context_lens": [128]},
    # 1 GiB and 256 MiB of cache: up to a minute and 4 GiB of memory
    "PA-1": {**_BASE, "head_dim": 128, "block_size": 128, "dtype": "bf16", "context_lens": [8192] * 256},
    "PA-2": {**_BASE, "num_heads": 64, "head_dim": 128, "block_size": 64, "dtype": "bf16", "context_lens": [8192] * 64},
}

_CASE = os.environ.get("PA_CASE") or "Case1"
if _CASE not in CASES:
    raise ValueError(f"PA_CASE is '{_CASE}', expected one of {', '.join(CASES)}")

_BLOCKS_PER_TASK = os.environ.get("PA_BLOCKS_PER_TASK") or "1"
if not (_BLOCKS_PER_TASK.isdecimal() and 1 <= int(_BLOCKS_PER_TASK) <= 64):
    raise ValueError(f"PA_BLOCKS_PER_TASK is '{_BLOCKS_PER_TASK}', expected a number from 1 to 64")

PARAMS_LIST = [{"name": _CASE, **CASES[_CASE], "blocks_per_task": int(_BLOCKS_PER_TASK)}]
TENSOR_ORDER = ["query", "key_cache", "value_cache", "block_table", "context_lens", "out", "config"]
__outputs__ = ["out"]


def tolerance(dtype):
    """(RTOL, ATOL) for an element type.

    fp32: sums of up to some hundred products, exp, and scores up to 80, each within a few 2^-24: 1e-5 covers all.

    16 bits, with unit roundoff u: scores and sums are fp32, so two roundings matter. p is rounded to the element type,
    each p by at most u * p; numerator and denominator use the same rounded p, so this changes out by at most
    u * (mean of |value - out|, weighted with p): below u * 0.25 for the values here, 0.1 * N(0,1). And out is rounded,
    here and on the device: u * |out| each.
    """
    if dtype == "fp32":
        return 1e-5, 1e-5
    unit = {"fp16": 2.0**-11, "bf16": 2.0**-8}[dtype]
    return 2 * unit, 0.25 * unit


RTOL, ATOL = tolerance(CASES[_CASE]["dtype"])


# ---- element types ---------------------------------------------------------------------------------------------------

def encode(values, dtype):
    """Round floats to an element type: nearest, ties to even. bf16 gives uint16 bit patterns."""
    if dtype == "fp32":
        return values.astype(np.float32)
    if dtype == "fp16":
        return values.astype(np.float16)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def decode(array):
    """Elements as float64; uint16 is taken for bf16."""
    if array.dtype == np.uint16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def to_compare(name, array):
    """What is compared of an output: numbers, not the bit patterns of bf16."""
    return decode(array)


def expects_zero(params):
    """Whether outputs of zeros are right: no sequence has a token."""
    return not any(params["context_lens"])


# ---- inputs ----------------------------------------------------------------------------------------------------------

def _block_table(rng, params):
    """The shuffled table [batch][block_num], and how many blocks the cache has."""
    lens, size, shared = params["context_lens"], params["block_size"], params["shared_blocks"]
    n_blocks = [-(-length // size) for length in lens]
    n_own = sum(n_blocks) - shared * (len(lens) - 1)
    ids = list(rng.permutation(n_own + SPARE_BLOCKS))
    common = [ids.pop() for _ in range(shared)]
    table = np.full((len(lens), max(1, *n_blocks)), -1, np.int32)
    for row, count in zip(table, n_blocks):
        row[:count] = common + [ids.pop() for _ in range(count - shared)]
    return table, n_own + SPARE_BLOCKS


def _owned(table, params, n_cache_blocks):
    """int [block]: how many of its tokens some sequence has; they are its first."""
    size = params["block_size"]
    owned = np.zeros(n_cache_blocks, int)
    for row, length in zip(table, params["context_lens"]):
        for token in range(0, length, size):
            owned[row[token // size]] = max(owned[row[token // size]], min(size, length - token))
    return owned


def _caches(rng, params, owned):
    """key_cache and value_cache, drawn block by block: whole ones in fp32 may be more than memory holds."""
    kv_heads, dim, size, dtype = (params[name] for name in ("kv_head_num", "head_dim", "block_size", "dtype"))
    keys = np.empty((len(owned), kv_heads, dim, size), encode(np.zeros(0), dtype).dtype)
    values = np.empty((len(owned), kv_heads, size, dim), keys.dtype)
    for block, tokens in enumerate(owned):
        key = 0.1 * rng.standard_normal(keys.shape[1:], np.float32)
        value = 0.1 * rng.standard_normal(values.shape[1:], np.float32)
        key[:, :, tokens:] = np.nan
        value[:, tokens:] = np.nan
        keys[block], values[block] = encode(key, dtype), encode(value, dtype)
    return keys, values


def _config(params, table):
    """The words that say more than fp32 and one block a task only where they do."""
    dim, dtype, blocks_per_task = params["head_dim"], params["dtype"], params.get("blocks_per_task", 1)
    scale_bits = int(np.float32(1.0 / math.sqrt(dim)).view(np.uint32))
    words = [len(table), params["num_heads"], params["kv_head_num"], dim, params["block_size"], table.shape[1],
             scale_bits]
    if dtype != "fp32" or blocks_per_task != 1:
        words.append(DTYPE_WORDS[dtype])
    if blocks_per_task != 1:
        words.append(blocks_per_task)
    return np.array(words, np.int64)


def generate_inputs(params):
    """Draw the tensors of a case; what no sequence owns in the caches is NaN: whoever reads it shows it in out."""
    rng = np.random.default_rng(SEED)
    batch, heads, dim, dtype = len(params["context_lens"]), params["num_heads"], params["head_dim"], params["dtype"]
    table, n_cache_blocks = _block_table(rng, params)
    query = 0.1 * params["query_scale"] * rng.standard_normal((batch, heads, dim))
    keys, values = _caches(rng, params, _owned(table, params, n_cache_blocks))
    return {
        "query": encode(query, dtype),
        "key_cache": keys,
        "value_cache": values,
        "block_table": table,
        "context_lens": np.array(params["context_lens"], np.int32),
        "out": encode(np.zeros((batch, heads, dim)), dtype),
        "config": _config(params, table),
    }


# ---- golden ----------------------------------------------------------------------------------------------------------

def attention(query, keys, values, scale):
    """softmax(query @ keys^T * scale) @ values in double precision, and zeros where there is no key.

    query [kv_heads][group][dim], keys and values [kv_heads][tokens][dim]; returns [kv_heads][group][dim].
    """
    if keys.shape[1] == 0:
        return np.zeros_like(query)
    scores = query @ keys.transpose(0, 2, 1) * scale
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights @ values / weights.sum(axis=-1, keepdims=True)


def gather(tensors, seq):
    """Keys and values of a sequence, each float64 [kv_heads][tokens][dim]."""
    block_size, length = int(tensors["config"][4]), int(tensors["context_lens"][seq])
    blocks = tensors["block_table"][seq, :-(-length // block_size)]
    keys = decode(tensors["key_cache"][blocks]).transpose(1, 0, 3, 2)
    values = decode(tensors["value_cache"][blocks]).transpose(1, 0, 2, 3)
    kv_heads, dim = keys.shape[0], keys.shape[3]
    return keys.reshape(kv_heads, -1, dim)[:, :length], values.reshape(kv_heads, -1, dim)[:, :length]


def compute_golden(tensors, params):
    """Fill tensors["out"]."""
    batch, heads, kv_heads, dim = (int(word) for word in tensors["config"][:4])
    scale = float(np.uint32(tensors["config"][6]).view(np.float32))
    for seq in range(batch):
        query = decode(tensors["query"][seq]).reshape(kv_heads, heads // kv_heads, dim)
        out = attention(query, *gather(tensors, seq), scale)
        tensors["out"][seq] = encode(out.reshape(heads, dim), params["dtype"])

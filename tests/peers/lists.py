"""Parameter lists of the attention tests of other projects, as facts: which shapes and options each test combines.

A test is a function over the product of its lists. It returns the problems that a combination stands for (a test may
loop inside), or None if the other project itself skips the combination. Options that change no number of the result,
such as the number of splits, are in the product: they count as the project counts them.

Sources: the files that each peer's comment names, as their repositories have them in 2026. Lists of tests that train
(dropout, gradients), of sparse selections and of recurrent attention are not here.
"""
import functools
import itertools
import random
import zlib
from dataclasses import dataclass, field

BITS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2",
        "int8": "int8"}


@dataclass(frozen=True)
class Problem:
    """One call of attention. lens: (query tokens, keys) of each sequence, the new keys included."""
    heads: tuple                  # query heads, KV heads
    dims: tuple                   # of keys, of values
    block: int                    # tokens of a KV block
    types: tuple                  # of query, keys and values, output
    lens: tuple
    tolerance: tuple              # ("close", absolute, relative), or ("twice", factor, absolute): see check.py
    causal: bool = True
    window: tuple = (-1, -1)      # keys to the left and right, -1: all
    soft_cap: float = 0.0
    scale: float = 0.0            # 0: 1 / sqrt(key_dim)
    alibi: bool = False
    sinks: str = ""               # "random", "zero"
    rotary: tuple = (0, False)    # dimensions, interleaved
    positions: str = ""           # of rotated queries: "" at their keys, "from cache" behind the old keys, "same" all
                                  # at one position, "shifted" from 0 on, with keys as many positions further on
    mask: str = ""                # "bits" or "added": what no other option says
    numbers: str = "normal"       # "scaled": all uniform in +-1/sqrt(dim). "tiny": uniform in +-1e-3
    scales: tuple = (1.0, 1.0)    # of keys and values of 8 bits


@dataclass(frozen=True)
class Test:
    name: str
    lists: dict = field(hash=False)
    problems: object              # a function of one combination


def _drawn(*of):
    """A generator of random numbers that depends on its arguments alone."""
    return random.Random(zlib.crc32(repr(of).encode()))


def _lens(batch, most_query, most_keys, *of):
    """Random lengths as the tests draw them; the last sequence has the longest context."""
    draw = _drawn(batch, most_query, most_keys, *of)
    lens = []
    for i in range(batch):
        keys = most_keys if i == batch - 1 else draw.randint(1, most_keys)
        lens.append((min(most_query, keys), keys))
    return tuple(lens)


@functools.lru_cache(None)
def _tokens_of_a_block(n):
    """The largest block that divides a contiguous cache of n tokens a sequence."""
    return max(d for d in range(1, 1025) if n % d == 0)


def combinations(test):
    """All of them, as dicts."""
    for values in itertools.product(*test.lists.values()):
        yield dict(zip(test.lists, values))


# ---- vLLM: tests/kernels/attention/test_{attention,cpu_attn,flash_attn,triton_unified_attention,prefix_prefill,
# ---- flashinfer}.py

_VLLM_CLOSE = ("close", 1.5e-2, 1e-2)


def _vllm_paged(c):
    narrow = c["kv_cache_dtype"] == "fp8"
    return [Problem(c["num_heads"], (c["head_size"],) * 2, c["block_size"],
                    (c["dtype"], "e4m3" if narrow else c["dtype"], c["dtype"]), _lens(7, 1, 15872),
                    ("close", 1e-2 if narrow else 1e-3, 1e-5), alibi=c["use_alibi"], numbers="scaled",
                    scales=(0.5, 0.25) if narrow else (1.0, 1.0))]


def _vllm_varlen(c):
    window = c.get("sliding_window")
    kv = {"auto": c["dtype"], "fp8_e4m3": "e4m3", "fp8_e5m2": "e5m2"}[c.get("kv_cache_dtype", "auto")]
    close = {"e4m3": ("close", 0.2, 0.1), "e5m2": ("close", 0.3, 0.1)}.get(kv, _VLLM_CLOSE)
    return [Problem(c["num_heads"], (c["head_size"],) * 2, c["block_size"], (c["dtype"], kv, c["dtype"]), c["seq_lens"],
                    close, window=(window - 1, 0) if window else (-1, -1), soft_cap=c.get("soft_cap") or 0.0,
                    alibi=c.get("use_alibi", False), sinks="random" if c.get("use_sink") else "")]


def _vllm_encoder(c):
    window = c["sliding_window"]
    return [Problem(c["num_heads"], (c["head_size"],) * 2, c["block_size"], (c["dtype"],) * 3,
                    tuple((n, n) for n in c["seq_lens"]), _VLLM_CLOSE, causal=False,
                    window=(window - 1, window - 1) if window else (-1, -1))]


def _vllm_quantized(c):
    """Query, keys and values of 8 bits together, or none of them."""
    narrow = c["q_dtype"] is not None
    if narrow and c.get("fa_version") == 2:
        return None
    types = ("e4m3", "e4m3", c["dtype"]) if narrow else (c["dtype"],) * 3
    window = c["sliding_window"]
    return [Problem(c["num_heads"], (c["head_size"],) * 2, c["block_size"], types, c["seq_lens"],
                    ("close", 0.15, 0.15) if narrow else _VLLM_CLOSE,
                    window=(window - 1, 0) if window else (-1, -1), soft_cap=c["soft_cap"] or 0.0)]


def _vllm_prefix(c):
    draw = _drawn("prefix")
    queries = [draw.randint(16, 1024) for _ in range(9)] + [1]
    lens = tuple((q, q + draw.randint(16, 1024)) for q in queries)
    kv = {"float16": "fp16", "fp8": "e4m3", "fp8_e5m2": "e5m2"}[c["kv_cache_dtype"]]
    return [Problem((64, 64 // c["num_queries_per_kv"]), (c["head_size"],) * 2, 32, ("fp16", kv, "fp16"), lens,
                    ("close", 1e-4 if kv == "fp16" else 1e-3, 0.0), alibi=c.get("alibi", False), numbers="tiny",
                    window=(c["sliding_window"] - 1, 0) if c.get("sliding_window") else (-1, -1))]


def _vllm_flashinfer(c):
    lens = c["seq_lens"] if "seq_lens" in c else tuple((1, n) for n in c["kv_lens"])
    window = c.get("sliding_window")
    return [Problem(c["num_heads"], (c["head_size"],) * 2, c["block_size"], ("bf16",) * 3, lens, ("close", 1e-2, 1e-2),
                    window=(window - 1, 0) if window else (-1, -1), soft_cap=c.get("soft_cap") or 0.0)]


_CPU_LENS = [((1, 213), (1, 1), (1, 312), (1, 7), (1, 7812)), ((2345, 2345), (5, 5), (3, 16), (134, 5131)),
             ((992, 2456), (1, 1234), (98, 1145), (1, 4162), (2345, 2345))]
_CPU = {"seq_lens": _CPU_LENS, "num_heads": [(4, 4), (8, 2), (9, 3)], "sliding_window": [None, 256]}
_CPU_FULL = {**_CPU, "head_size": [96, 128, 512], "block_size": [96, 128]}
_CPU_ONE = {**_CPU, "head_size": [96], "block_size": [128], "dtype": ["bf16"], "kv_cache_dtype": ["auto", "fp8_e4m3"]}
_ENCODER = {"seq_lens": [(1, 678, 2367, 145, 4162, 36, 7812)], "num_heads": _CPU["num_heads"],
            "head_size": [96, 128, 512], "block_size": [128], "sliding_window": [None, 256]}
_Q_TYPES = ["bf16", "fp16", "fp32"]
_GPU_LENS = [((1, 1328), (5, 18), (129, 463)), ((1, 523), (1, 37), (1, 2011))]
_FLASHINFER = {"num_heads": [(32, 8), (6, 1)], "head_size": [128, 256], "block_size": [16, 32]}
_KV_LENS = [(1328, 18, 463), (1, 54, 293, 70)]

VLLM = [
    Test("paged_attention", {"num_heads": [(32, 8), (40, 40), (64, 8)], "head_size": [64, 128],
                             "use_alibi": [False, True], "block_size": [16, 32], "dtype": ["bf16", "fp16"],
                             "kv_cache_dtype": ["auto", "fp8"]}, _vllm_paged),
    Test("encoder_attention_vec", {**_ENCODER, "dtype": _Q_TYPES}, _vllm_encoder),
    Test("encoder_attention_amx", {**_ENCODER, "dtype": ["bf16"]}, _vllm_encoder),
    Test("paged_kv_normal_vec", {**_CPU_FULL, "dtype": _Q_TYPES, "kv_cache_dtype": ["auto", "fp8_e4m3", "fp8_e5m2"]},
         _vllm_varlen),
    Test("paged_kv_normal_amx", {**_CPU_FULL, "dtype": ["bf16"], "kv_cache_dtype": ["auto", "fp8_e4m3", "fp8_e5m2"]},
         _vllm_varlen),
    Test("paged_kv_normal_vec16", {**_CPU, "head_size": [96, 80, 112, 128], "block_size": [48], "dtype": ["bf16"]},
         _vllm_varlen),
    Test("paged_kv_normal_neon", {**_CPU_FULL, "dtype": _Q_TYPES}, _vllm_varlen),
    Test("paged_kv_normal_rvv", {**_CPU_FULL, "dtype": _Q_TYPES, "kv_cache_dtype": ["auto", "fp8_e4m3"]}, _vllm_varlen),
    Test("paged_kv_softcap", {**_CPU_ONE, "soft_cap": [50.0]}, _vllm_varlen),
    Test("paged_kv_alibi", {**_CPU_ONE, "use_alibi": [True]}, _vllm_varlen),
    Test("paged_kv_sink", {**_CPU_ONE, "use_sink": [True]}, _vllm_varlen),
    Test("flash_attn", {"use_out": [True, False], "seq_lens": _GPU_LENS, "num_heads": [(4, 4), (8, 2)],
                        "head_size": [40, 72, 80, 128, 256], "block_size": [16], "sliding_window": [None, 256],
                        "dtype": ["bf16"], "soft_cap": [None, 50.0], "num_blocks": [32768, 2048], "fa_version": [2, 3],
                        "q_dtype": [None, "fp8"]}, _vllm_quantized),
    Test("triton_unified", {"seq_lens": _GPU_LENS, "num_heads": [(4, 4), (8, 2), (5, 1)], "head_size": [128, 256],
                            "block_size": [16], "sliding_window": [None, 64, 128, 256], "dtype": ["bf16"],
                            "soft_cap": [None, 50.0], "num_blocks": [32768, 2048], "q_dtype": [None, "fp8"],
                            "seq_threshold_3D": [0, 8]}, _vllm_quantized),
    Test("prefix_prefill", {"num_queries_per_kv": [1, 64], "head_size": [24, 128],
                            "kv_cache_dtype": ["float16", "fp8", "fp8_e5m2"], "sliding_window": [0, 16, 2048],
                            "op": [0, 1]}, _vllm_prefix),
    Test("prefix_prefill_alibi", {"num_queries_per_kv": [1, 64], "head_size": [24, 128],
                                  "kv_cache_dtype": ["float16", "fp8", "fp8_e5m2"], "alibi": [True], "op": [0, 1]},
         _vllm_prefix),
    Test("flashinfer_fast_plan", {**_FLASHINFER, "kv_lens": _KV_LENS}, _vllm_flashinfer),
    Test("flashinfer_decode", {**_FLASHINFER, "kv_lens": _KV_LENS, "soft_cap": [None, 30.0],
                               "sliding_window": [None, 64]}, _vllm_flashinfer),
    Test("flashinfer_prefill", {**_FLASHINFER, "seq_lens": _GPU_LENS[:1], "soft_cap": [None, 30.0],
                                "sliding_window": [None, 64]}, _vllm_flashinfer),
]

# ---- FlashInfer: tests/attention/test_{batch_decode_kernels,batch_prefill_kernels,sliding_window,attention_sink,alibi,
# ---- trtllm_gen_attention}.py

_FI_CLOSE = ("close", 1e-3, 1e-3)


def _fi_types(c):
    kv = {"fp8": "e4m3"}.get(c.get("kv_dtype", "fp16"), c.get("kv_dtype", "fp16"))
    return ("fp16", kv, "fp16")


def _fi_batch(c):
    queries, keys = c.get("qo_len", 1), c["kv_len"]
    if c.get("use_cuda_graph") or queries > keys and (c.get("causal", True) or "skip_long" in c):
        return None
    rotary = (c["head_dim"], False) if c.get("pos_encoding_mode") == "ROPE_LLAMA" else (0, False)
    return [Problem((c["num_qo_heads"], c["num_kv_heads"]), (c["head_dim"],) * 2,
                    c.get("page_size") or _tokens_of_a_block(keys), _fi_types(c),
                    ((queries, keys),) * c.get("batch_size", 1), _FI_CLOSE, causal=c.get("causal", True),
                    window=(c.get("window_left", -1), -1), soft_cap=c.get("logits_soft_cap", 0.0), rotary=rotary,
                    positions="shifted" if rotary[0] and queries > keys else "",
                    alibi=c.get("pos_encoding_mode") == "ALIBI", mask=c.get("mask", ""))]


def _fi_grouped(c):
    return None if c["num_qo_heads"] < c["num_kv_heads"] else _fi_batch(c)


def _fi_single(c):
    return _fi_batch({**c, "kv_len": c["seq_len"], "qo_len": c["seq_len"] if c.get("prefill") else 1})


def _fi_alibi(c):
    if c.get("causal") and c["q_len"] > c["kv_len"]:
        return None
    keys = c["kv_len"]
    return [Problem((c["num_heads"],) * 2, (c["head_dim"],) * 2, _tokens_of_a_block(keys), ("fp16",) * 3,
                    ((c["q_len"], keys),), ("close", 1e-2, 1e-2), causal=c["causal"], alibi=True)]


def _fi_sink(c):
    """Incremental: a step for each new token. Chunks: one step behind a history."""
    if "chunk_size" in c:
        if c["chunk_size"] >= c["historical_len"] or not c["causal"] and c["window_left"] >= 0:
            return None
        lens = [(c["chunk_size"], c["historical_len"] + c["chunk_size"])]
    else:
        lens = [(1, c["initial_seq_len"] + step) for step in range(c["num_generation_steps"])]
    close = ("close", 1e-3, 1e-3) if c["dtype"] == "fp16" else ("close", 1e-2, 1e-2)
    return [Problem((c["num_qo_heads"], c["num_kv_heads"]), (128, 128), 1, (c["dtype"],) * 3, (each,) * c["batch_size"],
                    close, causal=c["causal"], window=(c["window_left"], -1), sinks="random") for each in lens]


_TRT = {"bf16": "bf16", "fp16": "fp16", "fp8": "e4m3", "nvfp4": "nvfp4"}


def _fi_trtllm(c):
    backend, (query, kv, out) = c.get("backend", "trtllm-gen"), c["types"]
    batch, block, kv_heads, group = (c["shape"][i] for i in (0, -3, -2, -1))
    tokens = c["shape"][1] if len(c["shape"]) == 5 else c["max_q_len"]
    decodes = "max_in_kv_len" in c
    if backend == "xqa" and (c["skips_softmax"] or out == "nvfp4" or query == "fp8" or c.get("non_contiguous_query")):
        return None
    if decodes and (c["skips_softmax"] and query != kv or out == "nvfp4" and tokens > 1 or
                    backend == "trtllm-gen" and out == "fp8" and query != "fp8"):
        return None
    if decodes:
        lens = tuple((q, q + k) for q, k in ((tokens, _drawn(i, c["max_in_kv_len"]).randint(1, c["max_in_kv_len"]))
                                             for i in range(batch)))
    else:
        draw = _drawn("trt", batch)
        lens = tuple((q, q + draw.randint(0, c["max_kv_len"] - q))
                     for q in (draw.randint(1, tokens) for _ in range(batch)))
    close = ("close", 7e-2, 5e-2) if out == "fp8" else ("close", 7e-2, 4e-2) if query == "fp8" else \
        ("close", 1e-1, 1e-1) if kv == "fp8" else ("close", 1e-2, 1e-2)
    return [Problem((kv_heads * group, kv_heads), (c["head_dim"],) * 2, block, (_TRT[query], _TRT[kv], _TRT[out]), lens,
                    close, window=(c["window_left"], -1), sinks="random" if c["enable_sink"] else "")]


def _fi_ragged_mla(c):
    if c["s_qo"] > c["s_kv"]:
        return None
    draw, dims = _drawn(c["batch_size"], c["s_qo"], c["s_kv"]), c["dims"]
    lens = tuple((draw.randint(1, c["s_qo"]), draw.randint(c["s_qo"], c["s_kv"])) for _ in range(c["batch_size"]))
    heads = c["num_kv_heads"]
    return [Problem((heads * c["head_grp_size"], heads), dims, 1, ("bf16",) * 3, lens, ("close", 1e-2, 1e-2),
                    causal=c["causal"])]


_MODES = ["NONE", "ROPE_LLAMA"]
_DECODE = {"batch_size": [12, 17, 128], "kv_len": [54, 97, 512, 2048, 16384], "page_size": [1, 8, 16],
           "num_kv_heads": [4], "num_qo_heads": [4, 32], "pos_encoding_mode": _MODES, "kv_dtype": ["fp16", "fp8"]}
_PREFILL = {"batch_size": [12, 17, 128], "kv_len": [54, 97, 512, 2048], "qo_len": [37, 17, 127, 577],
            "head_dim": [128, 256]}
_FEW = {"num_kv_heads": [4], "num_qo_heads": [4, 32]}
_GQA = {"num_kv_heads": [1, 4], "num_qo_heads": [4, 8]}
_SINK = {"dtype": ["fp16", "bf16"], "batch_size": [1, 4, 16], "num_qo_heads": [32], "num_kv_heads": [8, 32],
         "window_left": [-1, 128], "causal": [True, False], "backend": ["fa2", "fa3"]}
_SPECULATED = [(4, 1, 16, 2, 1), (4, 1, 32, 2, 5), (4, 2, 64, 2, 5), (4, 3, 32, 2, 5), (4, 3, 64, 2, 1),
               (4, 4, 64, 4, 1), (4, 5, 64, 4, 8), (128, 1, 64, 2, 5), (128, 2, 32, 4, 1), (128, 3, 16, 4, 8),
               (128, 4, 16, 2, 5), (128, 5, 16, 2, 5), (256, 1, 64, 4, 8), (256, 2, 16, 2, 8), (256, 3, 64, 4, 5),
               (256, 4, 32, 2, 8), (256, 5, 32, 2, 1)]
_TRT_TYPES = [("bf16", "bf16", "bf16"), ("fp16", "fp16", "fp16"), ("bf16", "fp8", "bf16"), ("fp16", "fp8", "fp16"),
              ("bf16", "fp8", "fp8"), ("fp16", "fp8", "fp8"), ("fp8", "fp8", "bf16"), ("fp8", "fp8", "fp16"),
              ("fp8", "fp8", "fp8"), ("fp8", "fp8", "nvfp4")]
_BOTH = [True, False]

FLASHINFER = [
    Test("decode_paged", {**_DECODE, "head_dim": [128, 256, 512]}, _fi_batch),
    Test("decode_fast_plan", {**_DECODE, "head_dim": [128, 256]}, _fi_batch),
    Test("decode_tuple", {**_DECODE, "head_dim": [128, 256]}, _fi_batch),
    Test("prefill_paged", {**_PREFILL, "page_size": [1, 5, 16], "num_kv_heads": [32], "num_qo_heads": [32],
                           "causal": _BOTH, "pos_encoding_mode": _MODES, "use_cuda_graph": _BOTH}, _fi_batch),
    Test("prefill_tuple", {**_PREFILL, **_FEW, "page_size": [1, 5, 16], "causal": _BOTH, "pos_encoding_mode": _MODES,
                           "use_cuda_graph": _BOTH}, _fi_batch),
    Test("prefill_custom_mask", {**_PREFILL, **_FEW, "page_size": [1, 16], "pos_encoding_mode": _MODES,
                                 "mask": ["bits"], "skip_long": [True]}, _fi_batch),
    Test("prefill_ragged", {**_PREFILL, **_FEW, "causal": _BOTH, "pos_encoding_mode": _MODES}, _fi_batch),
    Test("prefill_ragged_custom_mask", {**_PREFILL, **_FEW, "pos_encoding_mode": [*_MODES, "ALIBI"], "mask": ["bits"],
                                        "causal": [False], "logits_soft_cap": [0.0, 30.0], "return_lse": _BOTH},
         _fi_batch),
    Test("prefill_multi_item", {**_FEW, "batch_size": [1], "qo_len": [37, 81], "kv_len": [97], "head_dim": [128],
                                "page_size": [1, 5, 16], "pos_encoding_mode": ["ROPE_LLAMA"], "mask": ["bits"],
                                "logits_soft_cap": [0.0, 30.0], "return_lse": _BOTH}, _fi_batch),
    Test("window_single_decode", {"seq_len": [1, 3, 19, 99, 199, 1177, 1999], "window_left": [3, 13, 23, 37, 43],
                                  **_GQA, "head_dim": [64, 128, 256, 512]}, _fi_single),
    Test("window_batch_decode", {"batch_size": [1, 3, 13, 32], "kv_len": [1, 3, 99, 199, 1999],
                                 "window_left": [33, 533], **_GQA, "head_dim": [64, 128, 256, 512],
                                 "page_size": [1, 16], "backend": ["fa2", "auto"]}, _fi_batch),
    Test("window_decode_prefill", {"seq_len": [1, 3, 19, 99, 199, 1999], "window_left": [3, 13, 23, 43], **_GQA,
                                   "head_dim": [64, 128, 256]}, _fi_single),
    Test("window_single_prefill", {"seq_len": [99, 199, 1999], "window_left": [43, 233], **_GQA,
                                   "head_dim": [64, 128, 256, 512], "prefill": [True]}, _fi_single),
    Test("window_paged_prefill", {"batch_size": [12, 17, 30], "kv_len": [54, 397, 1177], "qo_len": [1, 37, 47],
                                  "window_left": [13, 33, 111], "num_kv_heads": [1, 4, 8], "num_qo_heads": [4, 8],
                                  "head_dim": [64, 128, 256, 512], "page_size": [1, 16], "backend": ["fa2", "auto"]},
         _fi_grouped),
    Test("window_ragged_prefill", {"batch_size": [12, 17], "kv_len": [54, 397], "qo_len": [37, 47],
                                   "window_left": [13, 33], **_GQA, "head_dim": [64, 128, 256, 512],
                                   "backend": ["fa2", "auto"]}, _fi_batch),
    Test("sink_incremental", {**_SINK, "initial_seq_len": [32, 128], "num_generation_steps": [1, 2, 4]}, _fi_sink),
    Test("sink_chunks", {**_SINK, "chunk_size": [128, 256], "historical_len": [256, 512]}, _fi_sink),
    Test("alibi_single_decode", {"q_len": [1], "kv_len": [1, 9, 81, 729], "num_heads": [4, 8, 32],
                                 "head_dim": [128, 256], "causal": [False]}, _fi_alibi),
    Test("alibi_single_prefill", {"q_len": [1, 17, 81, 987], "kv_len": [1, 17, 81, 987], "num_heads": [4, 8, 32],
                                  "head_dim": [128, 256], "causal": _BOTH}, _fi_alibi),
    Test("trtllm_prefill", {"kv_layout": ["HND", "NHD"],
                            "shape": [(4, 16, 2, 1), (4, 32, 4, 5), (4, 64, 4, 8), (128, 16, 2, 5), (128, 32, 4, 1),
                                      (128, 64, 2, 8), (256, 16, 4, 8), (256, 32, 2, 8), (256, 64, 4, 1),
                                      (256, 64, 4, 5)],
                            "window_left": [-1], "types": [*_TRT_TYPES[:2], *_TRT_TYPES[6:]], "enable_sink": _BOTH,
                            "max_q_len": [511], "max_kv_len": [2047], "head_dim": [128, 256],
                            "non_contiguous_query": _BOTH, "skips_softmax": _BOTH}, _fi_trtllm),
    Test("trtllm_prefill_bs1", {"kv_layout": ["HND", "NHD"], "shape": [(1, 16, 8, 8)], "window_left": [-1],
                                "types": _TRT_TYPES[:1], "enable_sink": [False], "max_q_len": [8192],
                                "max_kv_len": [8192], "head_dim": [128, 256], "skips_softmax": _BOTH,
                                "shared_indices": _BOTH}, _fi_trtllm),
    Test("trtllm_decode", {"backend": ["trtllm-gen", "xqa"], "kv_layout": ["HND", "NHD"], "shape": _SPECULATED,
                           "window_left": [-1, 127], "types": _TRT_TYPES, "enable_pdl": [True, False, None],
                           "enable_sink": _BOTH, "max_in_kv_len": [110], "head_dim": [128],
                           "non_contiguous_query": _BOTH, "skips_softmax": _BOTH}, _fi_trtllm),
    Test("trtllm_decode_bs1", {"shape": [(1, 1, 16, 8, 8), (1, 1, 32, 8, 8)], "window_left": [-1],
                               "types": [("fp8", "fp8", "fp8")], "enable_sink": [False], "max_in_kv_len": [4096, 8192],
                               "head_dim": [128], "device_scale": _BOTH, "skips_softmax": _BOTH}, _fi_trtllm),
    Test("trtllm_decode_256", {"shape": [(4, 1, 16, 2, 1), (4, 1, 32, 2, 5), (4, 3, 64, 2, 1), (4, 4, 64, 4, 1),
                                         (128, 3, 16, 4, 8), (128, 4, 16, 2, 5), (256, 4, 32, 2, 8),
                                         (256, 5, 32, 2, 1)],
                               "window_left": [-1], "types": [*_TRT_TYPES[:2], *_TRT_TYPES[7:]],
                               "enable_sink": [False], "max_in_kv_len": [110], "head_dim": [256],
                               "device_scale": _BOTH, "skips_softmax": _BOTH}, _fi_trtllm),
    Test("trtllm_decode_long", {"shape": [(1, 1, 16, 2, 1), (1, 1, 32, 2, 5), (1, 3, 64, 2, 1), (1, 4, 64, 4, 1),
                                          (32, 4, 16, 2, 8), (32, 8, 16, 2, 8), (32, 16, 16, 2, 8)],
                                "window_left": [-1], "types": [("bf16", "bf16", "bf16"), ("fp8", "fp8", "fp8")],
                                "enable_sink": [False], "max_in_kv_len": [4096, 8192, 16384, 32768, 65536, 131072],
                                "head_dim": [128], "device_scale": _BOTH, "skips_softmax": [False]}, _fi_trtllm),
    Test("trtllm_decode_speculated", {"kv_layout": ["HND", "NHD"], "shape": _SPECULATED, "window_left": [-1, 127],
                                      "types": _TRT_TYPES, "enable_pdl": [True, False, None], "enable_sink": _BOTH,
                                      "max_in_kv_len": [110], "head_dim": [128], "skips_softmax": _BOTH}, _fi_trtllm),
    Test("trtllm_ragged", {"dims": [(192, 128), (128, 128)], "batch_size": [4, 128, 256], "s_qo": [32, 64, 87],
                           "s_kv": [32, 64, 87], "num_kv_heads": [16, 32], "head_grp_size": [1, 5, 8], "causal": _BOTH,
                           "skips_softmax": _BOTH}, _fi_ragged_mla),
    Test("trtllm_ragged_bs1", {"dims": [(192, 128), (128, 128)], "batch_size": [1], "s_qo": [1024], "s_kv": [1024],
                               "num_kv_heads": [128], "head_grp_size": [1], "causal": _BOTH, "skips_softmax": _BOTH},
         _fi_ragged_mla),
]

# ---- flash-attention: hopper/test_flash_attn.py (version 3), tests/test_flash_attn.py (version 2)

_HEADS = {"mha": 6, "mqa": 1, "gqa": 3}


def _fa3_output(c):
    queries, keys = c["lens"]
    d, narrow = c["d"], c["dtype"] == "e4m3"
    if c["has_qv"] and (d != 64 or narrow):
        return None
    value_dims = [128, d] if 128 < d <= 192 else [256, 512, d] if d <= 64 else [d]
    value_dims = [d] if narrow else [256, 512] if c["has_qv"] else value_dims
    draw = _drawn(queries, keys)
    window = (draw.randrange(keys), draw.randrange(keys)) if c["local"] else (-1, -1)
    # Scores with a second product, of query and values: keys are [value | key], as latent vectors are.
    # A combination runs with and without chunks of attention, which a mask says.
    return [Problem((6, {"gqa": 2}.get(c["mha_type"], _HEADS[c["mha_type"]])), (d + dv if c["has_qv"] else d, dv),
                    _tokens_of_a_block(keys), (c["dtype"], c["dtype"], "bf16" if narrow else c["dtype"]),
                    ((queries, keys),) * (9 if keys <= 2048 else 2), ("twice", 3 if c["softcap"] else 2, 4e-3),
                    causal=c["causal"], window=window, soft_cap=c["softcap"], mask=mask)
            for dv in value_dims for mask in ("", "bits")]


def _fa_cache(c):
    """A cache, contiguous or in pages, to which new keys may be appended with a rotation."""
    (queries, keys), paged, narrow = c["lens"], c["page_size"], c["dtype"] == "e4m3"
    skips_pages = c["batch"] == 2 and (c["has_batch_idx"] or c["has_leftpad"])  # version 2
    if paged and (skips_pages or c["batch"] == 5 and keys % paged) or queries > keys and c["new_kv"] or \
            not c["new_kv"] and c["rotary_fraction"]:
        return None
    rotated = int(c["rotary_fraction"] * c["d"]) // 16 * 16
    draw = _drawn(c["lens"], c["new_kv"], c["seqlen_new_eq_seqlen_q"], c.get("varlen_q"))
    n_new = queries if c["seqlen_new_eq_seqlen_q"] else draw.randint(1, queries)
    lens, from_cache = [], False
    for _ in range(c["batch"]):
        asked = draw.randint(max(1, queries - 20), queries) if c.get("varlen_q") else queries
        added = draw.randint(max(1, n_new - 20), n_new) if c.get("varlen_q") else n_new
        old = draw.randint(0, keys - queries) if c["new_kv"] else draw.randint(1, keys)
        lens.append((asked, old + added if c["new_kv"] else old))
        from_cache |= asked != added
    positions = "" if not rotated else "same" if not (c["causal"] or c["local"]) else "from cache" if from_cache else ""
    window = (draw.randrange(keys), draw.randrange(keys)) if c["local"] else (-1, -1)
    # Slopes of version 2 count distances to both sides: an added mask, unless no key is behind its query.
    alibi = c.get("alibi", False)
    both_sides = alibi and not c["causal"]
    masks = ["added"] if both_sides else ["bits"] if c["has_leftpad"] else [""]
    if c["batch"] == 5 and (c["causal"] or c["local"]):
        masks.append("bits")  # chunks
    return [Problem((6, _HEADS[c["mha_type"]]), (c["d"],) * 2, paged or _tokens_of_a_block(keys),
                    (c["dtype"], c["dtype"], "bf16" if narrow else c["dtype"]), tuple(lens), c["tolerance"],
                    causal=c["causal"], window=window, alibi=alibi and not both_sides,
                    rotary=(rotated, c["rotary_interleaved"] and rotated > 0), positions=positions, mask=mask)
            for mask in masks]


def _fa3_cache(c):
    causal, local = c["causal,local"]
    return _fa_cache({**c, "causal": causal, "local": local, "batch": 5, "tolerance": ("twice", 2, 4e-3)})


def _fa2_cache(c):
    return _fa_cache({**c, "batch": 2, "tolerance": ("twice", 3, 1e-5)})


_FA_LENS = [(1, 128), (1, 339), (3, 1024), (64, 800), (64, 256), (3, 799), (64, 2048), (16, 20000)]

FLASH_ATTENTION = [
    Test("version_3_output", {"dtype": ["bf16", "fp16", "e4m3"], "mha_type": list(_HEADS), "has_qv": _BOTH,
                              "softcap": [0.0, 15.0], "local": _BOTH, "causal": _BOTH, "d": [64, 96, 128, 192, 256],
                              "lens": [(1, 1), (64, 128), (128, 192), (256, 256), (239, 1), (799, 3), (113, 203),
                                       (113, 128), (128, 217), (113, 211), (108, 256), (256, 512), (384, 256),
                                       (640, 128), (512, 256), (1024, 1024), (1023, 1024), (1024, 1023), (4096, 4096),
                                       (4224, 4224)]}, _fa3_output),
    Test("version_3_cache", {"dtype": ["bf16", "e4m3"], "mha_type": list(_HEADS), "new_kv": _BOTH,
                             "causal,local": [(False, False), (True, False), (False, True)],
                             "seqlen_new_eq_seqlen_q": _BOTH, "rotary_interleaved": _BOTH,
                             "rotary_fraction": [0.0, 0.5, 1.0], "page_size": [None, 1, 4, 128], "has_leftpad": _BOTH,
                             "has_batch_idx": _BOTH, "varlen_q": _BOTH, "d": [128],
                             "lens": [*_FA_LENS, (128, 128), (256, 512), (2048, 3577)]}, _fa3_cache),
    Test("version_2_cache", {"dtype": ["fp16"], "num_splits": [1, 0], "mha_type": list(_HEADS), "new_kv": _BOTH,
                             "alibi": _BOTH, "local": _BOTH, "causal": _BOTH, "seqlen_new_eq_seqlen_q": _BOTH,
                             "rotary_interleaved": _BOTH, "rotary_fraction": [0.0, 0.5, 1.0], "page_size": [None, 256],
                             "has_leftpad": _BOTH, "has_batch_idx": [False], "d": [32, 59, 64, 80, 128, 256],
                             "lens": [*_FA_LENS, (1, 131072), (16, 131072), (128, 128)]}, _fa2_cache),
]

# ---- ONNX Runtime: onnxruntime/test/python/transformers/test_gqa_cpu.py, with the lists of its pipeline


def _ort(c):
    queries, keys = c["lens"]
    draw = _drawn(c["lens"])
    old = draw.randint(1, keys - queries) if c["past"] else 0
    window = (draw.randrange(1, keys), 0) if c["local"] else (-1, -1)
    rotary, interleaved = c["rotary"]
    dim = c["head_size"]
    return [Problem(c["num_heads"], (dim, dim), 1, ("fp32",) * 3, ((queries, old + queries),) * c["batch"],
                    ("close", 1e-3, 1e-3), window=window, soft_cap=c.get("softcap", 0.0),
                    sinks="zero" if c.get("smooth_softmax") else "", rotary=(dim // 16 * 16 * rotary, interleaved),
                    mask="added" if c["tree_mask"] else "")]


_ORT = {"local": _BOTH, "rotary": [(False, False), (True, False), (True, True)], "packed": _BOTH, "tree_mask": _BOTH,
        "buffer": _BOTH}
_ORT_MORE = {**_ORT, "softcap": [0.0, 50.0], "smooth_softmax": _BOTH}

ONNX_RUNTIME = [
    Test("gqa_no_past", {**_ORT_MORE, "batch": [3], "lens": [(127, 127), (240, 240)], "num_heads": [(32, 8)],
                         "head_size": [128], "past": [False]}, _ort),
    Test("gqa_past", {**_ORT_MORE, "batch": [1], "lens": [(1, 128)], "num_heads": [(9, 3)], "head_size": [64],
                      "past": [True]}, _ort),
    Test("gqa_interactive", {**_ORT, "batch": [1], "lens": [(256, 2048)], "num_heads": [(32, 8)], "head_size": [32],
                             "past": [True]}, _ort),
]

# ---- vllm-ascend: tests/ops/test_{flash_attention,flash_mla}.py


def _ascend_varlen(c):
    draw = _drawn(c["batch_size"], c["seq_len"])
    lens = tuple((n, n) for n in (draw.randint(1, c["seq_len"]) for _ in range(c["batch_size"])))
    return [Problem((c["num_heads"],) * 2, (c["head_size"],) * 2, 1, (c["dtype"],) * 3, lens, _VLLM_CLOSE)]


def _ascend_mla(c):
    draw, mean = _drawn(c["mean"], c["varlen"]), c["mean"]
    lens = tuple((1, max(1, int(draw.normalvariate(mean, mean / 2)) if c["varlen"] else mean)) for _ in range(128))
    return [Problem((c["num_heads_q"], 1), (576, 512), 64, (c["dtype"],) * 3, lens, _VLLM_CLOSE)]


VLLM_ASCEND = [
    Test("flash_attention", {"dtype": ["fp16", "bf16"], "batch_size": [1, 2], "num_heads": [8, 16],
                             "head_size": [64, 128], "seq_len": [128, 256]}, _ascend_varlen),
    Test("flash_mla", {"mean": [4096, 8192], "num_heads_q": [16, 32, 64, 128], "varlen": _BOTH,
                       "dtype": ["bf16", "fp16"]}, _ascend_mla),
]

PEERS = {"vLLM": VLLM, "FlashInfer": FLASHINFER, "flash-attention": FLASH_ATTENTION, "ONNX Runtime": ONNX_RUNTIME,
         "vllm-ascend": VLLM_ASCEND}

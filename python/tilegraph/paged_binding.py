"""ctypes binding of include/tilegraph/kv_cache.h and attention.h.

Structures and prototypes are in the headers' order.
"""
import ctypes
from ctypes import (POINTER, c_bool, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p)

from .binding import RunConfig, declare

LAYOUTS = {"packed": 0, "plain": 1, "vllm": 2}
DTYPES = {"float32": 0, "float16": 1, "bfloat16": 2, "int8": 4, "uint8": 5, "float8_e4m3fn": 9, "float8_e5m2": 10}


class View(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_blocks", c_uint32), ("block_tokens", c_uint32), ("kv_heads", c_uint32),
                ("key_dim", c_uint32), ("value_dim", c_uint32), ("dtype", c_uint32), ("key", c_uint64),
                ("value", c_uint64), ("key_block", c_int64), ("key_head", c_int64), ("key_token", c_int64),
                ("key_dim_stride", c_int64), ("value_block", c_int64), ("value_head", c_int64),
                ("value_token", c_int64), ("key_scale", c_float), ("value_scale", c_float),
                ("key_scales", c_uint64), ("value_scales", c_uint64)]


class CacheConfig(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_blocks", c_uint32), ("block_tokens", c_uint32), ("n_layers", c_uint32),
                ("kv_heads", c_uint32), ("key_dim", c_uint32), ("value_dim", c_uint32), ("dtype", c_uint32),
                ("layout", c_uint32), ("max_sequences", c_uint32), ("max_blocks", c_uint32), ("reuse", c_bool),
                ("key_scale", c_float), ("value_scale", c_float), ("run", POINTER(RunConfig)),
                ("keys", POINTER(c_uint64)), ("values", POINTER(c_uint64)), ("rotary_dims", c_uint32),
                ("rotary_interleaved", c_bool), ("rotary_positions", c_uint32), ("rotary_cos", c_void_p),
                ("rotary_sin", c_void_p), ("block_scales", c_bool)]


class CacheStats(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_blocks", c_uint64), ("n_used", c_uint64), ("n_kept", c_uint64),
                ("n_free", c_uint64), ("n_used_peak", c_uint64), ("n_sequences", c_uint64), ("n_looked_up", c_uint64),
                ("n_reused", c_uint64), ("n_evicted", c_uint64), ("n_copied", c_uint64)]


class SequenceInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("row", c_uint32), ("n_blocks", c_uint32), ("n_tokens", c_uint64),
                ("n_reserved", c_uint64), ("n_known", c_uint64)]


class Rows(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_sequences", c_uint32), ("sequences", POINTER(c_uint64)),
                ("n_tokens", POINTER(c_int32)), ("keys", c_void_p), ("values", c_void_p), ("resident", c_bool),
                ("dtype", c_uint32), ("key_token", c_int64), ("key_head", c_int64), ("value_token", c_int64),
                ("value_head", c_int64)]


class AttentionConfig(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("heads", c_uint32), ("kv_heads", c_uint32), ("key_dim", c_uint32),
                ("value_dim", c_uint32), ("block_tokens", c_uint32), ("query_dtype", c_uint32),
                ("out_dtype", c_uint32), ("kv_dtype", c_uint32), ("scale", c_float), ("soft_cap", c_float),
                ("causal", c_bool), ("window_left", c_int32), ("window_right", c_int32), ("share_prefixes", c_bool),
                ("span_tokens", c_uint32), ("rotary_dims", c_uint32), ("rotary_interleaved", c_bool),
                ("rotary_positions", c_uint32), ("rotary_cos", c_void_p), ("rotary_sin", c_void_p),
                ("run", POINTER(RunConfig)), ("out_scale", c_float)]


class Batch(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_sequences", c_uint32), ("query_lens", POINTER(c_int32)),
                ("context_lens", POINTER(c_int32)), ("block_table", c_void_p), ("table_stride", c_int64),
                ("table_rows", POINTER(c_int32)), ("rotary_rows", POINTER(c_int32))]


class Data(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("resident", c_bool), ("token_stride", c_int64), ("head_stride", c_int64)]


class Step(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("kv", POINTER(View)), ("query", Data), ("out", Data), ("lse", Data),
                ("mask", Data), ("mask_dtype", c_uint32), ("slopes", c_void_p), ("sinks", c_void_p)]


_PROTOTYPES = {
    "tg_device_malloc": (c_int, [c_void_p, c_uint64, POINTER(c_uint64)]),
    "tg_device_free": (c_int, [c_void_p, c_uint64]),
    "tg_copy_to_device": (c_int, [c_void_p, c_uint64, c_void_p, c_uint64]),
    "tg_kv_view_place": (c_int, [POINTER(View), c_int]),
    "tg_kv_view_fill": (c_int, [POINTER(View)]),
    "tg_kv_cache_config_fill": (c_int, [POINTER(CacheConfig)]),
    "tg_kv_cache_open": (c_int, [c_void_p, POINTER(CacheConfig), POINTER(c_void_p)]),
    "tg_kv_cache_close": (None, [c_void_p]),
    "tg_kv_cache_get_view": (c_int, [c_void_p, c_uint32, POINTER(View)]),
    "tg_kv_cache_table": (c_void_p, [c_void_p, POINTER(c_int64)]),
    "tg_kv_cache_get_stats": (c_int, [c_void_p, POINTER(CacheStats)]),
    "tg_kv_start": (c_int, [c_void_p, POINTER(c_int32), c_uint64, POINTER(c_uint64), POINTER(c_uint64)]),
    "tg_kv_lookup": (c_int, [c_void_p, POINTER(c_int32), c_uint64, POINTER(c_uint64)]),
    "tg_kv_fork": (c_int, [c_void_p, c_uint64, POINTER(c_uint64)]),
    "tg_kv_reserve": (c_int, [c_void_p, c_uint64, c_uint64, POINTER(c_uint64)]),
    "tg_kv_commit": (c_int, [c_void_p, c_uint64, POINTER(c_int32), c_uint64]),
    "tg_kv_truncate": (c_int, [c_void_p, c_uint64, c_uint64]),
    "tg_kv_release": (c_int, [c_void_p, c_uint64]),
    "tg_kv_evict": (c_uint64, [c_void_p, c_uint64]),
    "tg_kv_get_sequence": (c_int, [c_void_p, c_uint64, POINTER(SequenceInfo)]),
    "tg_kv_append": (c_int, [c_void_p, c_uint32, POINTER(Rows)]),
    "tg_kv_last_run": (c_void_p, [c_void_p]),
    "tg_kv_export": (c_int, [c_void_p, c_uint64, c_void_p, c_uint64, POINTER(c_uint64)]),
    "tg_kv_import": (c_int, [c_void_p, c_void_p, c_uint64, POINTER(c_uint64), POINTER(c_uint64)]),
    "tg_attention_config_fill": (c_int, [POINTER(AttentionConfig)]),
    "tg_attention_open": (c_int, [c_void_p, POINTER(AttentionConfig), POINTER(c_void_p)]),
    "tg_attention_close": (None, [c_void_p]),
    "tg_attention_plan": (c_int, [c_void_p, POINTER(Batch)]),
    "tg_attention_run": (c_int, [c_void_p, POINTER(Step)]),
    "tg_attention_last_run": (c_void_p, [c_void_p]),
}


def calls(library):
    """The C functions of a binding.Library, with their types."""
    return declare(library.functions, _PROTOTYPES, "the library")

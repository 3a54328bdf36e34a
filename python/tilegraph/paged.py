"""Attention over a paged KV cache, and the cache, on arrays of numpy and of all others that speak DLPack.

    with tilegraph.open("cpu") as device, tilegraph.KVCache(device, n_blocks=64, kv_heads=2, key_dim=64) as cache:
        sequence, n_reused = cache.start(prompt[:-1])
        cache.reserve(sequence, len(prompt) - n_reused)
        cache.append(0, [sequence], keys, values)             # [tokens][kv_heads][dim]
        cache.commit(sequence, prompt[n_reused:])
        out = cache.attend(0, [sequence], query)              # [tokens][heads][dim]

`attention` works on arrays alone: keys and values as blocks, a block table, context lengths.

Copies: a cache's memory is used in place; keys() and values() are numpy arrays over it, and they speak DLPack. Arrays
that `empty` makes are in device memory, and all calls use them in place, also through DLPack. Other arrays are copied
to device memory once a call, and outputs back from it.
Threads: as tilegraph.device. Errors: tilegraph.Error; a refused call of the library is a StatusError.
"""
import ctypes
import math
import weakref
from contextlib import ExitStack, contextmanager
from ctypes import byref, c_int32, c_int64, c_uint64, c_void_p

import numpy as np

from . import arrays
from . import paged_binding as binding
from .binding import set_fields
from .device import Finding, _Handle
from .device import open as open_device
from .errors import EXIT_FINDING, Error, StatusError

_NUMPY = {0: np.float32, 1: np.float16, 2: np.uint16, 4: np.int8, 5: np.uint8, 9: np.uint8, 10: np.uint8}


def _number_of(name, what, numbers):
    """The number that the library gives to `name`; `numbers` has those that there are."""
    if name not in numbers:
        raise Error(f"{what} is '{name}', expected one of {', '.join(numbers)}")
    return numbers[name]


def _dtype(name, what):
    return _number_of(name, what, binding.DTYPES)


def _int32(values):
    """A ctypes array of int32; None stays None."""
    if values is None:
        return None
    values = [int(value) for value in values]
    return (c_int32 * max(1, len(values)))(*values)


def _view(name, value, dims, dtype=None, writable=False):
    """arrays.view with `dims` dimensions, and its element type as a number. `dtype` names bits that arrays cannot."""
    view = arrays.view(name, value, writable)
    if len(view.shape) != dims:
        raise Error(f"'{name}' has the shape {view.shape}, expected {dims} dimensions")
    number = _dtype(dtype or view.dtype, f"the element type of '{name}'")
    if np.dtype(_NUMPY[number]).itemsize * view.n_elements != view.n_bytes:
        raise Error(f"'{name}' has elements of {view.dtype}, which are no {dtype}")
    return view, number


def empty(device, shape, dtype="float32"):
    """A numpy array in device memory. Calls of this module use it where it is, and copy nothing.

    dtype   a name; bfloat16 and fp8 are unsigned integers of their size
    The memory is given back when no array uses it any more. It ends with the device, so do not use it after that.
    """
    c, number = binding.calls(device._lib), _dtype(dtype, "dtype")
    shape = tuple(int(n) for n in np.atleast_1d(shape))
    kind = np.dtype(_NUMPY[number])
    if any(n < 1 for n in shape):
        raise Error(f"an array of the shape {shape} has no elements")
    n_bytes = kind.itemsize * math.prod(shape)
    address = c_uint64()
    device._lib.check(c.tg_device_malloc(device.handle, n_bytes, byref(address)))
    raw = (ctypes.c_char * n_bytes).from_address(address.value)
    placed = _placed.setdefault(device, {})
    placed[address.value] = n_bytes
    weakref.finalize(raw, _give_back, device, placed, address.value)
    return np.ndarray(shape, kind, raw)


_placed = weakref.WeakKeyDictionary()  # of each device, the bytes of the arrays in its memory by their addresses


def _give_back(device, placed, address):
    del placed[address]
    if device._close.alive:
        binding.calls(device._lib).tg_device_free(device.handle, address)


def _is_placed(device, view):
    """Is the memory of `view` that of an array of empty()?"""
    return any(address <= view.address and view.address + view.n_bytes <= address + n_bytes
               for address, n_bytes in _placed.get(device, {}).items())


def _struct(kind, fill=None, check=None, **values):
    """A structure that begins with its size; `fill` writes the library's defaults."""
    made = kind(size=ctypes.sizeof(kind))
    if fill is not None:
        check(fill(byref(made)))
    set_fields(made, values)
    return made


class _Object(_Handle):
    """A handle of the calls of paged_binding."""

    def __init__(self, device, opened):
        super().__init__(device._lib, opened)
        self._device = device  # stays open as long as this object

    @property
    def _c(self):
        return binding.calls(self._lib)

    def _check(self, status):
        self._lib.check(status)

    def _findings(self, run):
        return [Finding(*row) for row in self._lib.list_findings(c_void_p(run))] if run else []

    def _check_run(self, status, last_run):
        """Findings raise nothing: the caller looks at `findings`."""
        try:
            self._check(status)
        except StatusError as error:
            if error.exit_code != EXIT_FINDING:
                error.findings = self._findings(last_run(self.handle))
                raise


@contextmanager
def _opened(device, config, fill, open_, close):
    """Open an object of the C library."""
    made = c_void_p()
    device._lib.check(open_(device.handle, byref(config), byref(made)))
    try:
        yield made
    finally:
        close(made)


def _run_config(device, values):
    """A RunConfig for the fields of `values`; a device's own number of blocks is the default."""
    if "block_dim" not in values and device.blocks:
        values = {**values, "block_dim": device.blocks}
    return device._lib.run_config(**values)


def _key(options):
    """A key for a dictionary; arrays count by their bytes."""
    return tuple((name, bytes(value) if hasattr(value, "__array_interface__") else value)
                 for name, value in sorted(options.items()))


class KVCache(_Object):
    """A paged KV cache on a device. Arguments are fields of struct tg_kv_cache_config; `dtype` and `layout` are names.

    run            fields of struct tg_run_config for the appends, {"check": True} for example
    block_scales   True: 8-bit elements with a scale for each block and head, which appends choose
    """

    def __init__(self, device, n_blocks, kv_heads, key_dim, dtype="float32", layout="packed", run=None, **config):
        c = binding.calls(device._lib)
        self._run = _run_config(device, run or {})  # borrowed by the call that opens the cache
        made = _struct(binding.CacheConfig, c.tg_kv_cache_config_fill, device._lib.check, n_blocks=n_blocks,
                       kv_heads=kv_heads, key_dim=key_dim, dtype=_dtype(dtype, "dtype"),
                       layout=_number_of(layout, "layout", binding.LAYOUTS), run=ctypes.pointer(self._run), **config)
        super().__init__(device, _opened(device, made, None, c.tg_kv_cache_open, c.tg_kv_cache_close))
        self.layout, self.dtype = layout, dtype
        self.block_tokens, self.n_layers = made.block_tokens, made.n_layers
        self.kv_heads, self.key_dim, self.value_dim = kv_heads, key_dim, made.value_dim or key_dim
        self._operators = {}

    # ---- sequences

    def start(self, tokens=()):
        """Start a sequence that shares the blocks of an equal prefix of `tokens`.

        Returns (sequence, number of shared tokens).
        """
        sequence, n_reused = c_uint64(), c_uint64()
        self._check(self._c.tg_kv_start(self.handle, _int32(tokens), len(tokens), byref(sequence), byref(n_reused)))
        return sequence.value, n_reused.value

    def lookup(self, tokens):
        """The number of tokens that start(tokens) would share now."""
        n_found = c_uint64()
        self._check(self._c.tg_kv_lookup(self.handle, _int32(tokens), len(tokens), byref(n_found)))
        return n_found.value

    def fork(self, sequence):
        """Another sequence with the same tokens; blocks are copied when one of the two writes into them."""
        copy = c_uint64()
        self._check(self._c.tg_kv_fork(self.handle, sequence, byref(copy)))
        return copy.value

    def reserve(self, sequence, n_tokens):
        """Make room for n_tokens behind the sequence. A StatusError of a full cache has `n_missing` blocks."""
        n_missing = c_uint64()
        try:
            self._check(self._c.tg_kv_reserve(self.handle, sequence, n_tokens, byref(n_missing)))
        except StatusError as error:
            error.n_missing = n_missing.value
            raise

    def commit(self, sequence, tokens):
        """The reserved tokens are written. `tokens`: their numbers, or how many they are if the numbers are unknown."""
        known = not isinstance(tokens, (int, np.integer))
        self._check(self._c.tg_kv_commit(self.handle, sequence, _int32(tokens) if known else None,
                                         len(tokens) if known else tokens))

    def truncate(self, sequence, n_tokens):
        """Keep the first n_tokens."""
        self._check(self._c.tg_kv_truncate(self.handle, sequence, n_tokens))

    def release(self, sequence):
        """End a sequence. Its blocks stay for reuse until others need them."""
        self._check(self._c.tg_kv_release(self.handle, sequence))

    def evict(self, n_blocks):
        """Give up blocks that are kept for reuse, at most n_blocks; returns their number."""
        return self._c.tg_kv_evict(self.handle, n_blocks)

    def look(self, sequence):
        """row, n_blocks, n_tokens, n_reserved and n_known of a sequence, as attributes."""
        info = _struct(binding.SequenceInfo)
        self._check(self._c.tg_kv_get_sequence(self.handle, sequence, byref(info)))
        return info

    @property
    def stats(self):
        """The counters of struct tg_kv_stats, a dict."""
        stats = _struct(binding.CacheStats)
        self._check(self._c.tg_kv_cache_get_stats(self.handle, byref(stats)))
        return {name: getattr(stats, name) for name, _ in stats._fields_ if name != "size"}

    def export(self, sequence):
        """The sequence as bytes, for import_sequence of this cache or of another one."""
        n = c_uint64()
        self._check(self._c.tg_kv_export(self.handle, sequence, None, 0, byref(n)))
        content = bytearray(n.value)
        raw = (ctypes.c_char * n.value).from_buffer(content)
        self._check(self._c.tg_kv_export(self.handle, sequence, raw, n.value, byref(n)))
        return bytes(content)

    def import_sequence(self, content):
        """A sequence from the bytes of export."""
        sequence = c_uint64()
        self._check(self._c.tg_kv_import(self.handle, content, len(content), byref(sequence), None))
        return sequence.value

    # ---- memory

    def view(self, layer=0):
        """struct tg_kv_view of a layer: addresses and distances."""
        view = _struct(binding.View)
        self._check(self._c.tg_kv_cache_get_view(self.handle, layer, byref(view)))
        return view

    def _array(self, address, shape, strides, number):
        dtype = np.dtype(_NUMPY[number])
        last = sum((size - 1) * stride for size, stride in zip(shape, strides))
        raw = (ctypes.c_char * ((last + 1) * dtype.itemsize)).from_address(address)
        weakref.finalize(raw, lambda cache: None, self)  # the memory lives as long as an array over it
        return np.ndarray(shape, dtype, raw, 0, [stride * dtype.itemsize for stride in strides])

    def keys(self, layer=0):
        """The keys as an array [block][token][kv_head][key_dim] over the cache's memory, whatever its layout.

        bfloat16 and fp8 are unsigned integers of their size, for numpy has no such types.
        """
        v = self.view(layer)
        return self._array(v.key, (v.n_blocks, v.block_tokens, v.kv_heads, v.key_dim),
                           (v.key_block, v.key_token, v.key_head, v.key_dim_stride), v.dtype)

    def values(self, layer=0):
        """The values as an array [block][token][kv_head][value_dim] over the cache's memory."""
        v = self.view(layer)
        return self._array(v.value, (v.n_blocks, v.block_tokens, v.kv_heads, v.value_dim),
                           (v.value_block, v.value_token, v.value_head, 1), v.dtype)

    def blocks(self, sequence):
        """The numbers of a sequence's blocks, an array of int32."""
        stride, info = c_int64(), self.look(sequence)
        table = self._c.tg_kv_cache_table(self.handle, byref(stride))
        row = (c_int32 * max(1, info.n_blocks)).from_address(table + 4 * info.row * stride.value)
        return np.array(row[:info.n_blocks], np.int32)

    def append(self, layer, sequences, keys, values, n_tokens=None, dtype=None):
        """Write the keys and values of reserved tokens: arrays [token][kv_head][dim], sequences behind each other.

        n_tokens   of each sequence; None: as many each as `keys` has for them
        dtype      the element type, if the arrays cannot say it: "bfloat16" in arrays of uint16
        """
        key_view, number = _view("keys", keys, 3, dtype)
        value_view, other = _view("values", values, 3, dtype)
        rows = (key_view.shape[0], self.kv_heads)
        expected = ((*rows, self.key_dim), (*rows, self.value_dim))
        if (key_view.shape, value_view.shape) != expected or number != other:
            raise Error(f"keys and values have the shapes {key_view.shape} and {value_view.shape} and the types "
                        f"{key_view.dtype} and {value_view.dtype}, expected {expected[0]} and {expected[1]} of one "
                        "type")
        counts = self._counts(len(sequences), n_tokens, key_view.shape[0], "keys")
        rows = binding.Rows(ctypes.sizeof(binding.Rows), len(sequences), (c_uint64 * len(sequences))(*sequences),
                            _int32(counts), key_view.address, value_view.address,
                            _is_placed(self._device, key_view) and _is_placed(self._device, value_view), number, 0, 0,
                            0, 0)
        self._check_run(self._c.tg_kv_append(self.handle, layer, byref(rows)), self._c.tg_kv_last_run)

    @staticmethod
    def _counts(n_sequences, counts, n_rows, name):
        if counts is None:
            if n_sequences == 0 or n_rows % n_sequences:
                raise Error(f"'{name}' has {n_rows} tokens for {n_sequences} sequences",
                            "say how many each has, in n_tokens or query_lens")
            return [n_rows // n_sequences] * n_sequences
        if len(counts) != n_sequences or sum(counts) != n_rows:
            raise Error(f"'{name}' has {n_rows} tokens; {list(counts)} were given for {n_sequences} sequences")
        return list(counts)

    @property
    def findings(self):
        """What the checks of the last append found, a list of Finding; empty without run={"check": True}."""
        return self._findings(self._c.tg_kv_last_run(self.handle))

    # ---- attention

    def attend(self, layer, sequences, query, query_lens=None, out=None, causal=True, run=None, **options):
        """Attention of `query` [token][head][key_dim] over the committed tokens of the sequences.

        The query tokens of a sequence are its last ones; with `causal` they see no key behind their own. Options are
        those of Attention.run and of Attention. Operators are opened once for each combination.
        """
        view, number = _view("query", query, 3, options.get("query_dtype"))
        arguments = {name: options.pop(name) for name in _STEP_OPTIONS if name in options}
        options["causal"] = causal
        key = (view.shape[1], number, _key(options), _key(run or {}))
        if key not in self._operators:
            self._operators[key] = Attention(self._device, heads=view.shape[1], kv_heads=self.kv_heads,
                                             key_dim=self.key_dim, value_dim=self.value_dim, kv_dtype=self.dtype,
                                             block_tokens=self.block_tokens, run=run,
                                             **{"query_dtype": view.dtype, **options})
        operator, stride = self._operators[key], c_int64()
        lens = self._counts(len(sequences), query_lens, view.shape[0], "query")
        infos = [self.look(sequence) for sequence in sequences]
        table = self._c.tg_kv_cache_table(self.handle, byref(stride))
        operator._plan(lens, [info.n_tokens for info in infos], table, stride.value, [info.row for info in infos])
        return operator.run(query, self.view(layer), out=out, **arguments)

    def close(self):
        """Close it, and the operators that attend() opened. More than once is allowed."""
        for operator in getattr(self, "_operators", {}).values():
            operator.close()
        super().close()


_STEP_OPTIONS = ("mask", "mask_bits", "slopes", "sinks", "return_lse")


class Attention(_Object):
    """The operator of attention.h. Arguments are fields of struct tg_attention_config; types are names.

    run   fields of struct tg_run_config, {"check": True} for example
    """

    def __init__(self, device, heads, kv_heads, key_dim, query_dtype="float32", out_dtype=None, kv_dtype=None,
                 rotary_cos=None, rotary_sin=None, run=None, **config):
        c = binding.calls(device._lib)
        self._run = _run_config(device, run or {})
        self.out_dtype = out_dtype or query_dtype
        if (rotary_cos is None) != (rotary_sin is None):
            raise Error("rotary_cos and rotary_sin are given together")
        if rotary_cos is not None:
            tables = [_view(name, table, 2) for name, table in (("rotary_cos", rotary_cos), ("rotary_sin", rotary_sin))]
            if any(number != 0 or view.shape != tables[0][0].shape for view, number in tables):
                raise Error("rotary_cos and rotary_sin are arrays [position][rotary_dims / 2] of float32, of one shape")
            config = {"rotary_dims": 2 * tables[0][0].shape[1], "rotary_positions": tables[0][0].shape[0],
                      "rotary_cos": tables[0][0].address, "rotary_sin": tables[1][0].address, **config}
        made = _struct(binding.AttentionConfig, c.tg_attention_config_fill, device._lib.check, heads=heads,
                       kv_heads=kv_heads, key_dim=key_dim, query_dtype=_dtype(query_dtype, "query_dtype"),
                       out_dtype=_dtype(self.out_dtype, "out_dtype"),
                       kv_dtype=_dtype(kv_dtype or query_dtype, "kv_dtype"), run=ctypes.pointer(self._run), **config)
        super().__init__(device, _opened(device, made, None, c.tg_attention_open, c.tg_attention_close))
        self.heads, self.key_dim, self.value_dim = heads, key_dim, made.value_dim or key_dim
        self.query_dtype = query_dtype

    def plan(self, context_lens, block_table, query_lens=None, rotary_rows=None):
        """Plan the next runs: block_table is an array of int32 [sequence][block].

        rotary_rows   rows of the rotary tables, one for each query token; None: its position
        """
        table = arrays.view("block_table", block_table)
        if len(table.shape) != 2 or table.dtype != "int32":
            raise Error(f"'block_table' has the shape {table.shape} and the type {table.dtype}, expected two "
                        "dimensions of int32")
        if table.shape[0] < len(context_lens):
            raise Error(f"'block_table' has {table.shape[0]} rows for {len(context_lens)} sequences")
        self._plan(query_lens, context_lens, table.address, table.shape[1], None, rotary_rows)

    def _plan(self, query_lens, context_lens, table, stride, rows, rotary_rows=None):
        n = len(context_lens)
        if query_lens is not None and len(query_lens) != n:
            raise Error(f"query_lens has {len(query_lens)} entries for {n} sequences")
        n_tokens = n if query_lens is None else sum(query_lens)
        if rotary_rows is not None and len(rotary_rows) != n_tokens:
            raise Error(f"rotary_rows has {len(rotary_rows)} entries for {n_tokens} query tokens")
        batch = binding.Batch(ctypes.sizeof(binding.Batch), n, _int32(query_lens), _int32(context_lens), table, stride,
                              _int32(rows), _int32(rotary_rows))
        self._check(self._c.tg_attention_plan(self.handle, byref(batch)))
        self._n_tokens = n_tokens

    def run(self, query, kv, out=None, mask=None, mask_bits=False, slopes=None, sinks=None, return_lse=False):
        """Attend: `query` [token][head][key_dim] over the keys and values of `kv`, a View as KVCache.view gives it.

        out          an array [token][head][value_dim] to write; None: a new numpy array
        mask         [token][key] or [token][head][key], added to the scores; with mask_bits a bit for each key
        slopes       [head], of ALiBi; sinks: [head], scores of one more key without a value
        return_lse   return (out, log-sum-exp [token][head])
        """
        view, _ = _view("query", query, 3, self.query_dtype)
        if view.shape != (self._n_tokens, self.heads, self.key_dim):
            raise Error(f"'query' has the shape {view.shape}, expected {(self._n_tokens, self.heads, self.key_dim)}")
        shape = (self._n_tokens, self.heads, self.value_dim)
        if out is None:
            out = np.empty(shape, _NUMPY[binding.DTYPES[self.out_dtype]])
        out_view, _ = _view("out", out, 3, self.out_dtype, writable=True)
        if out_view.shape != shape:
            raise Error(f"'out' has the shape {out_view.shape}, expected {shape}")
        step = binding.Step(size=ctypes.sizeof(binding.Step), kv=ctypes.pointer(kv))
        step.query.data, step.out.data = view.address, out_view.address
        step.query.resident, step.out.resident = (_is_placed(self._device, each) for each in (view, out_view))
        keep = []  # arrays that the call reads
        lse = np.empty(shape[:2], np.float32) if return_lse else None
        if return_lse:
            step.lse.data = lse.ctypes.data
        if mask is not None:
            self._set_mask(step, mask, mask_bits)
        for name, given in (("slopes", slopes), ("sinks", sinks)):
            if given is not None:
                keep.append(np.ascontiguousarray(given, np.float32))
                if keep[-1].shape != (self.heads,):
                    raise Error(f"'{name}' has the shape {keep[-1].shape}, expected {(self.heads,)}")
                setattr(step, name, keep[-1].ctypes.data)
        self._check_run(self._c.tg_attention_run(self.handle, byref(step)), self._c.tg_attention_last_run)
        return (out, lse) if return_lse else out

    def _set_mask(self, step, mask, bits):
        view = arrays.view("mask", mask)
        if len(view.shape) not in (2, 3) or view.shape[0] != self._n_tokens:
            raise Error(f"'mask' has the shape {view.shape}, expected [token][key] or [token][head][key] for "
                        f"{self._n_tokens} tokens")
        step.mask_dtype = binding.DTYPES["uint8"] if bits else _dtype(view.dtype, "the element type of 'mask'")
        width = view.shape[-1]
        step.mask.data = view.address
        step.mask.resident = _is_placed(self._device, view)
        step.mask.token_stride = width * (view.shape[1] if len(view.shape) == 3 else 1)
        step.mask.head_stride = width if len(view.shape) == 3 else 0

    @property
    def findings(self):
        """What the checks of the last run found, a list of Finding; empty without run={"check": True}."""
        return self._findings(self._c.tg_attention_last_run(self.handle))


# ---- on arrays alone

_default = None


def _default_device():
    """The device of attention(): this computer, opened once."""
    global _default
    if _default is None:
        _default = open_device("cpu")
    return _default


@contextmanager
def _on_device(device, views):
    """Device addresses of the memory of `views`; copies, which are freed at the end, of those that are elsewhere."""
    c, check = binding.calls(device._lib), device._lib.check
    with ExitStack() as stack:
        addresses = []
        for view in views:
            if _is_placed(device, view):
                addresses.append(view.address)
                continue
            address = c_uint64()
            check(c.tg_device_malloc(device.handle, view.n_bytes, byref(address)))
            stack.callback(c.tg_device_free, device.handle, address)
            check(c.tg_copy_to_device(device.handle, address, view.address, view.n_bytes))
            addresses.append(address.value)
        yield addresses


def _of_view(view, number):
    """The numpy array over the memory of a View."""
    return np.ndarray(view.shape, _NUMPY[number], (ctypes.c_char * view.n_bytes).from_address(view.address))


def _with_zeros(view, number, axis):
    """A copy with zeros behind, up to a multiple of 8 along an axis."""
    widths = [(0, 0)] * len(view.shape)
    widths[axis] = (0, -view.shape[axis] % 8)
    return np.pad(_of_view(view, number), widths)


def _cut(returned, value_dim, out, out_dtype):
    """What attention returns for arrays with zeros behind, without the output's elements that belong to them."""
    wide = returned[0] if isinstance(returned, tuple) else returned
    narrow = np.ascontiguousarray(wide[..., :value_dim])
    if out is not None:
        view, number = _view("out", out, 3, out_dtype, writable=True)
        if view.shape != narrow.shape:
            raise Error(f"'out' has the shape {view.shape}, expected {narrow.shape}")
        _of_view(view, number)[...] = narrow
        narrow = out
    return (narrow, returned[1]) if isinstance(returned, tuple) else narrow


def _scales(name, given, shape):
    view, _ = _view(name, given, 2)
    if view.shape != shape or view.dtype != "float32":
        raise Error(f"'{name}' has the shape {view.shape} and the type {view.dtype}, expected {shape} of float32")
    return view


def attention(query, key_cache, value_cache, block_table, context_lens, query_lens=None, dtype=None, kv_dtype=None,
              layout="plain", key_scale=1.0, value_scale=1.0, device=None, out=None, causal=True, rotary_rows=None,
              key_scales=None, value_scales=None, **options):
    """Attention over keys and values in blocks.

    query         [token][head][key_dim], the query tokens of all sequences behind each other; the last one of a
                  sequence stands at its last key
    key_cache     layout "plain": [block][token][kv_head][key_dim], value_cache alike. "packed": [block][kv_head]
                  [key_dim][token], value_cache [block][kv_head][token][value_dim]. "vllm": [2][block][token][kv_head]
                  [dim], and value_cache is None
    block_table   int32 [sequence][block]; context_lens: [sequence] keys; query_lens: [sequence], None: 1 each
    dtype         the element type of query and output, kv_dtype of keys and values, if the arrays cannot say it
    key_scale     of 8-bit elements: a number is element * key_scale; key_scales: float32 [block][kv_head], a further
                  factor for each block and head. value_scale and value_scales alike
    device        None: this computer
    dims          of keys and values: those that are no multiple of 8 get zeros behind, in copies of the arrays
    options       of Attention (scale, soft_cap, window_left, window_right, run, ...) and of Attention.run (mask,
                  slopes, sinks, return_lse)

    Returns out, or (out, log-sum-exp) with return_lse.
    """
    device = device or _default_device()
    c, check = binding.calls(device._lib), device._lib.check
    query_view, number = _view("query", query, 3, dtype)
    dims = 5 if layout == "vllm" else 4
    layout_number = _number_of(layout, "layout", binding.LAYOUTS)
    keys, kv_number = _view("key_cache", key_cache, dims, kv_dtype)
    stored = [keys]
    if layout == "vllm":
        if value_cache is not None or keys.shape[0] != 2:
            raise Error(f"key_cache has the shape {keys.shape}; layout 'vllm' is [2][block][token][kv_head][dim], and "
                        f"value_cache is None")
        n_blocks, block_tokens, kv_heads, key_dim = keys.shape[1:]
        value_dim = key_dim
    else:
        values, other = _view("value_cache", value_cache, 4, kv_dtype)
        stored.append(values)
        if layout == "plain":
            n_blocks, block_tokens, kv_heads, key_dim = keys.shape
            value_dim, expected = values.shape[3], (*keys.shape[:3], values.shape[3])
        else:
            n_blocks, kv_heads, key_dim, block_tokens = keys.shape
            value_dim, expected = values.shape[3], (n_blocks, kv_heads, block_tokens, values.shape[3])
        if values.shape != expected or other != kv_number:
            raise Error(f"value_cache has the shape {values.shape} and the type {values.dtype}, expected {expected} of "
                        f"the type of key_cache, {keys.dtype}")
    names = {value: name for name, value in binding.DTYPES.items()}
    if key_dim % 8 or value_dim % 8:
        wide = [_with_zeros(query_view, number, 2)]
        axes = (2 if layout == "packed" else -1, -1)
        wide += [_with_zeros(side, kv_number, axis) for side, axis in zip(stored, axes)]
        options["scale"] = options.get("scale") or key_dim ** -0.5
        returned = attention(*wide, *[None] * (3 - len(wide)), block_table, context_lens, query_lens, names[number],
                             names[kv_number], layout, key_scale, value_scale, device, None, causal, rotary_rows,
                             key_scales, value_scales, **options)
        return _cut(returned, value_dim, out, options.get("out_dtype") or names[number])
    arguments = {name: options.pop(name) for name in _STEP_OPTIONS if name in options}
    with ExitStack() as stack:
        operator = stack.enter_context(
            Attention(device, query_view.shape[1], kv_heads, key_dim, value_dim=value_dim, block_tokens=block_tokens,
                      query_dtype=names[number], kv_dtype=names[kv_number], causal=causal, **options))
        operator.plan(context_lens, block_table, query_lens, rotary_rows)
        scales = {name: _scales(name, given, (n_blocks, kv_heads))
                  for name, given in (("key_scales", key_scales), ("value_scales", value_scales)) if given is not None}
        addresses = stack.enter_context(_on_device(device, stored))
        placed = stack.enter_context(_on_device(device, scales.values()))
        view = _struct(binding.View, c.tg_kv_view_fill, check, n_blocks=n_blocks, block_tokens=block_tokens,
                       kv_heads=kv_heads, key_dim=key_dim, value_dim=value_dim, dtype=kv_number, key=addresses[0],
                       value=addresses[-1], key_scale=key_scale, value_scale=value_scale, **dict(zip(scales, placed)))
        check(c.tg_kv_view_place(byref(view), layout_number))
        returned = operator.run(query, view, out=out, **arguments)
        if operator.findings:
            raise Error("\n".join(f"{each.code}: {each.what}" for each in operator.findings), exit_code=EXIT_FINDING)
        return returned

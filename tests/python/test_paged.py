"""tilegraph.KVCache and tilegraph.attention against a softmax over all keys in double precision."""
import ctypes

import numpy as np
import pytest
import tilegraph
from tilegraph import paged_binding


def golden(query, keys, values, lens, causal=True, scale=None):
    """keys[i], values[i]: [token][kv_head][dim] of sequence i; query: the tokens of all sequences."""
    out, at = [], 0
    for k, v, n in zip(keys, values, lens):
        for i in range(n):
            group = query.shape[1] // k.shape[1]
            seen = len(k) - n + i + 1 if causal else len(k)
            for head in range(query.shape[1]):
                scores = k[:seen, head // group].astype(np.float64) @ query[at + i, head].astype(np.float64)
                scores *= scale or query.shape[2] ** -0.5
                weights = np.exp(scores - scores.max())
                out.append(weights @ v[:seen, head // group].astype(np.float64) / weights.sum())
        at += n
    return np.array(out).reshape(len(query), query.shape[1], -1)


def drawn(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class OnlyDLPack:
    """An array that speaks nothing but DLPack."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self):
        return self._array.__dlpack__()

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.fixture(params=["cpu", "a2a3sim"])
def device(request):
    with tilegraph.open(request.param) as device:
        yield device


CHECKED = {"a2a3sim": {"check": True}, "cpu": {}}


@pytest.mark.parametrize("layout", ["plain", "packed", "vllm"])
def test_attention_of_arrays(device, layout):
    lens, contexts = [3, 1, 2], [20, 5, 9]
    query, cache = drawn(6, 4, 16), drawn(2, 9, 8, 2, 16, seed=2)
    table = np.array([[7, 2, 5], [0, -1, -1], [3, 8, -1]], np.int32)
    keys, values = ([side[row].reshape(-1, 2, 16)[:n] for row, n in zip(table, contexts)] for side in cache)
    expected = golden(query, keys, values, lens)
    given = {"plain": (cache[0], cache[1]), "vllm": (cache, None),
             "packed": (np.ascontiguousarray(cache[0].transpose(0, 2, 3, 1)),
                        np.ascontiguousarray(cache[1].transpose(0, 2, 1, 3)))}[layout]
    run = CHECKED["a2a3sim" if device.blocks else "cpu"]
    out, lse = tilegraph.attention(OnlyDLPack(query), *given, table, contexts, lens, layout=layout, device=device,
                                   return_lse=True, run=run)
    assert np.abs(out - expected).max() < 1e-5 and lse.shape == (6, 4) and np.isfinite(lse).all()
    into = np.empty_like(out)
    assert tilegraph.attention(query, *given, table, contexts, lens, layout=layout, device=device, out=into) is into
    assert np.abs(into - expected).max() < 1e-5


def test_options_reach_the_operator(device):
    query, keys, values = drawn(5, 2, 8), drawn(3, 4, 1, 8, seed=2), drawn(3, 4, 1, 24, seed=3)
    table = np.array([[2, 0, 1]], np.int32)
    flat = [side[table[0]].reshape(12, 1, -1) for side in (keys, values)]
    given = (query, keys, values, table, [12], [5])
    out = tilegraph.attention(*given, device=device, causal=False, scale=0.5)
    assert np.abs(out - golden(query, *([side] for side in flat), [5], causal=False, scale=0.5)).max() < 1e-5
    # A mask that hides all keys but the first; a sink that weighs as much as anything.
    mask = np.full((5, 12), -np.inf, np.float32)
    mask[:, 0] = 0
    out = tilegraph.attention(*given, device=device, causal=False, mask=mask)
    assert np.abs(out - flat[1][0]).max() < 1e-5
    bits = np.zeros((5, 2), np.uint8)
    bits[:, 0] = 1
    out = tilegraph.attention(*given, device=device, causal=False, mask=bits, mask_bits=True)
    assert np.abs(out - flat[1][0]).max() < 1e-5
    out = tilegraph.attention(*given, device=device, sinks=[1e4, 1e4])
    assert np.abs(out).max() < 1e-6


@pytest.mark.parametrize("layout", ["packed", "plain", "vllm"])
def test_a_cache_from_prompt_to_fork(device, layout):
    run = CHECKED["a2a3sim" if device.blocks else "cpu"]
    prompt = list(range(100, 121))
    keys, values = drawn(24, 2, 16, seed=4), drawn(24, 2, 16, seed=5)
    with tilegraph.KVCache(device, n_blocks=12, kv_heads=2, key_dim=16, block_tokens=8, n_layers=2, layout=layout,
                           run=run) as cache:
        a, n_reused = cache.start(prompt[:-1])
        assert n_reused == 0
        cache.reserve(a, 21)
        for layer in range(2):
            cache.append(layer, [a], keys[:21] * (layer + 1), OnlyDLPack(values[:21]))
        cache.commit(a, prompt)
        assert cache.findings == []
        # In place: arrays over the cache's memory, in the order of the sequence's blocks.
        stored = cache.keys(1)[cache.blocks(a)].reshape(-1, 2, 16)[:21]
        assert np.array_equal(stored, keys[:21] * 2)
        assert np.from_dlpack(cache.values(0)).shape == (12, 8, 2, 16)

        query = drawn(4, 4, 16, seed=6)
        out = cache.attend(0, [a], query, run=run)
        assert np.abs(out - golden(query, [keys[:21]], [values[:21]], [4])).max() < 1e-5

        b, n_reused = cache.start(prompt)
        assert n_reused == 16 and cache.lookup(prompt) == 16
        cache.reserve(b, 1)
        cache.append(0, [b], keys[21:22], values[21:22])
        cache.commit(b, 1)
        c = cache.fork(b)
        cache.reserve(c, 2)
        cache.append(0, [c], keys[22:], values[22:])
        cache.commit(c, 2)
        assert cache.stats["n_copied"] == 1 and cache.look(c).n_tokens == 19
        mine = [np.concatenate([side[:16], side[21:end]]) for side in (keys, values) for end in (22, 24)]
        query = drawn(3, 4, 16, seed=7)
        out = cache.attend(0, [b, c], query, query_lens=[1, 2], run=run)
        assert np.abs(out - golden(query, mine[:2], mine[2:], [1, 2])).max() < 1e-5

        content = cache.export(c)
        cache.release(c)
        again = cache.import_sequence(content)
        assert np.abs(cache.attend(0, [b, again], query, query_lens=[1, 2]) - out).max() < 1e-6
        cache.truncate(again, 5)
        with pytest.raises(tilegraph.StatusError, match="TG_ERR_CACHE_FULL") as failure:
            cache.reserve(again, 91)
        assert failure.value.n_missing > 0 and failure.value.exit_code == 5


@pytest.mark.parametrize("dtype, tolerance", [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_short_types(device, dtype, tolerance):
    keys, values, query = drawn(10, 1, 8), drawn(10, 1, 8, seed=2), drawn(2, 2, 8, seed=3)

    def short(x):
        return x.astype(np.float16) if dtype == "float16" else (x.view(np.uint32) >> 16).astype(np.uint16)

    with tilegraph.KVCache(device, n_blocks=4, kv_heads=1, key_dim=8, dtype=dtype) as cache:
        sequence, _ = cache.start()
        cache.reserve(sequence, 10)
        cache.append(0, [sequence], short(keys), short(values), dtype=dtype)
        cache.commit(sequence, 10)
        out = cache.attend(0, [sequence], short(query), query_dtype=dtype, out_dtype="float32")
    assert out.dtype == np.float32
    assert np.abs(out - golden(query, [keys], [values], [2])).max() < tolerance


@pytest.mark.parametrize("dtype, tolerance", [("int8", 0.03), ("float8_e4m3fn", 0.12), ("float8_e5m2", 0.3)])
def test_scales_of_blocks_are_chosen_by_appends(device, dtype, tolerance):
    """Heads and blocks of very different sizes: one scale for all would lose the small ones."""
    run = CHECKED["a2a3sim" if device.blocks else "cpu"]
    size = np.array([1e-4, 1.0, 3e3], np.float32)[None, :, None]
    keys, values = drawn(23, 3, 16), drawn(23, 3, 16, seed=2) * size * np.linspace(0.5, 4, 23)[:, None, None]
    query = drawn(2, 6, 16, seed=3)
    with tilegraph.KVCache(device, n_blocks=8, kv_heads=3, key_dim=16, block_tokens=8, dtype=dtype, block_scales=True,
                           run=run) as cache:
        sequence, _ = cache.start()
        cache.reserve(sequence, 23)
        for first, end in ((0, 3), (3, 4), (4, 18), (18, 23)):
            cache.append(0, [sequence], keys[first:end], values[first:end].astype(np.float32))
            assert cache.findings == []
            cache.commit(sequence, end - first)
        fork = cache.fork(sequence)
        copy = cache.import_sequence(cache.export(sequence))
        cache.reserve(fork, 1)
        expected = golden(query, [keys], [values], [2])
        for each in (sequence, fork, copy):
            out = cache.attend(0, [each], query, run=run)
            error = np.abs(out - expected).max(axis=(0, 2)) / np.abs(expected).max(axis=(0, 2))
            assert error.max() < tolerance


def test_scales_of_blocks_of_arrays(device):
    query, cache = drawn(2, 4, 16), np.random.default_rng(4).integers(-100, 100, (2, 3, 8, 2, 16)).astype(np.int8)
    scales = np.random.default_rng(5).uniform(0.001, 0.02, (2, 3, 2)).astype(np.float32)
    keys, values = (cache[i] * scales[i][:, None, :, None] for i in range(2))
    keys, values = ([side.reshape(-1, 2, 16)[:20]] for side in (keys, values))
    out = tilegraph.attention(query, cache[0], cache[1], np.array([[0, 1, 2]], np.int32), [20], [2], device=device,
                              key_scales=scales[0], value_scales=scales[1],
                              run=CHECKED["a2a3sim" if device.blocks else "cpu"])
    assert np.abs(out - golden(query, keys, values, [2])).max() < 1e-4
    with pytest.raises(tilegraph.Error, match="key_scales"):
        tilegraph.attention(query, cache[0], cache[1], np.array([[0, 1, 2]], np.int32), [20], [2], device=device,
                            key_scales=scales[0][:2])


@pytest.mark.parametrize("layout", ["plain", "packed", "vllm"])
def test_dims_of_any_size_get_zeros_behind(device, layout):
    query, cache, values = drawn(3, 4, 59), drawn(2, 3, 8, 2, 59, seed=2), drawn(3, 8, 2, 11, seed=3)
    if layout == "vllm":
        values = cache[1]
    table = np.array([[2, 0, 1]], np.int32)
    keys = [cache[0][table[0]].reshape(-1, 2, 59)[:20]]
    expected = golden(query, keys, [values[table[0]].reshape(-1, 2, values.shape[3])[:20]], [3])
    given = {"plain": (cache[0], values), "vllm": (cache, None),
             "packed": (np.ascontiguousarray(cache[0].transpose(0, 2, 3, 1)),
                        np.ascontiguousarray(values.transpose(0, 2, 1, 3)))}[layout]
    out = np.empty_like(expected, np.float32)
    returned, lse = tilegraph.attention(query, *given, table, [20], [3], layout=layout, device=device, out=out,
                                        return_lse=True, run=CHECKED["a2a3sim" if device.blocks else "cpu"])
    assert returned is out and lse.shape == (3, 4)
    assert np.abs(out - expected).max() < 1e-5
    assert np.abs(tilegraph.attention(query, *given, table, [20], [3], layout=layout, device=device)
                  - expected).max() < 1e-5
    with pytest.raises(tilegraph.Error, match="'out' has the shape"):
        tilegraph.attention(query, *given, table, [20], [3], layout=layout, device=device, out=out[:, :, :8].copy())


def test_rotation_on_append_and_query(device):
    """Scores of rotated rows depend on the distance alone: positions from 0 and from 7 give the same output."""
    angles = np.outer(np.arange(32), [1, 0.5, 0.25, 0.125])
    tables = {"rotary_cos": np.cos(angles).astype(np.float32), "rotary_sin": np.sin(angles).astype(np.float32)}
    keys, values, query, outs = drawn(6, 1, 8), drawn(6, 1, 8, seed=2), drawn(1, 1, 8, seed=3), []
    for offset in (0, 7):
        config = {"rotary_dims": 8, "rotary_positions": 32,
                  **{name: table.ctypes.data for name, table in tables.items()}}
        with tilegraph.KVCache(device, n_blocks=4, kv_heads=1, key_dim=8, **config) as cache:
            sequence, _ = cache.start()
            cache.reserve(sequence, 6 + offset)
            far = np.full((offset, 1, 8), 1000, np.float32)
            cache.append(0, [sequence], np.concatenate([far, keys]), np.concatenate([far, values]))
            cache.commit(sequence, 6 + offset)
            outs.append(cache.attend(0, [sequence], query, window_left=5, **tables))
    assert np.abs(outs[0] - outs[1]).max() < 1e-4


def test_wrong_arguments_are_named(device):
    query, cache = drawn(1, 2, 8), drawn(2, 3, 4, 1, 8)
    table = np.zeros((1, 3), np.int32)
    good = (query, cache[0], cache[1], table, [5])

    def refused(match, *arguments, **options):
        with pytest.raises(tilegraph.Error, match=match):
            tilegraph.attention(*arguments, device=device, **options)

    refused("'query' has the shape", query[0], *good[1:])
    refused("value_cache has the shape", query, cache[0], cache[1][:2], table, [5])
    refused("layout is 'packd'", *good, layout="packd")
    refused("'vllm' is", query, cache, cache[0], table, [5], layout="vllm")
    refused("'block_table' has", query, cache[0], cache[1], table.astype(np.int64), [5])
    refused("has 1 rows for 2 sequences", query, cache[0], cache[1], table, [5, 5], [1, 0])
    refused("sequence 0, block 0: the block table has 3", query, cache[0], cache[1], table + 3, [5])
    refused("'query' has the shape", *good, query_lens=[2])
    refused("'out' has the shape", *good, out=np.empty((1, 2, 16), np.float32))
    refused("'out' .* cannot be written", *good, out=np.broadcast_to(np.float32(0), (1, 2, 8)).copy().view(ReadOnly))
    refused("no field 'frobnicate'", *good, frobnicate=1)
    refused("'mask' has the shape", *good, mask=np.zeros((2, 5), np.float32))
    refused("'sinks' has the shape", *good, sinks=[1])
    refused("expected one of", query.astype(np.int16), *good[1:])
    with pytest.raises(tilegraph.Error, match="key_dim is 12"):
        tilegraph.KVCache(device, n_blocks=4, kv_heads=1, key_dim=12)
    with tilegraph.KVCache(device, n_blocks=4, kv_heads=1, key_dim=8) as cache:
        sequence, _ = cache.start()
        with pytest.raises(tilegraph.Error, match="expected"):
            cache.append(0, [sequence], drawn(1, 2, 8), drawn(1, 2, 8))
        with pytest.raises(tilegraph.StatusError, match="are reserved"):
            cache.append(0, [sequence], drawn(1, 1, 8), drawn(1, 1, 8))
        with pytest.raises(tilegraph.StatusError, match="is not open"):
            cache.release(sequence + 1)
    with pytest.raises(tilegraph.Error, match="is closed"):
        cache.start()


class Watched:
    """The C functions, and what a call copies: the largest of the calls' peaks of device memory is kept."""

    def __init__(self, device):
        self._calls = paged_binding.calls(device._lib)
        self._device = device
        self.copied, self.peak = 0, 0

    def __getattr__(self, name):
        return getattr(self._calls, name)

    def tg_copy_to_device(self, device, address, data, n_bytes):
        self.copied += n_bytes
        return self._calls.tg_copy_to_device(device, address, data, n_bytes)

    def tg_attention_run(self, handle, step):
        status = self._calls.tg_attention_run(handle, step)
        run = self._calls.tg_attention_last_run(handle)
        self.peak = max(self.peak, self._device._lib.result(ctypes.c_void_p(run)).peak_device_bytes)
        return status


def test_arrays_in_device_memory_are_not_copied(device, monkeypatch):
    lens, contexts, table = [2, 2], [40, 33], np.array([[2, 0, 1], [5, 3, 4]], np.int32)
    arrays = drawn(4, 8, 64), drawn(6, 16, 8, 64, seed=2), drawn(6, 16, 8, 64, seed=3)
    placed = [tilegraph.empty(device, array.shape) for array in (*arrays, arrays[0])]
    for to, array in zip(placed, arrays):
        to[:] = array
    expected = golden(arrays[0], *([side[row].reshape(-1, 8, 64)[:n] for row, n in zip(table, contexts)]
                                   for side in arrays[1:]), lens)
    watched = Watched(device)
    monkeypatch.setattr(paged_binding, "calls", lambda library: watched)

    def attend(query, keys, values, out):
        watched.copied, watched.peak = 0, 0
        given = tilegraph.attention(query, keys, values, table, contexts, lens, device=device, out=out)
        assert given is out and np.abs(np.asarray(out) - expected).max() < 1e-5

    attend(*placed)
    in_place = watched.peak
    assert watched.copied == 0
    attend(*map(OnlyDLPack, placed[:3]), placed[3])
    assert watched.copied == 0 and watched.peak == in_place
    attend(*arrays, np.empty_like(placed[3]))
    assert watched.copied == arrays[1].nbytes + arrays[2].nbytes
    assert watched.peak >= in_place + watched.copied + 2 * arrays[0].nbytes  # query and output, too


def test_arrays_in_device_memory_end_with_their_last_user(device):
    before = device._lib.functions.tg_device_bytes_in_use
    before.restype, before.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
    start = before(device.handle)
    array = tilegraph.empty(device, (3, 100), "bfloat16")
    part = array[1:, 10:]
    assert array.dtype == np.uint16 and before(device.handle) > start
    del array
    part[:] = 7
    assert before(device.handle) > start
    del part
    assert before(device.handle) == start
    with pytest.raises(tilegraph.Error, match="no elements"):
        tilegraph.empty(device, (3, 0))
    with pytest.raises(tilegraph.Error, match="expected one of"):
        tilegraph.empty(device, 3, "float31")
    kept = tilegraph.empty(device, 4)
    device.close()
    del kept  # no memory is left to give back


class ReadOnly(np.ndarray):
    """An array whose interface says that it is read-only."""

    @property
    def __array_interface__(self):
        interface = dict(super().__array_interface__)
        return {**interface, "data": (interface["data"][0], True)}


@pytest.mark.parametrize("name, struct", [
    ("tg_kv_view", "View"), ("tg_kv_cache_config", "CacheConfig"), ("tg_kv_stats", "CacheStats"),
    ("tg_kv_sequence", "SequenceInfo"), ("tg_kv_rows", "Rows"), ("tg_attention_config", "AttentionConfig"),
    ("tg_attention_batch", "Batch"), ("tg_attention_data", "Data"), ("tg_attention_step", "Step")])
def test_structures_have_the_headers_layout(name, struct, tmp_path):
    import subprocess

    from conftest import ROOT
    from tilegraph.compile import compiler
    kind = getattr(paged_binding, struct)
    lines = "".join(f'    printf("%zu\\n", offsetof(struct {name}, {field}));\n' for field, _ in kind._fields_)
    source = tmp_path / "layout.c"
    source.write_text(f"#include <stdio.h>\n#include <tilegraph/attention.h>\nint main(void)\n{{\n{lines}"
                      f'    printf("%zu\\n", sizeof(struct {name}));\n}}\n')
    command = [*compiler(source, "aiv", {}), "-std=c11", f"-I{ROOT}/include", "-o", tmp_path / "layout", source]
    subprocess.run(command, check=True)
    said = [int(line) for line in subprocess.run([tmp_path / "layout"], capture_output=True, check=True).stdout.split()]
    assert said == [*(getattr(kind, field).offset for field, _ in kind._fields_), ctypes.sizeof(kind)]

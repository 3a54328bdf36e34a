"""What golden.py of an example gives to a run, and the golden of paged attention itself."""
import importlib.util
import math
import sys

import numpy as np
import pytest
from conftest import EXAMPLES, assert_failed, assert_passed
from tilegraph import example, tensors as arrays
from tilegraph.errors import ExampleError

PATH = EXAMPLES / "aicpu_build_graph" / "paged_attention" / "golden.py"
spec = importlib.util.spec_from_file_location("paged_attention_golden_under_test", PATH)
attention = importlib.util.module_from_spec(spec)
spec.loader.exec_module(attention)


# ---- any golden ------------------------------------------------------------------------------------------------------

def golden(tmp_path, generate="return {'a': np.ones(4, np.float32), 'out_x': np.zeros(4, np.float32)}",
           compute="tensors['out_x'][:] = 1", more=""):
    path = tmp_path / "golden.py"
    path.write_text(f"import numpy as np\ndef generate_inputs(params):\n    {generate}\n"
                    f"def compute_golden(tensors, params):\n    {compute}\n{more}\n")
    return example.load_golden(path)


def refused(call, *arguments):
    with pytest.raises(ExampleError) as caught:
        call(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("generate, text", [
    ("return None", "returned NoneType, expected a dict"),
    ("return {}", "expected a dict"),
    ("return {3: np.ones(1)}", "returned the key 3"),
    ("return {'a': [1, 2]}", "'a' is of type list, expected a numpy array or torch tensor"),
    ("return {'a': np.array(['x'])}", "'a' has the element type <U1"),
    ("return {'a': np.ones(2, complex)}", "'a' has the element type complex128"),
    ("return {'a': np.ones(2, '>f4')}", "'a' has the element type >f4"),
    ("return {'a': np.ones((2, 0))}", "'a' has the shape (2, 0): no elements"),
    ("return params['n']", "generate_inputs failed: KeyError: 'n' (golden.py line 3)"),
])
def test_wrong_inputs_are_named(tmp_path, generate, text):
    assert text in refused(arrays.generate, golden(tmp_path, generate), {})


def test_outputs_are_named_by_prefix_or_list(tmp_path):
    tensors = {"a": 1, "out_x": 2, "b": 3}
    assert arrays.arguments(golden(tmp_path), tensors) == (("a", "out_x", "b"), {"out_x"})
    listed = golden(tmp_path, more="__outputs__ = ['b']\nTENSOR_ORDER = ['b', 'a']")
    assert arrays.arguments(listed, tensors) == (("b", "a"), {"b"})


@pytest.mark.parametrize("more, tensors, text", [
    ("", {"a": 1}, "no outputs: no tensor's name begins with out_"),
    ("__outputs__ = ['y']", {"a": 1}, "__outputs__ names 'y', which generate_inputs did not return"),
    ("TENSOR_ORDER = ['a', 'y']", {"a": 1, "out_x": 1}, "TENSOR_ORDER names 'y'"),
    ("TENSOR_ORDER = ['a']", {"a": 1, "out_x": 1}, "the output 'out_x' is not in TENSOR_ORDER"),
])
def test_wrong_names_are_refused(tmp_path, more, tensors, text):
    assert text in refused(arrays.arguments, golden(tmp_path, more=more), tensors)


def made(given, tensors):
    kinds = {name: arrays.Kind() for name in tensors}
    return arrays.Tensors(tensors, kinds, *arrays.arguments(given, tensors))


def compute(tmp_path, body, dtype=np.float32, before=0):
    tensors = {"a": np.ones(4, np.float32), "out_x": np.full(4, before, dtype)}
    given = golden(tmp_path, compute=body)
    return arrays.compute(given, made(given, tensors), {})["out_x"], tensors


def test_golden_works_on_copies(tmp_path):
    expected, tensors = compute(tmp_path, "tensors['out_x'][:] = 7; tensors['a'][:] = 0")
    assert (expected == 7).all() and (tensors["out_x"] == 0).all() and (tensors["a"] == 1).all()


@pytest.mark.parametrize("body, text", [
    ("pass", "4 of 4 elements are not set"),
    ("tensors['out_x'][1:] = 1", "1 of 4 elements are not set"),
    ("tensors['out_x'] = np.ones(3, np.float32)", "'out_x' is float32[3], generate_inputs made it float32[4]"),
    ("tensors['out_x'] = np.ones(4)", "'out_x' is float64[4]"),
    ("tensors['out_x'] = 3", "'out_x' is of type int"),
    ("del tensors['out_x']", "'out_x' is of type NoneType"),
    ("raise RuntimeError('broken')", "compute_golden failed: RuntimeError: broken (golden.py line 5)"),
])
def test_golden_that_does_not_fill_its_outputs_is_refused(tmp_path, body, text):
    assert text in refused(compute, tmp_path, body)


def test_golden_may_expect_nan(tmp_path):
    assert np.isnan(compute(tmp_path, "tensors['out_x'][:] = np.nan")[0]).all()


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int64, np.uint8, bool, np.float32])
def test_elements_that_nobody_sets_are_refused(tmp_path, dtype):
    assert "4 of 4 elements are not set" in refused(compute, tmp_path, "pass", dtype)
    assert "1 of 4 elements are not set" in refused(compute, tmp_path, "tensors['out_x'][1:] = 1", dtype)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool, np.float32, np.float16])
def test_expected_values_may_come_from_generate_inputs(tmp_path, dtype):
    expected, _ = compute(tmp_path, "pass", dtype, before=1)
    assert (expected == 1).all()
    expected, _ = compute(tmp_path, "tensors['out_x'][:2] = 0", dtype, before=1)
    assert expected.tolist() == [0, 0, 1, 1]


def test_golden_may_go_on_with_what_generate_inputs_gave(tmp_path):
    assert compute(tmp_path, "tensors['out_x'] += tensors['a']", before=2)[0].tolist() == [3, 3, 3, 3]
    needs_numbers = "assert np.isfinite(tensors['out_x']).all(); tensors['out_x'] *= 2"
    assert compute(tmp_path, needs_numbers, before=2)[0].tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool, np.float32])
def test_zeros_that_are_set_are_set(tmp_path, dtype):
    assert not compute(tmp_path, "tensors['out_x'][:] = 0", dtype)[0].any()


# ---- a golden that cannot fail ---------------------------------------------------------------------------------------

def can_fail(tmp_path, value, dtype=np.float32, more="", also=None):
    tensors = {"a": np.ones(4, np.float32), "out_x": np.ones(4, dtype)}
    expected = {"out_x": np.full(4, value, dtype)}
    if also is not None:
        tensors["out_y"], expected["out_y"] = np.ones(2, np.float32), np.full(2, also, np.float32)
    given = golden(tmp_path, more=more)
    arrays.check_that_it_can_fail(given, made(given, tensors), expected, {"zero": 1})


@pytest.mark.parametrize("value, dtype, more, text", [
    (0, np.float32, "", "outputs that are all 0 pass"),
    (0, np.int32, "", "outputs that are all 0 pass"),
    (5, np.float32, "ATOL = 100", "outputs that are all 0 pass"),
    (5, np.float32, "RTOL = 1", "outputs that are all 0 pass"),
    (0, np.float32, "def expects_zero(params): return False", "outputs that are all 0 pass"),
    (np.nan, np.float32, "", "'out_x' passes although nobody has written it"),
    (-1, np.int32, "", "'out_x' passes although nobody has written it"),
])
def test_golden_that_cannot_fail_is_named(tmp_path, value, dtype, more, text):
    message = refused(can_fail, tmp_path, value, dtype, more)
    assert "the golden cannot fail" in message and text in message


def test_golden_that_can_fail(tmp_path):
    can_fail(tmp_path, 1)
    can_fail(tmp_path, 0, also=3)  # one of two outputs may be 0
    can_fail(tmp_path, 0, more="def expects_zero(params): return params['zero'] == 1")


def test_command_does_not_pass_a_golden_that_cannot_fail(small):
    small.write(golden=small.GOLDEN + "ATOL = 1e9\n")
    assert_failed(small.run(), 2, "the golden cannot fail: outputs that are all 0 pass", "expects_zero")


# ---- torch -----------------------------------------------------------------------------------------------------------

# As much of torch as a golden of this family uses, on numpy's memory.
TORCH = """
import numpy as np
class dtype:
    def __init__(self, name): self.name = name
    def __repr__(self): return "torch." + self.name
int16, bfloat16, float32 = dtype("int16"), dtype("bfloat16"), dtype("float32")
class Tensor:
    def __init__(self, array, kind=None): self.array, self.kind = array, kind
    dtype = property(lambda self: self.kind or dtype(str(self.array.dtype)))
    def detach(self): return self
    def cpu(self): return self
    def contiguous(self): return self
    def view(self, kind): return Tensor(self.array, bfloat16 if kind is bfloat16 else None)
    def numpy(self):
        if self.kind is bfloat16: raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array
    def __getitem__(self, key): return Tensor(self.array[key], self.kind)
    def __setitem__(self, key, value): self.array[key] = value.array if isinstance(value, Tensor) else value
    def __add__(self, other): return Tensor(self.array + other.array, self.kind)
def from_numpy(array): return Tensor(array)
"""


@pytest.fixture
def torch(tmp_path, monkeypatch):
    """The module above; tests of the arrays themselves use the real one, where it is installed."""
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    yield importlib.import_module("torch")
    sys.modules.pop("torch", None)


TORCH_GOLDEN = """
import numpy as np, torch
def generate_inputs(params):
    a = torch.from_numpy(np.arange(100, dtype=np.float32))
    return {"a": a, "b": a + a, "out_sum": torch.from_numpy(np.zeros(100, np.float32))}
def compute_golden(tensors, params):
    assert type(tensors["out_sum"]).__module__ == "torch"
    tensors["out_sum"][:] = tensors["a"] + tensors["b"]
"""


def test_torch_tensors(small, tmp_path, torch):
    del torch
    small.write(golden=TORCH_GOLDEN)
    assert_passed(small.run(PYTHONPATH=str(tmp_path)))
    small.write(golden=TORCH_GOLDEN + '    tensors["out_sum"][3] = 5\n')
    assert_failed(small.run(PYTHONPATH=str(tmp_path)), 1, "in 1 of 100 elements", "out_sum[3] is 9.0, expected 5.0")


def test_bfloat16_of_torch_is_compared_as_numbers(tmp_path, torch):
    given = golden(tmp_path)
    value = torch.from_numpy(np.array([0x3F80, 0xC000], np.uint16).view(np.int16)).view(torch.bfloat16)
    array, kind = arrays.as_numpy("x", value)
    assert kind == arrays.Kind(torch=True, bfloat16=True) and array.tolist() == [0x3F80, 0xC000]
    made_of = arrays.Tensors({"out_x": array}, {"out_x": kind}, ("out_x",), frozenset(["out_x"]))
    assert arrays.comparable(given, made_of, "out_x", array).tolist() == [1.0, -2.0]
    assert str(arrays.as_made(array, kind).dtype) == "torch.bfloat16"
    assert arrays.as_numpy("x", arrays.as_made(array, kind))[0].tolist() == array.tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_poison_is_nan(dtype):
    assert np.isnan(arrays.poisoned(np.zeros((2, 3), dtype))).all()


# ---- paged attention -------------------------------------------------------------------------------------------------

def naive(tensors, dtype):
    """Attention token by token in Python floats, from the layout in the file's first comment."""
    batch, heads, kv_heads, dim, size = (int(word) for word in tensors["config"][:5])
    scale = float(np.uint32(tensors["config"][6]).view(np.float32))
    query, keys, values = (attention.decode(tensors[name]) for name in ("query", "key_cache", "value_cache"))
    out = np.zeros((batch, heads, dim))
    for b in range(batch):
        places = [(tensors["block_table"][b][t // size], t % size) for t in range(tensors["context_lens"][b])]
        for h in range(heads):
            g = h // (heads // kv_heads)
            scores = [scale * math.fsum(query[b, h] * keys[block, g, :, slot]) for block, slot in places]
            weights = [math.exp(score - max(scores)) for score in scores]
            for d in range(dim if places else 0):
                out[b, h, d] = math.fsum(w * values[block, g, slot, d]
                                         for w, (block, slot) in zip(weights, places)) / math.fsum(weights)
    return out


QUICK = [name for name, case in attention.CASES.items() if sum(case["context_lens"]) < 1000]


@pytest.mark.parametrize("name", [name for name in QUICK if name != "PA-small2"])
def test_golden_equals_attention_token_by_token(name):
    params = attention.CASES[name]
    tensors = attention.generate_inputs(params)
    tensors["out"][...] = 1
    attention.compute_golden(tensors, params)
    expected = attention.encode(naive(tensors, params["dtype"]), params["dtype"])
    unit = {"fp32": 2.0**-23, "fp16": 2.0**-10, "bf16": 2.0**-7}[params["dtype"]]
    np.testing.assert_allclose(attention.decode(tensors["out"]), attention.decode(expected), rtol=unit, atol=1e-12)


@pytest.mark.parametrize("name", QUICK)
def test_inputs_have_the_shapes_and_traps_of_the_case(name):
    params = attention.CASES[name]
    tensors = attention.generate_inputs(params)
    batch, heads, kv_heads, dim, size, columns = (int(word) for word in tensors["config"][:6])
    assert len(tensors["config"]) == (7 if params["dtype"] == "fp32" else 8)
    assert tensors["query"].shape == tensors["out"].shape == (batch, heads, dim)
    n_blocks = len(tensors["key_cache"])
    assert tensors["key_cache"].shape == (n_blocks, kv_heads, dim, size)
    assert tensors["value_cache"].shape == (n_blocks, kv_heads, size, dim)
    assert tensors["block_table"].shape == (batch, columns) and tensors["block_table"].dtype == np.int32
    used = [-(-int(length) // size) for length in tensors["context_lens"]]
    owned = set()
    for row, count in zip(tensors["block_table"], used):
        assert (row[:count] >= 0).all() and (row[count:] == -1).all()
        owned.update(row[:count].tolist())
    assert len(owned) == sum(used) - params["shared_blocks"] * (batch - 1)
    free = sorted(set(range(n_blocks)) - owned)
    assert len(free) == attention.SPARE_BLOCKS
    assert np.isnan(attention.decode(tensors["key_cache"][free])).all()
    for row, length in zip(tensors["block_table"], params["context_lens"]):
        if length % size:
            last = attention.decode(tensors["value_cache"][row[length // size]])
            assert np.isnan(last[:, length % size:]).all() and np.isfinite(last[:, :length % size]).all()


def test_seed_cases_are_the_seeds():
    for name, columns, length in (("Case1", 1, 16), ("Case2", 4, 64)):
        tensors = attention.generate_inputs(attention.CASES[name])
        assert tensors["config"][:6].tolist() == [1, 16, 1, 16, 16, columns]
        assert np.int64(tensors["config"][6]) == np.float32(0.25).view(np.uint32)
        assert tensors["context_lens"].tolist() == [length]
        assert list(tensors) == attention.TENSOR_ORDER


def test_config_is_as_long_as_it_has_to_be():
    def words(name, blocks):
        return attention.generate_inputs({**attention.CASES[name], "blocks_per_task": blocks})["config"].tolist()
    assert len(words("Case1", 1)) == 7 and words("bf16", 1)[7:] == [2]
    assert words("Case1", 3)[7:] == [0, 3] and words("fp16", 64)[7:] == [1, 64]


def test_published_cases_have_their_shapes():
    for name, batch, heads, block_size in (("PA-1", 256, 16, 128), ("PA-2", 64, 64, 64)):
        case = attention.CASES[name]
        assert case["context_lens"] == [8192] * batch and case["dtype"] == "bf16"
        assert (case["num_heads"], case["kv_head_num"], case["head_dim"]) == (heads, 1, 128)
        assert case["block_size"] == block_size


def test_large_scores_are_large():
    params = attention.CASES["large-scores"]
    tensors = attention.generate_inputs(params)
    keys, _ = attention.gather(tensors, 0)
    scores = attention.decode(tensors["query"][0]) @ keys[0].T * 0.25
    assert 60 < np.abs(scores).max() < 110


@pytest.mark.parametrize("name", ["fp16", "bf16", "PA-small1", "PA-small2"])
def test_tolerance_covers_the_spread_of_the_values(name):
    """The bound in tolerance(): the weighted mean of |value - out| is at most 0.25."""
    params = attention.CASES[name]
    tensors = attention.generate_inputs(params)
    for seq in range(len(params["context_lens"])):
        keys, values = attention.gather(tensors, seq)
        query = attention.decode(tensors["query"][seq]).reshape(keys.shape[0], -1, keys.shape[2])
        out = attention.attention(query, keys, values, 0.25)
        spread = np.abs(values[:, None] - out[:, :, None])  # [kv_head][row][token][dim]
        weights = np.exp(query @ keys.transpose(0, 2, 1) * 0.25)
        weights /= weights.sum(axis=-1, keepdims=True)
        assert np.einsum("grt,grtd->grd", weights, spread).max() < 0.25


def test_bf16_rounds_to_nearest_even():
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -0.0, np.inf, -np.inf, 3.4e38])
    bits = attention.encode(values, "bf16")
    assert [hex(word) for word in bits] == ["0x3f80", "0x3f80", "0x3f82", "0x3f81", "0x8000", "0x7f80", "0xff80",
                                            "0x7f80"]
    assert np.isnan(attention.decode(attention.encode(np.array([np.nan]), "bf16"))).all()
    every = np.arange(0x7F80, dtype=np.uint16)
    assert (attention.encode(attention.decode(every), "bf16") == every).all()


def test_unknown_case_lists_the_valid(monkeypatch):
    monkeypatch.setenv("PA_CASE", "Case3")
    message = refused(example.load_golden, PATH)
    assert "PA_CASE is 'Case3'" in message and all(name in message for name in attention.CASES)

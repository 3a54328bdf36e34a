"""kernel_config.py and golden.py: what is read, and how broken ones are refused."""
import os

import pytest
from conftest import EXAMPLES, assert_failed
from tilegraph import example
from tilegraph.errors import ExampleError

KERNELS = 'KERNELS = [{"func_id": 0, "source": "k.c", "core_type": "aiv"}]\n'
ORCHESTRATION = 'ORCHESTRATION = {"source": "o.c", "function_name": "orchestration"}\n'
GOOD = KERNELS + ORCHESTRATION
FUNCTIONS = "def generate_inputs(params): return {}\ndef compute_golden(tensors, params): pass\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("k.c", "o.c", "k.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def load(folder, text):
    (folder / "kernel_config.py").write_text(text)
    return example.load_kernel_config(folder)


def refused(call, *arguments):
    with pytest.raises(ExampleError) as caught:
        call(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_of_kernel_config(folder):
    config = load(folder, GOOD)
    assert (config.runtime, config.aicpu_thread_num, config.block_dim) == ("host_build_graph", 3, 24)
    assert config.kernels == (example.Kernel(0, folder / "k.c", "aiv", "k"),)
    assert config.orchestration == folder / "o.c" and config.environment == {}


def test_values_of_kernel_config(folder):
    config = load(folder, GOOD + 'RUNTIME_CONFIG = {"runtime": "x", "aicpu_thread_num": 4, "block_dim": 2}\n'
                  'RUNTIME_ENV = {"LUT_DIR": "luts", "A_PATH": "/abs", "MODE": "1"}\n')
    assert (config.runtime, config.aicpu_thread_num, config.block_dim) == ("x", 4, 2)
    assert config.environment == {"LUT_DIR": str(folder / "luts"), "A_PATH": "/abs", "MODE": "1"}


@pytest.mark.parametrize("text, expected", [
    ("def", ["kernel_config.py, line 1: syntax error"]),
    ("import no_such_module_here", ["does not load", "ModuleNotFoundError", "kernel_config.py line 1"]),
    ("\n\nraise SystemExit(3)", ["SystemExit: 3", "line 3"]),
    ("", ["does not define KERNELS"]),
    (KERNELS, ["does not define ORCHESTRATION"]),
    ("KERNELS = {}\n" + ORCHESTRATION, ["KERNELS is of type dict, expected a list"]),
    ("KERNELS = []\n" + ORCHESTRATION, ["KERNELS"]),
    ("KERNELS = [3]\n" + ORCHESTRATION, ["KERNELS[0] is of type int, expected a dict"]),
    (GOOD.replace('"func_id": 0, ', ""), ["KERNELS[0] lacks 'func_id', expected an integer from 0 to 65535"]),
    (GOOD.replace('"func_id": 0', '"func_id": "0"'), ["KERNELS[0]['func_id'] is '0', expected an integer"]),
    (GOOD.replace('"func_id": 0', '"func_id": True'), ["KERNELS[0]['func_id'] is True"]),
    (GOOD.replace('"func_id": 0', '"func_id": 65536'), ["KERNELS[0]['func_id'] is 65536"]),
    (GOOD.replace("aiv", "aix"), ["KERNELS[0]['core_type'] is 'aix', expected 'aic' or 'aiv'"]),
    (GOOD.replace('"aiv"', '["aiv"]'), ["KERNELS[0]['core_type']"]),
    (GOOD.replace("k.c", "gone.c"), ["KERNELS[0]['source']: there is no file", "gone.c"]),
    (GOOD.replace("k.c", "k.txt"), ["KERNELS[0]['source']", "expected a file ending in .c"]),
    (GOOD.replace('"core_type"', '"kind"'), ["KERNELS[0] has the key 'kind'", "func_id, source, core_type, name"]),
    (GOOD.replace("KERNELS = [", 'KERNELS = [{"func_id": 0, "source": "k.c", "core_type": "aic"}, '),
     ["KERNELS[1] has the func_id 0 of KERNELS[0]"]),
    (KERNELS + "ORCHESTRATION = 'o.c'", ["ORCHESTRATION is of type str"]),
    (KERNELS + "ORCHESTRATION = {'source': 'o.c'}", ["ORCHESTRATION lacks 'function_name'"]),
    (KERNELS + "ORCHESTRATION = {'source': '.', 'function_name': 'f'}", ["ORCHESTRATION['source']"]),
    (GOOD + "RUNTIME_CONFIG = []", ["RUNTIME_CONFIG is of type list"]),
    (GOOD + "RUNTIME_CONFIG = {'block_dim': '24'}", ["RUNTIME_CONFIG['block_dim'] is '24'"]),
    (GOOD + "RUNTIME_CONFIG = {'block_dim': -1}", ["RUNTIME_CONFIG['block_dim'] is -1"]),
    (GOOD + "RUNTIME_CONFIG = {'block_dim': None}", ["RUNTIME_CONFIG['block_dim'] is None"]),
    (GOOD + "RUNTIME_CONFIG = {'blocks': 2}", ["RUNTIME_CONFIG has the key 'blocks'", "block_dim"]),
    (GOOD + "RUNTIME_ENV = []", ["RUNTIME_ENV is of type list"]),
    (GOOD + "RUNTIME_ENV = {'A': 1}", ["RUNTIME_ENV['A'] is 1, expected a string"]),
    (GOOD + "RUNTIME_ENV = {'A=B': '1'}", ["RUNTIME_ENV has the key 'A=B'"]),
    (GOOD + "RUNTIME_ENV = {'PTO_DEVICE_ID': '1'}", ["RUNTIME_ENV['PTO_DEVICE_ID'] comes too late"]),
])
def test_broken_kernel_config_is_named(folder, text, expected):
    message = refused(load, folder, text)
    for part in [str(folder / "kernel_config.py"), *expected]:
        assert part in message


def test_missing_folder_and_missing_file(tmp_path):
    assert "there is no folder" in refused(example.load_kernel_config, tmp_path / "gone")
    assert "cannot read" in refused(example.load_kernel_config, tmp_path)
    assert "there is no file" in refused(example.load_golden, tmp_path / "gone.py")


def load_golden(folder, text):
    (folder / "golden.py").write_text(text)
    return example.load_golden(folder / "golden.py")


def test_defaults_of_golden(folder):
    golden = load_golden(folder, FUNCTIONS)
    assert (golden.rtol, golden.atol, golden.outputs, golden.tensor_order) == (1e-5, 1e-5, None, None)
    assert golden.params_list == ({},) and golden.to_compare is None
    assert example.case_name({}, 0) == "run0"


@pytest.mark.parametrize("text, expected", [
    ("x = (", "golden.py, line 1: syntax error"),
    ("", "does not define the function generate_inputs"),
    ("generate_inputs = 3", "does not define the function generate_inputs"),
    ("def generate_inputs(params): pass", "does not define the function compute_golden"),
    (FUNCTIONS + "RTOL = 'small'", "RTOL is 'small', expected a number"),
    (FUNCTIONS + "ATOL = float('nan')", "ATOL is nan"),
    (FUNCTIONS + "ATOL = -1", "ATOL is -1"),
    (FUNCTIONS + "RTOL = True", "RTOL is True"),
    (FUNCTIONS + "__outputs__ = 'out'", "__outputs__ is 'out', expected a list"),
    (FUNCTIONS + "__outputs__ = []", "__outputs__ is empty"),
    (FUNCTIONS + "__outputs__ = ['a', 'a']", "names a tensor twice"),
    (FUNCTIONS + "TENSOR_ORDER = [1]", "TENSOR_ORDER is [1]"),
    (FUNCTIONS + "PARAMS_LIST = {}", "PARAMS_LIST is {}"),
    (FUNCTIONS + "PARAMS_LIST = []", "PARAMS_LIST is []"),
    (FUNCTIONS + "PARAMS_LIST = [{}, 3]", "PARAMS_LIST[1] is of type int"),
    (FUNCTIONS + "PARAMS_LIST = [{'name': 3}]", "PARAMS_LIST[0]['name'] is 3"),
    (FUNCTIONS + "PARAMS_LIST = [{'name': 'x'}, {'name': 'x'}]", "PARAMS_LIST[1] has the name 'x' of PARAMS_LIST[0]"),
    (FUNCTIONS + "to_compare = 3", "to_compare is of type int"),
])
def test_broken_golden_is_named(folder, text, expected):
    message = refused(load_golden, folder, text)
    assert str(folder / "golden.py") in message and expected in message


def test_environment_comes_back(monkeypatch):
    monkeypatch.setenv("TG_TEST_A", "before")
    monkeypatch.delenv("TG_TEST_B", raising=False)
    with example.environment({"TG_TEST_A": "1", "TG_TEST_B": "2"}):
        assert (os.environ["TG_TEST_A"], os.environ["TG_TEST_B"]) == ("1", "2")
    assert os.environ["TG_TEST_A"] == "before" and "TG_TEST_B" not in os.environ


@pytest.mark.parametrize("place", ["aicpu_build_graph/paged_attention", "host_build_graph/paged_attention",
                                   "aicpu_build_graph/vector_example"])
def test_examples_load(place):
    config = example.load_kernel_config(EXAMPLES / place / "kernels")
    assert config.runtime == place.split("/")[0]
    golden = example.load_golden(EXAMPLES / place / "golden.py")
    assert golden.outputs == ("out",)


def test_host_paged_attention_uses_the_same_sources():
    aicpu, host = (example.load_kernel_config(EXAMPLES / runtime / "paged_attention" / "kernels")
                   for runtime in ("aicpu_build_graph", "host_build_graph"))
    assert aicpu.kernels == host.kernels and aicpu.orchestration == host.orchestration
    assert (aicpu.function_name, host.function_name) == ("orchestration", "orchestration_host")


def test_command_refuses_broken_files_with_exit_2(small):
    small.write(config="KERNELS =")
    assert_failed(small.run(), 2, "kernel_config.py, line 1: syntax error")
    small.write(config=small.config(), golden="1 +")
    assert_failed(small.run(), 2, "golden.py, line 1: syntax error")

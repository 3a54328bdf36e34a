"""The Python API: devices, programs and runs on arrays; examples of folders."""
import array
import ctypes
import os
import subprocess

import numpy as np
import pytest
import tilegraph
from conftest import EXAMPLES, clean_environment
from tilegraph import arrays, binding, places
from tilegraph.compile import compiler

VECTOR = EXAMPLES / "aicpu_build_graph" / "vector_example"


@pytest.fixture(scope="module")
def vector():
    """vector_example, loaded on a device."""
    with tilegraph.open("a2a3sim") as device, device.load(VECTOR) as program:
        yield program


def tensors(n=10000):
    a = np.arange(n, dtype=np.float32)
    return {"a": a, "b": np.ones_like(a), "out": np.empty_like(a)}


def test_a_program_runs_on_arrays(vector, tmp_path):
    given = tensors()
    with vector.run(given, check=True, record=True) as run:
        assert run.n_tasks == 6 and run.device_ns > 0 and run.findings == []
        assert "schedule-independent: 6 tasks" in run.proof and "What the" in run.summary
        for kind in ("trace", "graph", "report"):
            getattr(run, f"write_{kind}")(tmp_path / kind)
            assert (tmp_path / kind).stat().st_size > 100
    assert np.array_equal(given["out"], (given["a"] + 1) * 2)
    with pytest.raises(tilegraph.Error, match="is closed"):
        _ = run.n_tasks
    with pytest.raises(AttributeError, match="n_taks"):
        _ = run.n_taks


def test_a_device_tells_what_it_is():
    assert {"a2a3sim", "cpu"} <= set(tilegraph.platforms())
    with tilegraph.open("a2a3sim") as device:
        assert (device.blocks, device.workers) == (24, 0) and device.isa
    with tilegraph.open("cpu", workers=2) as device:
        assert (device.blocks, device.workers) == (0, 2)


def test_findings_are_values_and_no_exception(small):
    """Half of an output is never written: the program covers the elements of its first tensor only."""
    given = {**tensors(100), "out": np.empty(200, np.float32)}
    with tilegraph.open() as device, device.load(small.kernels) as program, program.run(given, check=True) as run:
        assert [each.code for each in run.findings] == ["OUTPUT_UNWRITTEN"]
        assert run.findings[0].count >= 1 and "out" in run.findings[0].what and run.findings[0].mend


@pytest.mark.parametrize("change, text", [
    ({"out": np.broadcast_to(np.float32(0), (10000,))}, "not contiguous"),
    ({"a": np.arange(20000, dtype=np.float32)[::2]}, "not contiguous"),
    ({"a": np.empty(0, np.float32)}, "no elements"),
    ({"a": np.zeros(100, ">f4")}, "element type >f4"),
    ({"a": np.zeros(100, complex)}, "element type"),
    ({"a": [1.0, 2.0]}, "type list, expected an array"),
    ({"out": b"1234"}, "read-only"),
])
def test_arrays_that_are_refused(vector, change, text):
    with pytest.raises(tilegraph.Error, match=text):
        vector.run({**tensors(), **change})


@pytest.mark.parametrize("arguments, text", [
    ({"outputs": ["oui"]}, "'oui' is named as an output"),
    ({"block_dimm": 3}, "no field 'block_dimm'"),
    ({"block_dim": "many"}, "'block_dim' is 'many'"),
    ({"runtime": "no_graph"}, "no_graph"),
    ({"block_dim": 1000}, "block_dim"),
])
def test_arguments_that_are_refused(vector, arguments, text):
    with pytest.raises(tilegraph.Error, match=text):
        vector.run(tensors(), **arguments)


def test_a_status_has_its_name_and_hint():
    with pytest.raises(tilegraph.StatusError) as caught:
        tilegraph.open("a2a4")
    assert caught.value.status == "TG_ERR_PLATFORM" and caught.value.hint and caught.value.exit_code == 7


class ThroughDlpack:
    """An array that shows nothing but DLPack."""

    def __init__(self, owner):
        self._owner = owner
        self.__dlpack__, self.__dlpack_device__ = owner.__dlpack__, owner.__dlpack_device__


def test_arrays_arrive_through_dlpack_and_buffers(vector):
    given = tensors()
    row = array.array("f", given["b"])
    shown = {"a": ThroughDlpack(given["a"]), "b": row, "out": ThroughDlpack(given["out"])}
    vector.run(shown).close()
    assert np.array_equal(given["out"], (given["a"] + 1) * 2)


def test_views_name_shape_and_type():
    matrix = np.zeros((3, 5), np.float16)
    for value in (matrix, ThroughDlpack(matrix), memoryview(matrix)):
        view = arrays.view("x", value)
        assert (view.address, view.n_bytes, view.shape, view.dtype) == (matrix.ctypes.data, 30, (3, 5), "float16")
    with pytest.raises(tilegraph.Error, match="not contiguous"):
        arrays.view("x", ThroughDlpack(matrix.T))
    assert arrays.view("x", ThroughDlpack(np.zeros((3, 1)).T)).shape == (1, 3)  # a stride of one element tells nothing


def test_a_folder_runs_and_compares(small):
    results = tilegraph.run_folder(small.kernels.parent, log_level="error")
    assert [(each.name, each.n_tasks) for each in results] == [("run0", 1)] and results[0].device_ns > 0
    small.write(golden=small.GOLDEN.replace('tensors["b"]', 'tensors["b"] + 1'))
    with pytest.raises(tilegraph.Error, match="differs from the golden") as caught:
        tilegraph.run_folder(small.kernels.parent, log_level="error")
    assert caught.value.exit_code == 1


def test_a_library_of_another_version_is_refused(tmp_path):
    """Both versions are named; a later patch of the same minor version is taken."""
    major, minor, patch = (int(part) for part in places.places().version.split("."))
    source = tmp_path / "fake.c"
    for name, number, refused in (("older", major * 10000 + (minor - 1) * 100, True),
                                  ("newer", major * 10000 + (minor + 1) * 100, True),
                                  ("patch", major * 10000 + minor * 100 + patch + 1, False)):
        others = "".join(f"void {each}(void) {{}}\n" for each in binding._PROTOTYPES if each != "tg_version")
        source.write_text(f"unsigned tg_version(void) {{ return {number}; }}\n{others}")
        fake = tmp_path / f"{name}.so"
        subprocess.run([*compiler(source, "aiv", {}), "-w", "-shared", "-fPIC", "-o", fake, source], check=True)
        if refused:
            with pytest.raises(tilegraph.Error) as caught:
                binding.Library(fake)
            for version in (f"{number // 10000}.{number // 100 % 100}.0", places.places().version):
                assert version in str(caught.value)
            assert caught.value.exit_code == 8
        else:
            binding.Library(fake)


def test_importing_the_package_imports_little():
    """A command has to start quickly, and an interpreter without numpy has to be left."""
    program = "import sys, tilegraph; sys.exit('numpy' in sys.modules or 'ctypes' in sys.modules)"
    folder = os.path.dirname(os.path.dirname(tilegraph.__file__))
    subprocess.run([os.sys.executable, "-c", program], check=True, env=clean_environment(PYTHONPATH=folder))
    assert set(tilegraph.__all__) <= set(dir(tilegraph)) and tilegraph.__version__.count(".") == 2
    assert ctypes.sizeof(binding.FindingInfo) == 48

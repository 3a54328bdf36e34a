"""The search for a Python with numpy."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGES, assert_failed, assert_passed, clean_environment, run_command
from tilegraph import interpreter
from tilegraph.errors import ExampleError

# -S leaves site-packages out: an interpreter without numpy. What takes over is started without it.
WITHOUT_NUMPY = (sys.executable, "-S")
VENV = interpreter.PROJECT_ROOT / ".venv" / "bin" / "python"


def stub(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_candidates_are_the_pythons_of_path(tmp_path, monkeypatch):
    for name in ("python", "python3", "python3.11", "python3-config", "python2", "pythonista", "ls"):
        stub(tmp_path / "bin" / name, "")
    (tmp_path / "bin" / "python3.12").write_text("not executable")
    environ = {"PATH": os.pathsep.join(["/nonexistent", "", str(tmp_path / "bin")])}
    monkeypatch.setattr(sys, "executable", str(tmp_path / "other" / "python3"))
    found = interpreter.candidates(environ)
    assert [path.name for path in found if path.parent == tmp_path / "bin"] == ["python3", "python", "python3.11"]
    if Path("/usr/bin/python3").exists():
        assert Path("/usr/bin/python3") in found


def test_candidates_leave_out_the_interpreter_at_hand(tmp_path, monkeypatch):
    this = stub(tmp_path / "bin" / "python3.11", "")
    (tmp_path / "bin" / "python3").symlink_to(this)
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python3").symlink_to(this)
    monkeypatch.setattr(sys, "executable", str(this))
    found = interpreter.candidates({"PATH": os.pathsep.join([str(tmp_path / "bin"), str(tmp_path / "venv")])})
    assert [path for path in found if tmp_path in path.parents] == [tmp_path / "venv" / "python3"]


def test_has_numpy_asks_the_interpreter(tmp_path):
    assert interpreter.has_numpy(sys.executable)
    assert not interpreter.has_numpy(stub(tmp_path / "a", f"exec {sys.executable} -S \"$@\""))
    assert not interpreter.has_numpy(stub(tmp_path / "b", "exit 1"))
    assert not interpreter.has_numpy(tmp_path / "missing")


def test_search_is_made_once(monkeypatch):
    monkeypatch.setenv(interpreter.MARK, "searched\nx\ny")
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(interpreter, "candidates", lambda environ: pytest.fail("searched again"))
    with pytest.raises(ExampleError, match="numpy is not installed") as caught:
        interpreter.ensure_numpy()
    assert caught.value.exit_code == 2 and "python3-numpy" in caught.value.hint
    assert interpreter.MARK not in os.environ


def test_the_answer_of_a_search_is_remembered(monkeypatch, tmp_path):
    found = stub(tmp_path / "python3", "")
    started = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(interpreter.MARK, raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(interpreter.PathFinder, "find_spec", lambda name: None)
    monkeypatch.setattr(interpreter, "candidates", lambda environ: [found])
    monkeypatch.setattr(interpreter, "has_numpy", lambda path: path == found)
    monkeypatch.setattr(interpreter, "_replace_process", lambda path, how: started.append((Path(path), how)))
    interpreter.continue_with_remembered()
    assert started == []
    with pytest.raises(ExampleError):  # it would have been replaced
        interpreter.ensure_numpy()
    interpreter.continue_with_remembered()
    assert started == [(found, "searched"), (found, "remembered")]
    monkeypatch.setenv("PATH", "/elsewhere")
    interpreter.continue_with_remembered()
    monkeypatch.undo()
    assert len(started) == 2


def test_a_remembered_interpreter_that_was_replaced_is_none(monkeypatch, tmp_path):
    found = stub(tmp_path / "python3", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(interpreter.MARK, raising=False)
    monkeypatch.setattr(interpreter.PathFinder, "find_spec", lambda name: None)
    monkeypatch.setattr(interpreter, "_replace_process", lambda path, how: pytest.fail("it is another one"))
    interpreter.Cache.open(os.environ).write("python", interpreter._memory_of(found))
    stub(found, "# another interpreter of that name")
    interpreter.continue_with_remembered()
    found.unlink()
    interpreter.continue_with_remembered()


def test_a_remembered_interpreter_without_numpy_searches_again(monkeypatch):
    searched = []
    monkeypatch.setenv(interpreter.MARK, "remembered\nx\ny")
    monkeypatch.setitem(sys.modules, "numpy", None)
    interpreter.continue_with_remembered()  # does not go round for ever
    monkeypatch.setattr(interpreter, "candidates", lambda environ: searched.append(1) or [])
    with pytest.raises(ExampleError, match="numpy is not installed"):
        interpreter.ensure_numpy()
    assert searched == [1]


def test_no_interpreter_with_numpy_says_what_to_install(monkeypatch):
    monkeypatch.delenv(interpreter.MARK, raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(interpreter, "candidates", lambda environ: [])
    with pytest.raises(ExampleError, match="numpy is not installed"):
        interpreter.ensure_numpy()


@pytest.mark.skipif(VENV.exists(), reason="the project's own .venv goes before PATH")
def test_an_interpreter_that_only_claims_numpy_ends_the_search(tmp_path, small):
    # It answers the probe with success, but starts the command without numpy: refused, not tried for ever.
    stub(tmp_path / "bin" / "python3", f'[ "$1" = -c ] && exit 0\nexec {sys.executable} -S "$@"')
    done = run_command("-k", small.kernels, "-g", small.golden, interpreter=WITHOUT_NUMPY,
                       PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert_failed(done, 2, "numpy is not installed", f"going on with {tmp_path / 'bin' / 'python3'}")


def test_command_goes_on_with_a_python_that_has_numpy(small, tmp_path):
    stub(tmp_path / "bin" / "python3", f'exec {sys.executable} "$@"')
    done = run_command("-k", small.kernels, "-g", small.golden, "-p", "a2a3sim", interpreter=WITHOUT_NUMPY,
                       PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert_passed(done)
    assert "has no numpy; going on with" in done.stderr


def test_the_module_goes_on_with_a_python_that_has_numpy(small, tmp_path):
    stub(tmp_path / "bin" / "python3", f'exec {sys.executable} "$@"')
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for _ in ("searched", "remembered"):
        done = subprocess.run([*WITHOUT_NUMPY, "-m", "tilegraph", "run", small.golden.parent], cwd=tmp_path,
                              env=clean_environment(PATH=path, PYTHONPATH=str(PACKAGES)), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        assert_passed(done)
        assert "has no numpy; going on with" in done.stderr

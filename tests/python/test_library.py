"""Where the library is found, and how it is built when it is not there."""
import shutil

import pytest
from tilegraph import library
from tilegraph.errors import ExampleError

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder whose library is not built; returns a function that writes the recipe of `make build`."""
    built = tmp_path / "build" / "lib" / "libtilegraph.so"
    monkeypatch.setattr(library, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(library, "BUILT", built)

    def recipe(line):
        (tmp_path / "Makefile").write_text(f"build:\n\t{line}\n.PHONY: build\n")
        return built
    return recipe


def test_library_is_built_once(project, tmp_path):
    built = project("echo building; echo once >> count; mkdir -p build/lib; touch build/lib/libtilegraph.so")
    assert library.find({}) == built and library.find({}) == built
    assert (tmp_path / "count").read_text() == "once\n"


def test_build_talks_on_stderr_only(project, capfd):
    project("echo building; mkdir -p build/lib; touch build/lib/libtilegraph.so")
    library.find({})
    out, err = capfd.readouterr()
    assert out == "" and "running 'make build' once" in err and "building" in err


@pytest.mark.parametrize("line, text", [("exit 3", "'make build' failed"), ("true", "succeeded, but")])
def test_build_that_fails_is_said(project, line, text):
    project(line)
    with pytest.raises(ExampleError, match=text) as caught:
        library.find({})
    assert caught.value.exit_code == 8 and "TILEGRAPH_LIB" in caught.value.hint


def test_project_without_makefile(project):
    with pytest.raises(ExampleError, match="is not built and .*Makefile is not there") as caught:
        library.find({})
    assert caught.value.exit_code == 8


def test_variable_goes_before_the_project(project, tmp_path):
    chosen = tmp_path / "other.so"
    with pytest.raises(ExampleError, match="there is no file"):
        library.find({"TILEGRAPH_LIB": str(chosen)})
    chosen.write_text("")
    assert library.find({"TILEGRAPH_LIB": str(chosen)}) == chosen

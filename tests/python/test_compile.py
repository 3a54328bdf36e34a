"""Which compiler compiles what, and what is said when it does not."""
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import VECTOR_KERNELS, SmallExample, assert_failed, assert_passed
from tilegraph import compile as compiling
from tilegraph.errors import ExampleError

C, CPP = Path("k.c"), Path("k.cpp")


def test_variables_choose_the_compiler():
    environ = {"CC": "cat -u", "CXX": "ls", "PTO_AICPU_CXX": "cp"}
    assert compiling.compiler(C, "aiv", environ) == ["cat", "-u"]
    assert compiling.compiler(C, "orchestration", environ) == ["cat", "-u"]
    assert compiling.compiler(CPP, "aic", environ) == ["ls"]
    assert compiling.compiler(CPP, "orchestration", environ) == ["cp"]
    del environ["PTO_AICPU_CXX"]
    assert compiling.compiler(CPP, "orchestration", environ) == ["ls"]


def test_command_has_the_headers_and_the_standard():
    words, link = compiling.commands(C, "aiv", False, Path("k.so"), {"CC": "cat"})
    assert words[0] == "cat" and words[-3:] == ["-o", "k.so.o", "k.c"] and "-std=c11" in words
    assert link == ["cat", "-shared", "-o", "k.so", "k.so.o"]
    include = next(word for word in words if word.startswith("-I"))
    assert (Path(include[2:]) / "tilegraph" / "tile.h").is_file()


def compile_words(source, target, checked):
    return compiling.commands(source, target, checked, Path("k.so"), {"CC": "cat", "CXX": "cat"})[0]


@pytest.mark.parametrize("name", ["gcc", "g++", "clang", "clang++"])
def test_functions_of_checks_are_compiled_once(tmp_path, name):
    """An object with them, and one that leaves them out and calls them, make a shared object without open ends."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    source = tmp_path / ("k.cpp" if "+" in name else "k.c")
    source.write_text("#include <tilegraph/access.h>\n#include <string.h>\n"
                      '#ifdef __cplusplus\nextern "C"\n#endif\n__attribute__((visibility("default")))\n'
                      "void touch(int *p, const int *q, long n)\n"
                      "{ memcpy(p + 2, q, n); __atomic_fetch_add(p, *q, 5); }\n")
    access, target = tmp_path / "access.o", tmp_path / "k.so"
    compile_it, link = compiling.commands(source, "aic", True, target, {"CC": name, "CXX": name}, access)
    language = "c++" if "+" in name else "c"
    for words in (compiling.access_command([name], language, access), compile_it, [*link, "-Wl,-z,defs", "-lc"]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    has = subprocess.run(["nm", f"{target}.o"], capture_output=True, text=True, check=True).stdout
    assert "U __tsan_" in has and " W __tsan_" not in has


def test_only_checked_runs_pay_for_plain_accesses():
    assert {"-fsanitize=thread", "-DTG_CHECKED"} <= set(compile_words(C, "aic", True))
    assert not {"-fsanitize=thread", "-DTG_CHECKED"} & set(compile_words(C, "aic", False))


@pytest.mark.parametrize("name, asked", [("clang version 14", True), ("gcc (Debian) 12", False)])
def test_clang_is_asked_for_all_plain_loads(tmp_path, name, asked):
    stub = tmp_path / "cc"
    stub.write_text(f"#!/bin/sh\necho '{name}'\n")
    stub.chmod(0o755)
    words = compiling.commands(C, "aic", True, Path("k.so"), {"CC": str(stub)})[0]
    assert ("-tsan-instrument-read-before-write" in words) == asked


@pytest.mark.parametrize("target, defined", [("aic", {"-D__DAV_CUBE__"}), ("aiv", {"-D__DAV_VEC__"}),
                                             ("orchestration", set())])
def test_kernels_in_cpp_are_compiled_for_their_core(target, defined):
    words = set(compile_words(CPP, target, False))
    assert "-std=c++17" in words and words & {"-D__DAV_CUBE__", "-D__DAV_VEC__"} == defined
    assert ("-fvisibility=hidden" in words) == (target != "orchestration")
    assert not {"-D__DAV_CUBE__", "-D__DAV_VEC__"} & set(compile_words(C, target, False))


def test_undeclared_instruction_is_an_error_of_the_compiler(small):
    (small.kernels / "wrong.c").write_text("#include <tilegraph/tile.h>\n"
                                           "void kernel_entry(int64_t *args) { TFROBNICATE(args); }\n")
    small.write(config=small.config(kernel="wrong.c"))
    assert_failed(small.run(), 8, "wrong.c does not compile", "wrong.c:2", "TFROBNICATE")


@pytest.mark.parametrize("environ, exit_code, text", [
    ({"CC": "no-such-compiler"}, 8, "CC is 'no-such-compiler': there is no such compiler"),
    ({"CC": '"'}, 2, "CC is '\"'"),
])
def test_compiler_that_is_none(environ, exit_code, text):
    with pytest.raises(ExampleError) as caught:
        compiling.compiler(C, "aiv", environ)
    assert text in str(caught.value) and caught.value.exit_code == exit_code


def test_no_compiler_at_all(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ExampleError, match="none of gcc, cc, clang is installed") as caught:
        compiling.compiler(C, "aiv", {})
    assert caught.value.exit_code == 8


def test_every_source_that_does_not_compile_has_its_say(small):
    broken = small.kernels / "broken.c"
    broken.write_text("int x = ;\n")
    small.write(body="syntax error here;", config=small.config(kernel="broken.c"))
    assert_failed(small.run(), 8, "broken.c does not compile", "broken.c:1", "orchestration.c does not compile",
                  "command: ")


def test_compiler_variable_is_used_by_the_command(small):
    assert_failed(small.run(CC="no-such-compiler"), 8, "CC is 'no-such-compiler'")


def test_warnings_are_shown(small):
    small.write(body="#warning look here\n" + SmallExample.BODY)
    done = small.run("--log-level", "warn")
    assert_passed(done)
    assert "look here" in done.stderr


def test_cpp_sources_use_the_cxx_compilers(small, tmp_path):
    log = tmp_path / "compilers.txt"
    for name in ("kernel-cxx", "plugin-cxx"):
        wrapper = tmp_path / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec c++ "$@"\n')
        wrapper.chmod(0o755)
    plugin = small.kernels / "orchestration.cpp"
    text = SmallExample.ORCHESTRATION.replace("BODY", SmallExample.BODY)
    plugin.write_text(text.replace("__attribute__", 'extern "C" __attribute__', 1))
    shutil.copy(VECTOR_KERNELS / "aiv" / "aiv_add.c", small.kernels / "kernel.cpp")
    small.write(config=small.config(kernel="kernel.cpp", source="orchestration.cpp"))
    assert_passed(small.run(CXX=str(tmp_path / "kernel-cxx"), PTO_AICPU_CXX=str(tmp_path / "plugin-cxx")))
    assert set(log.read_text().split()) == {"kernel-cxx", "plugin-cxx"}


def test_nothing_stays_on_disk(small, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    assert_passed(small.run(TMPDIR=str(folder)))
    assert list(folder.iterdir()) == []

"""A command ends with a verdict as its last line and an exit code that says the kind.

This holds for everything that an example's code, the system or a signal does.
"""
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import SCRIPT, SmallExample, assert_failed, assert_passed, clean_environment, last_line

STR_RAISES = "class E(Exception):\n    def __str__(self): raise ValueError('in str')\nraise E()"
REPR_RAISES = "class V:\n    def __repr__(self): raise ValueError('in repr')\n"
LATER = "import threading, time\nthreading.Thread(target=lambda: time.sleep(60)).start()\n"


@pytest.mark.parametrize("code, exit_code, text", [
    ("raise ValueError('boom')", 2, "ValueError: boom (FILE line"),
    ("raise BaseException('x')", 2, "BaseException: x (FILE line"),
    ("raise GeneratorExit", 2, "GeneratorExit"),
    ("raise KeyboardInterrupt", 2, "KeyboardInterrupt"),
    ("import sys; sys.exit(0)", 2, "SystemExit: 0"),
    ("import os; os._exit(0)", 2, "FILE: ended its process (exit 0) before there was a verdict"),
    ("import os; os._exit(1)", 2, "ended its process (exit 1)"),
    ("import os; os.abort()", 2, "FILE: the process crashed (SIGABRT)"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 5, "FILE: the process was killed (SIGKILL)"),
    ("raise MemoryError", 5, "out of host memory"),
    (STR_RAISES, 2, "E: (E whose text raises ValueError) (FILE line"),
    ("raise ValueError('\\ud800')", 2, "ValueError: \\ud800"),
    ("raise ValueError('\\x1b[2Jred\\x9b')", 2, "ValueError: \\x1b[2Jred\\x9b"),
    ("def f(): f()\nf()", 2, "RecursionError"),
    ("x = " + "(" * 3000, 2, "FILE"),
    ("x = " + "-" * 100000 + "1", 2, "FILE"),
    (LATER + "raise ValueError('x')", 2, "ValueError"),
])
@pytest.mark.parametrize("name", ["kernel_config.py", "golden.py"])
def test_code_that_ends_its_module(small, name, code, exit_code, text):
    path = small.golden if name == "golden.py" else small.kernels / name
    path.write_text(path.read_text() + code + "\n")
    started = time.monotonic()
    assert_failed(small.run(), exit_code, text.replace("FILE", name))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("code", ["import os; os.close(2)", "import os; os.closerange(0, 3)",
                                  "import sys; sys.stdout = sys.stderr = None",
                                  "import builtins; builtins.print = None",
                                  "import os; os.close(0)", LATER, "import logging; logging.disable()",
                                  "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"])
def test_code_that_touches_its_process_does_not_change_the_verdict(small, code):
    small.write(golden=SmallExample.GOLDEN + code + "\n")
    assert_passed(small.run())
    small.write(golden=SmallExample.GOLDEN + '    tensors["out_sum"][3] += 1\n' + code + "\n")
    assert_failed(small.run(), 1, "out_sum[3] is 7.0")


@pytest.mark.parametrize("function", ["generate_inputs", "compute_golden", "to_compare", "expects_zero"])
def test_functions_that_end_the_process(small, function):
    parameters = {"generate_inputs": "params", "compute_golden": "tensors, params", "to_compare": "name, array",
                  "expects_zero": "params"}[function]
    more = "ATOL = 1e9\n" if function == "expects_zero" else ""
    small.write(golden=SmallExample.GOLDEN + f"{more}def {function}({parameters}):\n    import os; os._exit(0)\n")
    assert_failed(small.run(), 2, f"golden.py: {function}: ended its process")


@pytest.mark.parametrize("more", [
    "KERNELS[0]['name'] = '\\ud800'", "KERNELS[0]['name'] = 'a\\0b'", "KERNELS[0]['name'] = V()", "KERNELS[0][V()] = 1",
    "RUNTIME_CONFIG = {'block_dim': V()}", "ORCHESTRATION['function_name'] = '\\ud800'",
])
def test_values_without_a_text_are_refused(small, more):
    small.write(config=small.config(more=REPR_RAISES + more))
    assert_failed(small.run(), 2, "kernel_config.py")


def test_control_characters_of_names_are_escaped(small):
    small.write(config=small.config(more="KERNELS[0]['name'] = '\\x1b]0;title\\x07'"), body="",
                golden=SmallExample.GOLDEN + "PARAMS_LIST = [{'name': '\\x1b[31mred\\r'}]\n")
    done = small.run("-v")
    assert_failed(done, 3, "\\x1b[31mred\\x0d")
    assert "\x1b" not in done.stderr and "\x07" not in done.stderr and "\r" not in done.stderr


@pytest.mark.parametrize("name", ["kernel_config.py", "golden.py"])
def test_files_that_are_no_files(small, name):
    path = small.golden if name == "golden.py" else small.kernels / name
    path.unlink()
    os.mkfifo(path)
    assert_failed(small.run(), 2, name)
    path.unlink()
    path.mkdir()
    assert_failed(small.run(), 2, name)
    path.rmdir()
    path.write_bytes(b"\xff\xfe\0bad")
    assert_failed(small.run(), 2, name)


def test_log_file_that_is_a_pipe(small):
    os.mkfifo(small.folder / "pipe")
    assert_failed(small.run(PTO_LOG_FILE="pipe"), 2, "PTO_LOG_FILE: cannot write 'pipe'")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_log_file_without_space(small):
    done = small.run(PTO_LOG_FILE="/dev/full")
    assert_passed(done)
    assert done.stderr.count("PTO_LOG_FILE: /dev/full has not all lines: No space left on device") == 1


# ---- descriptors, signals --------------------------------------------------------------------------------------------

def shell(small, script, **variables):
    """Run a shell's script in which "$@" is the command; .stdout and .stderr are text."""
    command = [sys.executable, str(SCRIPT), "-k", str(small.kernels), "-g", str(small.golden), "-p", "a2a3sim"]
    return subprocess.run(["bash", "-c", script, "bash", *command], cwd=small.folder,
                          env=clean_environment(**variables), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)


def test_closed_descriptors(small):
    assert_passed(shell(small, '"$@" <&-'))
    assert_passed(shell(small, '"$@" <&- 2>&-'))
    done = shell(small, '"$@" >&-')
    assert done.returncode == 2 and "standard output cannot be written" in done.stderr
    assert shell(small, '"$@" >&- <&- 2>&-').returncode == 2


@pytest.mark.parametrize("script", ['"$@" > /dev/full', '("$@"; echo rc $? >&2) | true; true'])
def test_output_that_nobody_takes(small, script):
    small.write(golden="import time; time.sleep(0.3)\n" + SmallExample.GOLDEN)
    done = shell(small, script)
    assert done.returncode == 2 or "rc 2" in done.stderr
    assert "standard output cannot be written" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("where", ["compiling", "golden"])
def test_signals_leave_nothing(small, tmp_path, number, where):
    compiler = tmp_path / "slowcc"
    compiler.write_text(f'#!/bin/sh\ntouch {tmp_path}/at\nsleep 60\nexec gcc "$@"\n')
    compiler.chmod(0o755)
    (tmp_path / "t").mkdir()
    if where == "golden":
        small.write(golden=f"open({str(tmp_path / 'at')!r}, 'w')\nimport time; time.sleep(60)\n" + SmallExample.GOLDEN)
    variables = {"CC": f"{compiler} -x c"} if where == "compiling" else {}
    command = [sys.executable, str(SCRIPT), "-k", str(small.kernels), "-g", str(small.golden), "-p", "a2a3sim"]
    process = subprocess.Popen(command, env=clean_environment(TMPDIR=str(tmp_path / "t"), **variables),
                               cwd=small.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "at").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number and out == "TEST FAILED\n" and "interrupted" in err, err
    assert list((tmp_path / "t").iterdir()) == []


def test_a_killed_child_leaves_nothing(small, tmp_path):
    (tmp_path / "t").mkdir()
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nkill -9 $(cut -d' ' -f4 /proc/$$/stat)\nsleep 60\n")
    compiler.chmod(0o755)
    done = small.run(TMPDIR=str(tmp_path / "t"), CC=f"{compiler} -x c")
    assert_failed(done, 5, "compiling: the process was killed (SIGKILL)")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_temporary_folder_that_cannot_be(small, tmp_path):
    done = small.run(TMPDIR=str(tmp_path / "gone"))  # Python takes another one, then
    assert last_line(done) == "TEST PASSED"

"""Every example below a folder by one command."""
import shutil

import pytest
from conftest import EXAMPLES, SmallExample, assert_failed, assert_passed, run_command


def test_all_examples_of_the_project():
    done = run_command("--all", EXAMPLES, "-p", "a2a3sim")
    assert_passed(done)
    names = sorted(str(path.parent.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/*/golden.py"))
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows[1:-2]] == names and all(row[1] == "0" and row[-1] == "passed" for row in rows[1:-2])
    assert f"{len(names)} of {len(names)} examples passed" in done.stdout


@pytest.fixture
def several(tmp_path):
    """Examples a (passes), b/c (mismatch), d (ends its process), e (does not compile)."""
    SmallExample(tmp_path / "x")
    for name in ("a", "b/c", "d", "e"):
        shutil.copytree(tmp_path / "x" / "small", tmp_path / "all" / name)
    shutil.rmtree(tmp_path / "x")
    with open(tmp_path / "all/b/c/golden.py", "a") as file:
        file.write('    tensors["out_sum"][3] += 1\n')
    with open(tmp_path / "all/d/golden.py", "a") as file:
        file.write("import os; os._exit(0)\n")
    (tmp_path / "all/e/kernels/orchestration.c").write_text("int x = ;\n")
    return tmp_path / "all"


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_each_has_its_row_and_the_first_failure_its_code(several, jobs):
    done = run_command("--all", several, "-p", "a2a3sim", "--jobs", jobs, cwd=several.parent)
    assert_failed(done, 1, "out_sum[3] is 7.0", "ended its process (exit 0)", "does not compile")
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:5]}
    assert rows == {"a": "0", "b/c": "1", "d": "2", "e": "8"}
    assert "1 of 4 examples passed" in done.stdout
    # What each has said stands together, in one piece.
    lines = [line for line in done.stderr.splitlines() if " in " in line and "s" == line[-1] and "[info] " in line[:8]]
    assert len([line for line in lines if line.startswith("[info] b/c: mismatch in ")]) == 1


def test_their_traces_have_names_of_their_own(several):
    shutil.rmtree(several / "d"), shutil.rmtree(several / "e")
    run_command("--all", several, "-p", "a2a3sim", "--enable-profiling", cwd=several.parent)
    assert sorted(path.name for path in (several.parent / "outputs").iterdir()) == ["a_run0.trace.json",
                                                                                   "b_c_run0.trace.json"]


def test_a_folder_without_examples(tmp_path):
    assert_failed(run_command("--all", tmp_path, "-p", "a2a3sim"), 2, "--all: no folder below")
    assert_failed(run_command("--all", tmp_path / "gone", "-p", "a2a3sim"), 2, "--all: there is no folder")

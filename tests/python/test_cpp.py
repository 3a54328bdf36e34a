"""Programs in C++, kernels and plugins as the family writes them: every folder of tests/cpp on both platforms."""
import pytest
from conftest import ROOT, assert_passed, run_command

PROGRAMS = sorted(golden.parent for golden in (ROOT / "tests" / "cpp").glob("*/*/golden.py"))


@pytest.mark.parametrize("platform", [["a2a3sim", "--check"], ["cpu"]], ids=lambda words: words[0])
@pytest.mark.parametrize("folder", PROGRAMS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_program(folder, platform):
    done = run_command("-k", folder / "kernels", "-g", folder / "golden.py", "-p", *platform, PA_CASE="Case2")
    assert_passed(done)
    if "--check" in platform:
        assert "check: schedule-independent" in done.stderr, done.stderr

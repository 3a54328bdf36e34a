"""Programs in C++ as the family writes them: every folder of tests/cpp runs, and what must not compile says why."""
import ctypes
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from conftest import ROOT, assert_failed, assert_passed, run_command
from tilegraph import compile as compiling

CPP = ROOT / "tests" / "cpp"
PROGRAMS = sorted(golden.parent for golden in CPP.glob("*/*/golden.py"))
REFUSED = sorted((CPP / "refused").glob("*.cpp"))
COMPILER = os.environ.get("TG_TEST_CXX", "g++")


def run_program(folder, *platform, **variables):
    return run_command("-k", folder / "kernels", "-g", folder / "golden.py", "-p", *platform, CXX=COMPILER, **variables)


@pytest.mark.parametrize("platform", [["a2a3sim", "--check"], ["cpu"]], ids=lambda words: words[0])
@pytest.mark.parametrize("folder", PROGRAMS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_program(folder, platform):
    done = run_program(folder, *platform, PA_CASE="Case2")
    assert_passed(done)
    if "--check" in platform:
        assert "check: schedule-independent" in done.stderr and "FOOTPRINT_UNKNOWN" not in done.stderr, done.stderr


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
@pytest.mark.parametrize("name", ["in_c", "instructions"])
def test_program_on_every_instruction_set(name, isa):
    assert_passed(run_program(CPP / "aicpu_build_graph" / name, "cpu", TG_ISA=isa))  # the highest that is used


@pytest.mark.parametrize("name", ["in_c", "instructions"])
def test_program_whose_graph_is_built_first(name):
    folder = CPP / "aicpu_build_graph" / name
    assert_passed(run_program(folder, "a2a3sim", PTO_AICPU_BUILD_GRAPH_BUILD_MODE="0"))


def compile_only(source, *options):
    flags = [flag for kind in ("c++", "c++ aiv") for flag in compiling.module_flags()[kind]]
    flags = [f"-I{ROOT / flag[2:]}" if flag.startswith("-I") else flag for flag in flags]
    return subprocess.run([COMPILER, *flags, *options, "-fsyntax-only", str(source)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_what_is_wrong_does_not_compile_and_says_why():
    assert len(REFUSED) > 20
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for source, done in zip(REFUSED, pool.map(compile_only, REFUSED)):
            lines = source.read_text().splitlines()
            says = lines[0].partition("// says: ")[2]
            here = next(number for number, line in enumerate(lines, 1) if line.endswith("// here"))
            assert done.returncode != 0, f"{source} compiles"
            assert says in done.stdout, done.stdout
            assert f"{source.name}:{here}" in done.stdout, done.stdout


@pytest.mark.parametrize("option", ["-D__CPU_SIM", "-DNDEBUG"])
@pytest.mark.parametrize("source", sorted((CPP / "accepted").glob("*.cpp")), ids=lambda source: source.stem)
def test_what_other_authors_write_compiles(source, option):
    done = compile_only(source, option)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def conversions(tmp_path_factory):
    target = tmp_path_factory.mktemp("conversions") / "conversions.so"
    flags = [f"-I{ROOT / 'include'}", "-std=c++17", "-O2", "-fPIC", "-shared"]
    subprocess.run([COMPILER, *flags, "-o", str(target), str(CPP / "conversions.cpp")], check=True)
    return ctypes.CDLL(str(target))


def converted(library, name, values, kind):
    result = np.empty(values.shape, dtype=kind)
    getattr(library, name)(values.ctypes.data_as(ctypes.c_void_p), result.ctypes.data_as(ctypes.c_void_p),
                           ctypes.c_size_t(values.size))
    return result


def all_bits():
    return np.arange(1 << 16, dtype=np.uint16)


def float_of(bits, is_half):
    """The floats that the bits of half or bfloat16_t mean."""
    return (bits.view(np.float16).astype(np.float32) if is_half
            else (bits.astype(np.uint32) << 16).view(np.float32))


@pytest.mark.parametrize("name, is_half", [("half", True), ("bf16", False)])
def test_every_value_goes_to_float_and_back(conversions, name, is_half):
    bits = all_bits()
    floats = converted(conversions, f"float_of_{name}", bits, np.float32)
    expected = float_of(bits, is_half)
    np.testing.assert_array_equal(floats, expected)
    numbers = ~np.isnan(expected)
    back = converted(conversions, f"{name}_of_float", floats, np.uint16)
    np.testing.assert_array_equal(back[numbers], bits[numbers])
    assert np.isnan(float_of(back[~numbers], is_half)).all()


@pytest.mark.parametrize("source", ["float", "double"])
@pytest.mark.parametrize("name, is_half", [("half", True), ("bf16", False)])
def test_halfway_goes_to_even_and_its_neighbours_to_their_side(conversions, name, is_half, source):
    """Between every two neighbours: the middle, and the next number of the wider type on each side of it."""
    bits = all_bits()[:0x7C00 if is_half else 0x7F80]
    low = float_of(bits, is_half).astype(np.float64)
    infinity = 65536.0 if is_half else 2.0**128  # what would come next
    high = np.append(low[1:], infinity)
    kind = np.float32 if source == "float" else np.float64
    middle = ((low + high) / 2).astype(kind)  # exact
    even = np.where(bits % 2 == 0, bits, bits + 1)
    for sign, sign_bit in ((1, 0), (-1, 0x8000)):
        for values, expected in ((middle, even), (np.nextafter(middle, kind(0)), bits),
                                 (np.nextafter(middle, kind(np.inf)), bits + 1)):
            got = converted(conversions, f"{name}_of_{source}", np.ascontiguousarray(sign * values), np.uint16)
            np.testing.assert_array_equal(got, (expected | sign_bit).astype(np.uint16))


@pytest.mark.parametrize("name, is_half", [("half", True), ("bf16", False)])
def test_integers_are_rounded_once(conversions, name, is_half):
    step = 2 if is_half else 1 << 55  # between neighbours of half from 2048 on, of bfloat16_t from 2^62 on
    base = 2048 if is_half else 1 << 62
    values = [sign * (base + step // 2 + delta) for sign in (1, -1) for delta in (-1, 0, 1)]
    got = float_of(converted(conversions, f"{name}_of_int64", np.array(values, dtype=np.int64), np.uint16), is_half)
    for value, result in zip(values, got):
        low = Fraction(abs(value) // step * step)
        nearest = low if Fraction(abs(value)) - low <= Fraction(step, 2) else low + step  # low is even
        assert Fraction(float(result)) == (nearest if value > 0 else -nearest), value


def fp8_values(name):
    """The numbers of the codes 0 to the largest: sign, exponent and fraction by definition."""
    fraction_bits, bias, largest = (3, 7, 0x7E) if name == "e4m3" else (2, 15, 0x7B)
    codes = np.arange(largest + 1)
    exponent, fraction = codes >> fraction_bits, codes & ((1 << fraction_bits) - 1)
    lead = np.where(exponent > 0, 1 << fraction_bits, 0)
    return (lead + fraction) * 2.0 ** (np.maximum(exponent, 1) - bias - fraction_bits)


@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_fp8_is_that_of_the_specification(conversions, name):
    values = fp8_values(name)
    codes = np.arange(values.size, dtype=np.uint8)
    every = converted(conversions, f"float_of_{name}", np.arange(256, dtype=np.uint8), np.float32)
    np.testing.assert_array_equal(every[:values.size], values)
    np.testing.assert_array_equal(every[128:128 + values.size], -values)
    assert np.signbit(every[128])
    rest = every[values.size:128]
    assert (np.isinf(rest[0]) and np.isnan(rest[1:]).all()) if name == "e5m2" else np.isnan(rest).all()
    for source, kind in (("float", np.float32), ("double", np.float64)):
        middle = ((values[1:] + values[:-1]) / 2).astype(kind)  # exact
        even = np.where(codes[:-1] % 2 == 0, codes[:-1], codes[1:])
        for sign, bit in ((1, 0), (-1, 0x80)):
            for numbers, expected in ((values.astype(kind), codes), (middle, even),
                                      (np.nextafter(middle, kind(0)), codes[:-1]),
                                      (np.nextafter(middle, kind(np.inf)), codes[1:]),
                                      (np.array([1e9, np.inf], dtype=kind), codes[[-1, -1]])):
                got = converted(conversions, f"{name}_of_{source}", np.ascontiguousarray(sign * numbers), np.uint8)
                np.testing.assert_array_equal(got, expected | bit)


def test_another_version_of_the_headers_is_refused(tmp_path):
    """A plugin that says another version of orchestration.h is refused when it is loaded."""
    folder = CPP / "host_build_graph" / "types"
    text = (folder / "kernels" / "orchestration" / "orchestration.cpp").read_text()
    header = tmp_path / "runtime.h"
    header.write_text("#define TG_ORCHESTRATION_TYPES_ONLY\n"
                      f"#include \"{ROOT / 'include' / 'pto' / 'runtime' / 'runtime.h'}\"\n"
                      "extern const uint32_t tg_orchestration_abi;\nconst uint32_t tg_orchestration_abi = 4711;\n")
    source = tmp_path / "orchestration.cpp"
    source.write_text(text)
    config = tmp_path / "kernel_config.py"
    config.write_text(f"""
from runpy import run_path
_CONFIG = run_path({str(folder / "kernels" / "kernel_config.py")!r})
ORCHESTRATION = {{"source": {str(source)!r}, "function_name": "build"}}
KERNELS = [{{**kernel, "source": {str(folder / "kernels")!r} + "/" + kernel["source"]}}
           for kernel in _CONFIG["KERNELS"]]
""")
    done = run_command("-k", tmp_path, "-g", folder / "golden.py", "-p", "a2a3sim", CXX=COMPILER)
    assert_failed(done, 8, "TG_ERR_ABI")


# Instructions that have another name in C++: an overload, or a member of Tile.
CPP_NAMES = {"TGATHER_MASK": "TGATHER", "TMRGSORT_LISTS": "TMRGSORT", "TGETVAL": "GetValue", "TSETVAL": "SetValue"}


def names_of_instructions():
    text = (ROOT / "include" / "tilegraph" / "instructions.h").read_text()
    names = re.findall(r"^    X\((T\w+),", text, flags=re.MULTILINE)
    assert len(names) > 50
    return [CPP_NAMES.get(name, name) for name in names]


def test_every_instruction_is_run_by_a_program_and_named_in_the_table():
    sources = "\n".join(path.read_text() for path in CPP.glob("*/*/kernels/a*/*.[ch]pp"))
    table = (ROOT / "docs" / "pto.md").read_text()
    for name in names_of_instructions():
        assert re.search(rf"\b{name}(<[^;]*>)?\(", sources), f"no program of tests/cpp uses {name}"
        assert re.search(rf"`(Tile::)?{name}`", table), f"docs/pto.md lacks {name}"


def test_every_row_of_the_table_names_a_program():
    programs = {folder.name for folder in PROGRAMS} | {"refused", "conversions", "test_print"}
    rows = [line for line in (ROOT / "docs" / "pto.md").read_text().splitlines() if line.startswith("| `")]
    shown = [re.findall(r"`(\w+)`", row.rsplit("|", 2)[1]) for row in rows if row.count("|") == 4]
    assert len(shown) > 25
    for names in shown:
        assert names and set(names) <= programs, names


def test_a_wait_that_no_edge_ends_is_named(tmp_path):
    """A kernel that waits for a signal which nobody has given ends with its line; it does not hang."""
    kernels = CPP / "aicpu_build_graph" / "forms" / "kernels"
    source = tmp_path / "orchestration.cpp"
    source.write_text("""
#include "runtime.h"
extern "C" int wait_alone(Runtime *runtime)
{
    uint64_t *t = runtime->orch_args, args[] = {t[9], t[10], t[11]};
    const int task = runtime->aicpu_build_api.add_task(runtime, args, 3, 31, CoreType::AIV, 0);
    runtime->aicpu_build_api.publish_task(runtime, task);
    return 0;
}
""")
    (tmp_path / "kernel_config.py").write_text(f"""
KERNELS = [{{"func_id": 31, "source": {str(kernels / "aiv" / "aiv_receive.cpp")!r}, "core_type": "aiv"}}]
ORCHESTRATION = {{"source": {str(source)!r}, "function_name": "wait_alone"}}
RUNTIME_CONFIG = {{"runtime": "aicpu_build_graph"}}
""")
    done = run_command("-k", tmp_path, "-g", kernels.parent / "golden.py", "-p", "a2a3sim", CXX=COMPILER)
    assert_failed(done, 6, "aiv_receive.cpp:17: TWAIT waits for a number >= 2 and finds 0: add an edge")


def test_the_instructions_of_nearly_all_kernels_are_there():
    tool = ROOT / "tools" / "pto_coverage.py"
    done = subprocess.run([sys.executable, str(tool)], stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()
    share = float(re.search(r"([\d.]+) %", lines[-1])[1])
    assert share >= 95 and lines[-1].startswith("all") and "TPUSH" in lines[-1], lines
    assert "\n".join(lines) in (ROOT / "docs" / "pto.md").read_text(), "docs/pto.md shows other numbers"

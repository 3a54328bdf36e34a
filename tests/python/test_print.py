"""tg_tile_print and TPRINT: tiles with their values from within a kernel, on both platforms."""
import os

import pytest
from conftest import SmallExample, assert_failed, assert_passed, run_command

PLATFORMS = ("a2a3sim", "cpu")
VECTOR = """
#include <tilegraph/tile.h>
void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[3]);
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, n, n);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, n, n);
    const struct tg_global out_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, n, n);
    struct tg_tile a = tg_tile_vec(TG_FP32, 1, n), b = a, sum = a;
    TASSIGN(a, 0);
    TASSIGN(b, 1024);
    TASSIGN(sum, 2048);
    TLOAD(a, a_gm);
    TLOAD(b, b_gm);
    WAIT
    TADD(sum, a, b);
    PRINT
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, sum);
    TDRAIN();
}
"""
WAIT = "set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0); wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);"
CUBE = """
#include <tilegraph/tile.h>
void kernel_entry(int64_t *args)
{
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 16, 16, 16);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 16, 16, 16);
    const struct tg_global out_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 16, 16, 16);
    struct tg_tile a1 = tg_tile_mat(TG_FP32, 16, 16), b1 = a1;
    struct tg_tile left = tg_tile_left(TG_FP32, 16, 16), right = tg_tile_right(TG_FP32, 16, 16);
    struct tg_tile product = tg_tile_acc(16, 16);
    TASSIGN(a1, 0);
    TASSIGN(b1, 1024);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(product, 0);
    TLOAD(a1, a_gm);
    TLOAD(b1, b_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, a1);
    TMOV(right, b1);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(product, left, right);
    tg_tile_print_part(a1, 2, 3);
    tg_tile_print_part(left, 2, 3);
    tg_tile_print_part(right, 2, 3);
    tg_tile_print_part(product, 2, 3);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(out_gm, product);
    TDRAIN();
}
"""
CUBE_GOLDEN = """
import numpy as np
TENSOR_ORDER = ["a", "b", "out_sum"]
def generate_inputs(params):
    a = np.arange(256, dtype=np.float32).reshape(16, 16)
    return {"a": a, "b": 2 * np.eye(16, dtype=np.float32), "out_sum": np.zeros_like(a)}
def compute_golden(tensors, params):
    tensors["out_sum"][:] = 2 * tensors["a"]
"""
CPP = """
#include <cstdint>
#include <pto/pto-inst.hpp>
using namespace pto;
extern "C" __attribute__((visibility("default"))) void kernel_entry(int64_t *args)
{
    using Shape5 = Shape<1, 1, 1, 1, 100>;
    using Stride5 = Stride<100, 100, 100, 100, 1>;
    using Global = GlobalTensor<float, Shape5, Stride5>;
    using Vec = Tile<TileType::Vec, float, 1, 104, BLayout::RowMajor, 1, 100>;
    Global aGlobal(reinterpret_cast<float *>(args[0])), bGlobal(reinterpret_cast<float *>(args[1]));
    Global outGlobal(reinterpret_cast<float *>(args[2]));
    Vec a, b, sum;
    TASSIGN(a, 0x0);
    TASSIGN(b, 0x400);
    TASSIGN(sum, 0x800);
    TLOAD(a, aGlobal);
    TLOAD(b, bGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(sum, a, b);
    TPRINT(WHAT);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(outGlobal, sum);
    pipe_barrier(PIPE_ALL);
}
"""


def run_kernel(small, text, *options, platform="a2a3sim", suffix=".c", core_type="aiv", golden=None):
    source = small.kernels / f"kernel{suffix}"
    source.write_text(text)
    body = f"tg_publish(rt, tg_add_task(rt, args, 4, 0, TG_{core_type.upper()}));"
    small.write(body=body, config=SmallExample.config(kernel=source, core_type=core_type), golden=golden)
    return run_command("-k", small.kernels, "-g", small.golden, "-p", platform, *options, cwd=small.folder,
                       CXX=os.environ.get("TG_TEST_CXX", "g++"))


def vector(print_it, wait=WAIT):
    return VECTOR.replace("PRINT", print_it).replace("WAIT", wait)


def printed(done):
    """The lines of prints: from one with a place to the next line of another kind."""
    lines = done.stderr.splitlines()
    return [line for line in lines if ": task 0, core " in line or line.startswith("  [") or line == "  ..."]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_values_of_a_vector_tile(small, platform):
    done = run_kernel(small, vector("tg_tile_print(sum); sum.valid_cols = 2; tg_tile_print(sum); sum.valid_cols = n;"),
                      platform=platform)
    assert_passed(done)
    lines = printed(done)
    assert lines[0].startswith("kernel.c:17: task 0, core ") and lines[0].endswith(
        "(AIV): sum: Vec fp32, 1 x 100 valid of 1 x 104, UB+0x800")
    assert lines[1].split() == ["[0]", "1", "3", "5", "7", "9", "11", "13", "15", "..."]
    assert lines[3].split() == ["[0]", "1", "3"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_values_of_cube_tiles(small, platform):
    done = run_kernel(small, CUBE, platform=platform, core_type="aic", golden=CUBE_GOLDEN)
    assert_passed(done)
    lines = printed(done)
    kinds = [line.split(": ")[3].split()[0] for line in lines if "core" in line]
    assert kinds == ["Mat", "Left", "Right", "Acc"]
    rows = [line.split() for line in lines if line.startswith("  [")]
    a = [["[0]", "0", "1", "2", "..."], ["[1]", "16", "17", "18", "..."]]
    assert rows[0:2] == a and rows[2:4] == a
    assert rows[4:6] == [["[0]", "2", "0", "0", "..."], ["[1]", "0", "2", "0", "..."]]
    assert rows[6:8] == [["[0]", "0", "2", "4", "..."], ["[1]", "32", "34", "36", "..."]]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("print_it, why", [
    ("struct tg_tile other = sum; other.offset = TG_UNASSIGNED; tg_tile_print(other);", "no TASSIGN has placed it"),
    ("struct tg_tile other = sum; TASSIGN(other, 196576); tg_tile_print(other);", "do not fit into UB"),
    ("struct tg_tile other = tg_tile_acc(16, 16); TASSIGN(other, 0); tg_tile_print(other);", "an AIV core has no L0C"),
    ("struct tg_tile other = sum; other.kind = 77; tg_tile_print(other);", "unknown tile kind 77"),
    ("struct tg_tile other = sum; other.valid_cols = 0; tg_tile_print(other);", "the valid part is empty"),
])
def test_a_tile_that_cannot_be_shown_does_not_end_the_kernel(small, platform, print_it, why):
    done = run_kernel(small, vector(print_it), platform=platform)
    assert_passed(done)
    assert len(printed(done)) == 1 and "other is not shown: " in printed(done)[0] and why in printed(done)[0]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_tile_at_a_wild_address_is_a_fault_of_the_kernel(small, platform):
    done = run_kernel(small, vector("const struct tg_tile *wild = (void *)8; tg_tile_print(*wild);"), platform=platform)
    assert_failed(done, 6, "SIGSEGV")


@pytest.mark.parametrize("order", ["late", "early"])
def test_other_orders_of_pipes_have_no_values_yet(small, order):
    done = run_kernel(small, vector("tg_tile_print(sum);"), "--pipes", order)
    assert_passed(done)
    assert "sum is not shown: pipes late and early execute instructions after the kernel has returned" in done.stderr


def test_a_print_orders_nothing_and_is_no_finding(small):
    with_print = run_kernel(small, vector("tg_tile_print(a);", "tg_tile_print(a); tg_tile_print(b);"))
    without = run_kernel(small, vector("", ""))
    assert_failed(with_print, 3, "PIPE_RAW")
    assert_failed(without, 3, "PIPE_RAW")
    assert with_print.stderr.count("check: ") == without.stderr.count("check: ")
    times = []
    for print_it in ("tg_tile_print(sum);", ""):
        done = run_kernel(small, vector(print_it))
        assert_passed(done)
        times.append(done.stderr.partition("device time ")[2].split()[0])
    assert times[0] == times[1]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_tile_in_cpp(small, platform):
    done = run_kernel(small, CPP.replace("WHAT", "sum"), platform=platform, suffix=".cpp")
    assert_passed(done)
    assert printed(done)[0].startswith("kernel.cpp:22: task 0, core ")
    assert printed(done)[1].split() == ["[0]", "1", "3", "5", "7", "9", "11", "13", "15", "..."]


def test_device_memory_in_cpp_does_not_compile(small):
    done = run_kernel(small, CPP.replace("WHAT", "aGlobal"), suffix=".cpp")
    assert_failed(done, 8, "TPRINT prints tiles: TLOAD device memory into one first")

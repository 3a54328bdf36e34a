"""--dump, which writes the arrays of tasks, and the goldens of kernels."""
import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT, VECTOR_KERNELS, SmallExample, assert_failed, assert_passed, clean_environment, run_command

PLATFORMS = ("a2a3sim", "cpu")
KERNEL_GOLDEN = """
def add(a, b, out, n):
    assert n == 100
    out[:] = a + b
kernel_golden = {"aiv_add": add}
"""
WRONG_KERNEL = """
#include <tilegraph/tile.h>
void kernel_entry(int64_t *args)
{
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, 100, 100);
    const struct tg_global out_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, COUNT, 100);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, 100, 100);
    struct tg_tile a = tg_tile_vec(TG_FP32, 1, 100), b = a;
    TASSIGN(a, 0);
    TASSIGN(b, 512);
    LOADS
    TLOAD(a, a_gm);
    set_flag(PIPE_MTE2, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE3, EVENT_ID0);
    a.valid_cols = COUNT;
    TSTORE(out_gm, a);
    MORE
    TDRAIN();
}
"""


def run_small(small, *options, platform="a2a3sim", **variables):
    return run_command("-k", small.kernels, "-g", small.golden, "-p", platform, *options, cwd=small.folder, **variables)


def write_kernel(small, count=100, more="", loads="TLOAD(b, b_gm);"):
    source = small.kernels / "aiv_add.c"
    source.write_text(WRONG_KERNEL.replace("COUNT", str(count)).replace("MORE", more).replace("LOADS", loads))
    small.write(config=SmallExample.config(kernel=source))


def arrays(folder):
    return {path.name: np.load(path) for path in folder.iterdir()}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("task", ["0", "aiv_add", "0,aiv_add"])
def test_inputs_and_outputs(small, platform, task):
    assert_passed(run_small(small, "--dump", task, platform=platform))
    found = arrays(small.folder / "dump")
    assert set(found) == {"task0.aiv_add.arg0.in.npy", "task0.aiv_add.arg1.in.npy", "task0.aiv_add.arg2.out.npy"}
    a = np.arange(100, dtype=np.float32)
    for name, wanted in (("arg0.in", a), ("arg1.in", a + 1), ("arg2.out", a + a + 1)):
        assert np.array_equal(found[f"task0.aiv_add.{name}.npy"], wanted)
        assert found[f"task0.aiv_add.{name}.npy"].dtype == np.float32


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("more", ["*(volatile int *)8 = 1;", "TADD(a, a, a); a.offset = 3; TADD(a, a, a);"])
def test_after_a_failure(small, platform, more):
    write_kernel(small, 60, more)
    assert_failed(run_small(small, "--dump", "0", "--no-check", platform=platform), 6, "aiv_add")
    found = arrays(small.folder / "dump")
    assert set(found) == {"task0.aiv_add.arg0.in.npy", "task0.aiv_add.arg1.in.npy", "task0.aiv_add.arg2.out.npy"}
    assert np.array_equal(found["task0.aiv_add.arg2.out.npy"], np.arange(60, dtype=np.float32))


def test_each_case_has_a_folder(small):
    small.write(golden=SmallExample.GOLDEN + "PARAMS_LIST = [{'name': 'x', 'n': 50}, {'name': 'y/z', 'n': 60}]\n")
    assert_passed(run_small(small, "--dump", "0", "--dump-to", "there"))
    assert arrays(small.folder / "there" / "x")["task0.aiv_add.arg0.in.npy"].shape == (50,)
    assert arrays(small.folder / "there" / "y_z")["task0.aiv_add.arg0.in.npy"].shape == (60,)


@pytest.mark.parametrize("options, text", [
    (("--dump", "7"), "there is no task 7: the graph has 1, numbered from 0"),
    (("--dump", "aiv_ad"), "unknown kernel 'aiv_ad': did you mean aiv_add?"),
    (("--dump", "0,"), "unknown kernel ''"),
    (("--dump", "-3"), "unknown kernel '-3'"),
    (("--dump", "0", "--pipes", "late"), "--dump keeps arrays only with --pipes program"),
    (("--dump-to", "x"), "--dump-to names the folder of --dump"),
    (("--dump", "0", "--dump-to", "small/golden.py"), "is no folder"),
    (("--dump", "0", "--dump-to", "-"), "is no folder"),
    (("--dump", "0", "--dump-to", "no/such/folder"), "no/such/folder cannot be written"),
])
def test_refusals(small, options, text):
    assert_failed(run_small(small, *options), 2, text)
    assert not (small.folder / "dump").exists()


def test_all_and_dump_do_not_combine(small):
    assert_failed(run_command("--all", small.folder, "-p", "a2a3sim", "--dump", "0"), 2, "--dump is for one example")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_paged_attention(tmp_path, platform):
    command = ROOT / "build" / "bin" / "paged_attention"
    if not command.exists():
        pytest.skip("paged_attention is not in build/bin")
    words = ["--case", "Case2", "-p", platform, "--dump", "0,aiv_online_update", "--dump-to", "d"]
    done = subprocess.run([command, *words], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = arrays(tmp_path / "d")
    assert found["task0.aic_qk_matmul.arg1.out.npy"].size >= 256
    assert {name.split(".")[1] for name in found} == {"aic_qk_matmul", "aiv_online_update"}


# ---- goldens of kernels ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_golden_of_a_kernel_agrees(small, platform):
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN)
    done = run_small(small, platform=platform)
    assert_passed(done)
    assert "1 tasks agree with the goldens of their kernels" in done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_first_task_that_deviates_is_named(small, platform):
    write_kernel(small)
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN,
                body="for (int i = 0; i < 3; i++) tg_publish(rt, tg_add_task(rt, args, 4, 0, TG_AIV));")
    done = run_small(small, "--no-check", platform=platform)
    assert_failed(done, 1, "task 0 (aiv_add) deviates from kernel_golden['aiv_add'] in argument 2: 100 of 100 elements",
                  "argument 2[0] is 0.0, expected 1.0", "argument 2[3] is 3.0, expected 7.0")
    assert "task 1 (" not in done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_fails_names_the_deviating_task_too(small, platform):
    write_kernel(small)
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN,
                body="tg_publish(rt, tg_add_task(rt, args, 4, 0, TG_AIV)); rt->aicpu_build_api.wait_task(rt, 0); "
                     "rt->aicpu_build_api.fail(rt, \"no more\"); return -1;")
    assert_failed(run_small(small, platform=platform), 2, "task 0 (aiv_add) deviates", "no more")


@pytest.mark.parametrize("golden, exit_code, texts", [
    ("kernel_golden = {'aiv_ad': print}", 2, ["kernel_golden: unknown kernel 'aiv_ad': did you mean aiv_add?"]),
    ("kernel_golden = [print]", 2, ["kernel_golden is of type list, expected a dict of functions by kernel names"]),
    ("kernel_golden = {'aiv_add': 3}", 2, ["kernel_golden['aiv_add'] is of type int, expected a function"]),
    ("kernel_golden = {'aiv_add': lambda a, b: None}", 2,
     ["kernel_golden['aiv_add'] failed for task 0: TypeError",
      "0: float32[100], 1: float32[100], 2: float32[100], 3: 100"]),
    ("kernel_golden = {'aiv_add': lambda a, b, out, n: None}", 2,
     ["does not set argument 2[0] of task 0 (aiv_add); the kernel writes it"]),
    ("import os\nkernel_golden = {'aiv_add': lambda a, b, out, n: os._exit(0)}", 2, ["ended its process"]),
])
def test_wrong_goldens_of_kernels(small, golden, exit_code, texts):
    small.write(golden=SmallExample.GOLDEN + golden + "\n")
    assert_failed(run_small(small), exit_code, *texts)


def test_memory_that_the_kernel_does_not_touch(small):
    write_kernel(small, loads="TLOAD(b, a_gm);")
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN)
    assert_failed(run_small(small, "--no-check"), 2, "the task does not touch the memory of this argument",
                  "1: device memory that the task does not touch")


def test_a_kernel_that_writes_too_little(small):
    write_kernel(small, 60)
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN)
    done = run_small(small, "--no-check")
    assert_failed(done, 2, "could not broadcast", "2: float32[60]")


def test_other_orders_of_pipes_leave_them_out(small):
    small.write(golden=SmallExample.GOLDEN + KERNEL_GOLDEN)
    done = run_small(small, "--pipes", "late")
    assert_passed(done)
    assert re.search(r"kernel_golden is not applicable with --pipes late", done.stderr)

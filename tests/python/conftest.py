"""What the tests of the Python front share: paths, the command as a subprocess, a small example to break."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SCRIPT = EXAMPLES / "scripts" / "run_example.py"
VECTOR_KERNELS = EXAMPLES / "aicpu_build_graph" / "vector_example" / "kernels"

PACKAGES = ROOT / "python"
sys.path.insert(0, str(PACKAGES))

# What the command reads; a test says itself which of these are set.
VARIABLES = ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID", "PTO_LOG_LEVEL", "PTO_LOG_FILE", "CC", "CXX", "PTO_AICPU_CXX",
             "PTO_AICPU_BUILD_GRAPH_BUILD_MODE", "PA_CASE", "PA_BLOCKS_PER_TASK")

# Objects that the commands under test compile are kept as long as the tests run: a cache of the user's is left alone.
CACHE = tempfile.TemporaryDirectory(prefix="tilegraph-tests-")


def clean_environment(**variables):
    """The environment of a command: this one without VARIABLES, with `variables`."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**environment, "XDG_CACHE_HOME": CACHE.name, **variables}


def run_command(*arguments, cwd=ROOT, interpreter=(sys.executable,), **variables):
    """Run run_example.py to its end; .returncode, .stdout, .stderr are text."""
    return subprocess.run([*interpreter, str(SCRIPT), *map(str, arguments)], cwd=cwd,
                          env=clean_environment(**variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="surrogateescape", timeout=300, check=False)


def last_line(done):
    return done.stdout.rstrip("\n").rsplit("\n", 1)[-1]


def assert_passed(done):
    assert done.returncode == 0 and last_line(done) == "TEST PASSED", done.stdout + done.stderr


def assert_failed(done, exit_code, *texts):
    """It failed with that exit code, and each of `texts` is in what it says."""
    assert done.returncode == exit_code and last_line(done) == "TEST FAILED", done.stdout + done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr


class SmallExample:
    """An example in a folder of its own, out = a + b on one core; tests replace parts of it."""

    ORCHESTRATION = """
#include <tilegraph/orchestration.h>
__attribute__((visibility("default"))) int orchestration(struct tg_runtime *rt);
int orchestration(struct tg_runtime *rt)
{
    const uint64_t *addr = rt->orch_args;
    const uint64_t args[] = {addr[0], addr[1], addr[2], rt->orch_args[6]};
    (void)args;
    BODY
    return 0;
}
"""
    BODY = "tg_publish(rt, tg_add_task(rt, args, 4, 0, TG_AIV));"
    GOLDEN = """
import numpy as np
TENSOR_ORDER = ["a", "b", "out_sum"]
def generate_inputs(params):
    a = np.arange(params.get("n", 100), dtype=np.float32)
    return {"a": a, "b": a + 1, "out_sum": np.zeros_like(a)}
def compute_golden(tensors, params):
    tensors["out_sum"][:] = tensors["a"] + tensors["b"]
"""

    def __init__(self, folder):
        self.folder = folder
        self.kernels = folder / "small" / "kernels"
        self.kernels.mkdir(parents=True)
        self.golden = self.kernels.parent / "golden.py"
        self.write(self.BODY, self.config(), self.GOLDEN)

    @staticmethod
    def config(kernel=VECTOR_KERNELS / "aiv" / "aiv_add.c", core_type="aiv", source="orchestration.c",
               function_name="orchestration", more="", **runtime_config):
        """The text of a kernel_config.py with one kernel, func_id 0."""
        runtime_config = {"runtime": "aicpu_build_graph", "block_dim": 1, **runtime_config}
        return (f"KERNELS = [{{'func_id': 0, 'source': {str(kernel)!r}, 'core_type': {core_type!r}}}]\n"
                f"ORCHESTRATION = {{'source': {str(source)!r}, 'function_name': {function_name!r}}}\n"
                f"RUNTIME_CONFIG = {runtime_config!r}\n{more}\n")

    def write(self, body=None, config=None, golden=None):
        """Replace the orchestration's body, kernel_config.py, golden.py; None leaves what is there."""
        if body is not None:
            (self.kernels / "orchestration.c").write_text(self.ORCHESTRATION.replace("BODY", body))
        if config is not None:
            (self.kernels / "kernel_config.py").write_text(config)
        if golden is not None:
            self.golden.write_text(golden)

    def run(self, *options, **variables):
        return run_command("-k", self.kernels, "-g", self.golden, "-p", "a2a3sim", *options, cwd=self.folder,
                           **variables)


@pytest.fixture
def small(tmp_path):
    return SmallExample(tmp_path)

"""layernorm with its graph built on the host: the sources of aicpu_build_graph/layernorm, another entry."""
from pathlib import Path
from runpy import run_path

_KERNELS = Path(__file__).resolve().parents[3] / "aicpu_build_graph" / "layernorm" / "kernels"
_CONFIG = run_path(str(_KERNELS / "kernel_config.py"))

ORCHESTRATION = {"source": _KERNELS / "orchestration" / "orchestration.c", "function_name": "orchestration_host"}

KERNELS = [{**kernel, "source": _KERNELS / kernel["source"]} for kernel in _CONFIG["KERNELS"]]

RUNTIME_CONFIG = {**_CONFIG["RUNTIME_CONFIG"], "runtime": "host_build_graph"}

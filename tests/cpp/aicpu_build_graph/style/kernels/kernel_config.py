"""The kernels of host_build_graph/style; the graph is built on the device."""
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "style_config", Path(__file__).parents[3] / "host_build_graph" / "style" / "kernels" / "kernel_config.py")
_style = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_style)

KERNELS = _style.KERNELS
ORCHESTRATION = {"source": Path(__file__).parent / "orchestration" / "style_device.cpp", "function_name": "orchestrate"}
RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "block_dim": 1, "aicpu_thread_num": 2}
RUNTIME_ENV = {"PTO_AICPU_BUILD_GRAPH_BUILD_MODE": "1", "STYLE_TABLE_DIR": "orchestration"}

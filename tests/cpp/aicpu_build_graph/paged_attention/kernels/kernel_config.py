"""Paged attention in C++: four kernels and an orchestration that builds its graph on the AICPU."""
from pathlib import Path

_KERNELS = Path(__file__).parent

ORCHESTRATION = {
    "source": str(_KERNELS / "orchestration" / "orchestration.cpp"),
    "function_name": "orchestration",
}

KERNELS = [
    {"func_id": 0, "source": str(_KERNELS / "aic" / "aic_qk_matmul.cpp"), "core_type": "aic"},
    {"func_id": 1, "source": str(_KERNELS / "aiv" / "aiv_softmax_prepare.cpp"), "core_type": "aiv"},
    {"func_id": 2, "source": str(_KERNELS / "aic" / "aic_pv_matmul.cpp"), "core_type": "aic"},
    {"func_id": 3, "source": str(_KERNELS / "aiv" / "aiv_online_update.cpp"), "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 4, "block_dim": 24}

RUNTIME_ENV = {"PTO_AICPU_BUILD_GRAPH_BUILD_MODE": "1"}

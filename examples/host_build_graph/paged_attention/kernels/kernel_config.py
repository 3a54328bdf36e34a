"""Paged attention with its graph built on the host: the sources of aicpu_build_graph/paged_attention, another entry."""
from pathlib import Path

_EXAMPLES = Path(__file__).resolve().parents[3]
_KERNELS = _EXAMPLES / "aicpu_build_graph" / "paged_attention" / "kernels"

ORCHESTRATION = {"source": _KERNELS / "orchestration" / "orchestration.c", "function_name": "orchestration_host"}

KERNELS = [
    {"func_id": 0, "name": "aic_qk_matmul", "source": _KERNELS / "aic" / "aic_qk_matmul.c", "core_type": "aic"},
    {"func_id": 1, "name": "aiv_softmax_prepare", "source": _KERNELS / "aiv" / "aiv_softmax_prepare.c",
     "core_type": "aiv"},
    {"func_id": 2, "name": "aic_pv_matmul", "source": _KERNELS / "aic" / "aic_pv_matmul.c", "core_type": "aic"},
    {"func_id": 3, "name": "aiv_online_update", "source": _KERNELS / "aiv" / "aiv_online_update.c",
     "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "host_build_graph", "aicpu_thread_num": 3, "block_dim": 24}

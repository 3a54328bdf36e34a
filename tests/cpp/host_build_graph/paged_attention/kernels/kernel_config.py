"""The kernels of aicpu_build_graph/paged_attention; the graph is built on the host."""
from pathlib import Path

_KERNELS = Path(__file__).resolve().parents[3] / "aicpu_build_graph" / "paged_attention" / "kernels"

ORCHESTRATION = {"source": "orchestration/orchestration.cpp", "function_name": "build_paged_attention_graph"}

KERNELS = [
    {"func_id": 0, "source": str(_KERNELS / "aic" / "aic_qk_matmul.cpp"), "core_type": "aic"},
    {"func_id": 1, "source": str(_KERNELS / "aiv" / "aiv_softmax_prepare.cpp"), "core_type": "aiv"},
    {"func_id": 2, "source": str(_KERNELS / "aic" / "aic_pv_matmul.cpp"), "core_type": "aic"},
    {"func_id": 3, "source": str(_KERNELS / "aiv" / "aiv_online_update.cpp"), "core_type": "aiv"},
]

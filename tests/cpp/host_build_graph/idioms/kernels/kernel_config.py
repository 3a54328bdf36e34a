"""Idioms of the family's programs: sums that grow in an output, buffers in turn, descriptors."""
from pathlib import Path

_HERE = Path(__file__).parent

ORCHESTRATION = {"source": str(_HERE / "orchestration" / "idioms.cpp"), "function_name": "build_idioms"}

KERNELS = [
    {"func_id": 0, "source": str(_HERE / "aic" / "tile_product.cpp"), "core_type": "aic", "name": "PRODUCT"},
    {"func_id": 1, "source": str(_HERE / "aiv" / "tile_add.cpp"), "core_type": "aiv", "name": "ADD"},
    {"func_id": 2, "source": str(_HERE / "aiv" / "softmax_rows.cpp"), "core_type": "aiv", "name": "SOFTMAX"},
    {"func_id": 3, "source": str(_HERE / "aiv" / "descriptors.cpp"), "core_type": "aiv", "name": "DESCRIPTORS"},
    {"func_id": 4, "source": str(_HERE / "aiv" / "shuffle.cpp"), "core_type": "aiv", "name": "SHUFFLE"},
]

RUNTIME_CONFIG = {"runtime": "host_build_graph", "aicpu_thread_num": 3, "block_dim": 4}

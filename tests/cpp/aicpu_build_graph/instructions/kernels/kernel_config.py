"""Each instruction once, for each element type that it takes."""

ORCHESTRATION = {"source": "orchestration/orchestration.cpp", "function_name": "orchestration"}

KERNELS = [
    {"func_id": 0, "source": "aiv/aiv_elementwise.cpp", "core_type": "aiv"},
    {"func_id": 1, "source": "aiv/aiv_rows.cpp", "core_type": "aiv"},
    {"func_id": 2, "source": "aic/aic_products.cpp", "core_type": "aic"},
    {"func_id": 3, "source": "aiv/aiv_moves.cpp", "core_type": "aiv"},
    {"func_id": 4, "source": "aic/aic_windows.cpp", "core_type": "aic"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 2, "block_dim": 4}

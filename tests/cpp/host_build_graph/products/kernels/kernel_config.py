"""Products that start with a row, and instructions on bits."""

ORCHESTRATION = {"source": "orchestration/orchestration.cpp", "function_name": "build"}

KERNELS = [
    {"func_id": 0, "source": "aic/aic_linear.cpp", "core_type": "aic"},
    {"func_id": 1, "source": "aiv/aiv_bits.cpp", "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "host_build_graph", "aicpu_thread_num": 3, "block_dim": 2}

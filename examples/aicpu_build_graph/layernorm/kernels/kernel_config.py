"""Moments of rows and what is made of them, and the orchestration that cuts the rows into slices."""

ORCHESTRATION = {"source": "orchestration/orchestration.c", "function_name": "orchestration"}

KERNELS = [
    {"func_id": 0, "name": "aiv_moments", "source": "aiv/aiv_moments.c", "core_type": "aiv"},
    {"func_id": 1, "name": "aiv_normalize", "source": "aiv/aiv_normalize.c", "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 3, "block_dim": 4}

"""Two vector kernels, and the orchestration that chains them."""

ORCHESTRATION = {"source": "orchestration/orchestration.c", "function_name": "orchestration"}

KERNELS = [
    {"func_id": 0, "name": "aiv_exp", "source": "aiv/aiv_exp.c", "core_type": "aiv"},
    {"func_id": 1, "name": "aiv_add", "source": "aiv/aiv_add.c", "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "block_dim": 4}

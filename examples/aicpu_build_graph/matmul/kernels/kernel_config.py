"""Three kernels and the orchestration that makes a diamond of them."""

ORCHESTRATION = {"source": "orchestration/orchestration.c", "function_name": "orchestration"}

KERNELS = [
    {"func_id": 0, "name": "aiv_log_sqrt", "source": "aiv/aiv_log_sqrt.c", "core_type": "aiv"},
    {"func_id": 1, "name": "aic_matmul", "source": "aic/aic_matmul.c", "core_type": "aic"},
    {"func_id": 2, "name": "aiv_add_exp", "source": "aiv/aiv_add_exp.c", "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 3, "block_dim": 4}

"""The newest instructions in C, from the plugin to the outputs."""

KERNELS = [
    {"func_id": 0, "source": "aic/aic_bias.c", "core_type": "aic"},
    {"func_id": 1, "source": "aiv/aiv_bits.c", "core_type": "aiv"},
    {"func_id": 2, "source": "aiv/aiv_reduce.c", "core_type": "aiv"},
]
ORCHESTRATION = {"source": "orchestration/orchestration.c", "function_name": "orchestration"}
RUNTIME_CONFIG = {"runtime": "aicpu_build_graph"}

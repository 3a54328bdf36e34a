"""A product and a sum of tiles, and the orchestration that makes matrices of them."""

ORCHESTRATION = {"source": "orchestration/orchestration.c", "function_name": "orchestration"}

KERNELS = [
    {"func_id": 0, "name": "aic_gemm_tile", "source": "aic/aic_gemm_tile.c", "core_type": "aic"},
    {"func_id": 1, "name": "aiv_tile_add", "source": "aiv/aiv_tile_add.c", "core_type": "aiv"},
]

RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 3, "block_dim": 24}

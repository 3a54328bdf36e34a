"""Types and calls of the C++ interface that the other programs do not use."""

ORCHESTRATION = {"source": "orchestration/orchestration.cpp", "function_name": "build"}

KERNELS = [
    {"func_id": 0, "source": "aiv/aiv_types.cpp", "core_type": "aiv"},
    {"func_id": 7, "source": "aic/aic_types.cpp", "core_type": "aic"},
]

"""Less frequent forms of instructions: scratch tiles, results in column 0, blocked layouts, calls between cards."""
import os

_FOLDER = os.path.dirname(os.path.abspath(__file__))

KERNELS = [
    dict(func_id=10, source=os.path.join(_FOLDER, "aiv", "aiv_scratch.cpp"), core_type="aiv"),
    dict(func_id=20, source=os.path.join(_FOLDER, "aic", "aic_chain.cpp"), core_type="aic"),
    dict(func_id=21, source=os.path.join(_FOLDER, "aic", "aic_narrow.cpp"), core_type="aic"),
    dict(func_id=30, source=os.path.join(_FOLDER, "aiv", "aiv_send.cpp"), core_type="aiv"),
    dict(func_id=31, source=os.path.join(_FOLDER, "aiv", "aiv_receive.cpp"), core_type="aiv"),
]
ORCHESTRATION = {"source": os.path.join(_FOLDER, "orchestration", "forms.cpp"),
                 "function_name": "aicpu_orchestration_entry"}
RUNTIME_CONFIG = {"runtime": "aicpu_build_graph", "aicpu_thread_num": 4, "block_dim": 3}
RUNTIME_ENV = {"PTO_AICPU_BUILD_GRAPH_BUILD_MODE": "sequential"}

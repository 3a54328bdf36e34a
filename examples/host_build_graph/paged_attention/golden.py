"""The cases and the golden of aicpu_build_graph/paged_attention: built elsewhere, the graph gives the same answer."""
import importlib.util
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2] / "aicpu_build_graph" / "paged_attention" / "golden.py"
_spec = importlib.util.spec_from_file_location("paged_attention_golden", _SOURCE)
_golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_golden)

generate_inputs = _golden.generate_inputs
compute_golden = _golden.compute_golden
to_compare = _golden.to_compare
PARAMS_LIST = _golden.PARAMS_LIST
TENSOR_ORDER = _golden.TENSOR_ORDER
__outputs__ = _golden.__outputs__
RTOL = _golden.RTOL
ATOL = _golden.ATOL
expects_zero = _golden.expects_zero

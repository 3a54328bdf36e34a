"""The problem of aicpu_build_graph/paged_attention."""
from pathlib import Path

_GOLDEN = Path(__file__).resolve().parents[2] / "aicpu_build_graph" / "paged_attention" / "golden.py"
exec(compile(_GOLDEN.read_text(), str(_GOLDEN), "exec"))

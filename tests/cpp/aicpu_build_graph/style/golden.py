"""The problem of host_build_graph/style."""
import runpy
from pathlib import Path

globals().update({name: value for name, value in
                  runpy.run_path(str(Path(__file__).parents[2] / "host_build_graph" / "style" / "golden.py")).items()
                  if name.isupper() or name in ("generate_inputs", "compute_golden")})

#!/usr/bin/env python3
"""Run an example (kernels, orchestration, golden) on a device of libtilegraph and compare its outputs.

    python examples/scripts/run_example.py -k KERNELS_DIR -g GOLDEN_PY -p a2a3sim

The last line is TEST PASSED (exit 0) or TEST FAILED. docs/run_example.md describes files, options and exit codes.
"""
import os
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "python")))

from tilegraph.interpreter import continue_with_remembered  # noqa: E402  (the path has the package's folder only now)

if __name__ == "__main__":
    continue_with_remembered()
    from tilegraph.command import main  # what an interpreter that is left has no use for
    sys.exit(main(sys.argv[1:]))

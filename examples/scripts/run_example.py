#!/usr/bin/env python3
"""Run an example (kernels, orchestration, golden) on a device of libtilegraph and compare its outputs.

    python examples/scripts/run_example.py -k KERNELS_DIR -g GOLDEN_PY -p a2a3sim

The last line is TEST PASSED (exit 0) or TEST FAILED. docs/run_example.md describes files, options and exit codes.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from tilegraph_py.command import main  # noqa: E402  (the folder of this script is on the path only now)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

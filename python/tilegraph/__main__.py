"""`python -m tilegraph`: the command tilegraph."""
import os
import sys

if not __package__:  # another interpreter was found (interpreter.py), which got this file by its path
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from tilegraph.interpreter import continue_with_remembered  # noqa: E402  (the path has the package's folder only now)

if __name__ == "__main__":
    continue_with_remembered()
    from tilegraph.cli import main
    sys.exit(main(sys.argv[1:]))

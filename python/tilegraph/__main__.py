"""`python -m tilegraph`: the command tilegraph."""
import sys

from .interpreter import continue_with_remembered

if __name__ == "__main__":
    continue_with_remembered()
    from .cli import main
    sys.exit(main(sys.argv[1:]))

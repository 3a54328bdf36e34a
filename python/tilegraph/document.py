"""JSON documents, which --json prints.

schemas/ has a schema for each kind; its number rises when a reader could break.
"""
import json

from .places import places


def _text(kind, number, **content):
    """One document. `number` is the one in schemas/KIND.vN.json."""
    head = {"schema": f"tilegraph/{kind}/{number}", "tilegraph": places().version}
    return json.dumps({**head, **content}, indent=2, ensure_ascii=True) + "\n"


def of_run(command, chosen, examples, exit_code):
    """Of run, check, report, bench and run_example.py. `examples`: dicts of name, exit_code, error, cases."""
    if command == "bench":
        return _text("bench", 1, platform=chosen.platform, passed=exit_code == 0, exit_code=exit_code,
                     examples=examples)
    return _text("run", 1, command=command, platform=chosen.platform, check=chosen.check, schedules=chosen.schedules,
                 passed=exit_code == 0, exit_code=exit_code, examples=examples)


def of_info(content):
    """Of info."""
    return _text("info", 1, **content)


def of_new(folder, language, files):
    """Of new."""
    return _text("new", 1, folder=folder, language=language, files=files)

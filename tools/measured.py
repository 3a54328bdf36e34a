"""Common to the scripts that write a page of measured figures: results, processor, paragraphs."""
import json
import platform
import textwrap
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
paragraph = partial(textwrap.fill, width=120, break_long_words=False, break_on_hyphens=False)


def results_of(bench, path):
    """The results of the benchmark `bench` in a file that has a JSON object a line, or in arrays."""
    lines = (line.strip().rstrip(",") for line in Path(path).read_text(encoding="utf-8").splitlines())
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return [row for row in rows if row.get("bench") == bench]


def processor():
    """The name of this computer's processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()

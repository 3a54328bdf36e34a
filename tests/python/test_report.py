"""The page that --report writes: its columns say what the trace says, and its own script reads them the same way."""
import base64
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT

BINARY = os.path.join(os.environ.get("TG_BUILD_DIR", str(ROOT / "build")), "bin", "paged_attention")
SIGNED = ("id", "published", "added", "ready", "dispatch", "start", "complete", "line", "who")
UNSIGNED = ("func", "core", "length", "memory", "gm", "instructions", "file", "cause")


def column(text, signed=False):
    """The numbers of a column; an implementation of its own of what src/trace/report.h says."""
    numbers, value, shift = [], 0, 0
    for byte in base64.b64decode(text, validate=True):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append((value >> 1) ^ -(value & 1) if signed else value)
            value, shift = 0, 0
    assert shift == 0
    return numbers


def decode(run):
    """Tasks as a list of dicts with times in ns since the launch."""
    columns = {name: column(run["tasks"][name], name in SIGNED) for name in SIGNED + UNSIGNED}
    assert {len(values) for values in columns.values()} == {run["tasks"]["n"]}
    tasks, before = [], {"id": 0, "published": 0, "label": ""}
    n_before, links = column(run["edges"]["n_before"]), iter(column(run["edges"]["before"], True))
    same = column(run["labels"]["same"])
    for i in range(run["tasks"]["n"]):
        task = {name: values[i] for name, values in columns.items()}
        task["id"] += before["id"]
        task["published"] += before["published"]
        task["added"] = task["published"] - task["added"]
        task["ready"] += task["published"]
        task["dispatch"] += task["ready"]
        task["start"] += task["dispatch"]
        task["end"] = task["start"] + task["length"]
        task["complete"] += task["end"]
        task["label"] = before["label"][:same[i]] + run["labels"]["rest"][i]
        task["before"] = [i + next(links) for _ in range(n_before[i])]
        tasks.append(task)
        before = task
    assert next(links, None) is None
    return tasks


@pytest.fixture(scope="module", params=[("Case2",), ("gqa",), ("ragged", "--runtime", "host_build_graph")])
def files(request, tmp_path_factory):
    """Page, data of the page, trace and result of one run."""
    folder = tmp_path_factory.mktemp("report")
    done = subprocess.run([BINARY, "--json", "--case", *request.param, "--report", folder / "r.html", "--trace",
                           folder / "t.json", "--graph", folder / "g.dot"],
                          stdout=subprocess.PIPE, check=True, text=True)
    assert sorted(path.name for path in folder.iterdir()) == ["g.dot", "r.html", "t.json"]
    page = (folder / "r.html").read_text()
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1)
    trace = json.loads((folder / "t.json").read_text())
    return page, json.loads(data), trace, json.loads(done.stdout), folder / "r.html"


def test_tasks_are_those_of_the_trace(files):
    _, run, trace, result, _ = files
    tasks = {task["id"]: task for task in decode(run)}
    names = {kernel["func"]: kernel["name"] for kernel in run["kernels"]}
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X" and "task" in event.get("args", {})]
    assert len(tasks) == len(slices) == result["tasks"]
    for event in slices:
        task = tasks[event["args"]["task"]]
        assert (task["start"], task["length"]) == (round(event["ts"] * 1000), round(event["dur"] * 1000))
        assert names[task["func"]] == event["name"]
        assert task["label"] == event["args"].get("label", "")
    for task in tasks.values():
        assert 0 <= task["added"] <= task["published"] <= task["ready"] <= task["dispatch"] <= task["start"]
        assert task["start"] <= task["end"] <= task["complete"] <= run["device_ns"]


def test_edges_come_in_time(files):
    _, run, _, result, _ = files
    tasks = decode(run)
    assert sum(len(task["before"]) for task in tasks) == run["edges"]["n"] == result["edges"]
    for task in tasks:
        for before in task["before"]:
            assert tasks[before]["end"] <= task["start"]


def test_the_path_is_the_whole_time(files):
    _, run, _, result, _ = files
    lengths, bounds, tasks = (column(run["path"][name]) for name in ("length", "bound", "task"))
    assert sum(lengths) == run["device_ns"] == round(result["device_us"] * 1000)
    for i, bound in enumerate(run["bounds"]):
        assert sum(length for length, b in zip(lengths, bounds) if b == i) == bound["ns"]
    # Start and end of the run are told apart from the scheduler's part: they belong to no task.
    launch = sum(length for length, b, task in zip(lengths, bounds, tasks) if b == 3 and task == 0)
    parts = {bound["name"]: bound["ns"] - (launch if bound["name"] == "scheduler" else 0) for bound in run["bounds"]}
    assert max(parts, key=parts.get) == result["bound_by"] and launch == round(result["launch_us"] * 1000)
    assert all(task <= run["tasks"]["n"] for task in tasks)
    assert run["critical_path_ns"] == round(result["critical_path_us"] * 1000) <= run["device_ns"]
    assert 0 < result["busy"]["aic"] < 1 and 0 < result["busy"]["aiv"] < 1


def test_lines_have_the_clock_of_the_machine(files):
    _, run, _, _, _ = files
    figures = (ROOT / "machines" / "a2a3.txt").read_text()
    assert run["core_ghz"] == float(re.search(r"^core_ghz *= *([\d.]+)", figures, re.M)[1])


def test_spans_lie_in_the_run(files):
    _, run, _, _, _ = files
    spans, at = run["spans"], 0
    for start, length in zip(column(spans["start"], True), column(spans["length"])):
        assert at + start >= 0
        at += start + length
        assert at <= run["device_ns"]
    assert all(thread < len(run["threads"]) for thread in column(spans["thread"]))
    assert all(kind < len(run["span_kinds"]) for kind in column(spans["kind"]))


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_the_script_of_the_page_reads_the_same(files):
    page, run, _, _, path = files
    scripts = re.findall(r"<script(?: id=\"decode\")?>(.*?)</script>", page, re.S)
    assert len(scripts) == 2
    program = f"""
        const page = require("fs").readFileSync({str(path)!r}, "utf8");
        const scripts = [...page.matchAll(/<script([^>]*)>([^]*?)<\\/script>/g)];
        for (const script of scripts.slice(1)) new Function(script[2]); // is JavaScript
        const decode = new Function(scripts[1][2] + "; return decodeRun(JSON.parse(arguments[0]))");
        const {{tasks, path, spans}} = decode(scripts[0][2]);
        const listed = ([k, v]) => [k, ArrayBuffer.isView(v) ? [...v] : v];
        const plain = object => Object.fromEntries(Object.entries(object).map(listed));
        console.log(JSON.stringify({{tasks: plain(tasks), path: plain(path), spans: plain(spans)}}));"""
    read = json.loads(subprocess.run(["node", "-e", program], stdout=subprocess.PIPE, check=True, text=True).stdout)
    tasks = decode(run)
    for name in SIGNED + UNSIGNED + ("end", "label"):
        if name != "who":
            assert read["tasks"][name] == [task[name] for task in tasks], name
    assert read["tasks"]["who"] == [i + task["who"] for i, task in enumerate(tasks)]
    assert read["tasks"]["before"] == [before for task in tasks for before in task["before"]]
    assert sorted(read["tasks"]["after"]) == sorted(i for i, task in enumerate(tasks) for _ in task["before"])
    assert read["path"]["end"][-1] == run["device_ns"]
    lengths = [end - start for start, end in zip(read["spans"]["start"], read["spans"]["end"])]
    assert lengths == column(run["spans"]["length"])

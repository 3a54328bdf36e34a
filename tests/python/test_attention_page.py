"""The page of paged attention on cpu, from a file of results."""
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

from conftest import ROOT

OWN = {"bench": "attention", "isa": "avx512", "workers": 1, "dtype": "bf16", "heads": 32, "kv_heads": 32,
       "head_dim": 128, "block_size": 128, "context": 4096, "batch": 1, "tasks": 128, "gb_s": 10.31, "least": 10.12,
       "most": 10.44, "own": 10.0, "peak": 16.9, "fraction": 0.61, "fused": 14.21, "fused_least": 13.0,
       "fused_most": 14.5, "plain": 3.17, "launch_us": 160}
PEER = {"bench": "attention", "runtime": "ONNX Runtime, GroupQueryAttention", "version": "1.0", "workers": 1,
        "dtype": "fp16", "heads": 32, "kv_heads": 32, "head_dim": 128, "context": 4096, "batch": 1, "gb_s": 4.02,
        "least": 3.91, "most": 4.13}


def page_of(tmp_path, *rows):
    """Results as the benchmarks print them: a table, an array, an object a line."""
    results = "x86_64, 2 processors\n\n[" + ",".join("\n " + json.dumps(row) for row in rows) + "\n]\n"
    (tmp_path / "results").write_text(results, encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tools" / "attention_page.py", tmp_path / "results", "Nobody else.",
                           tmp_path], stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    pages = [path for path in (tmp_path / "attention-on-cpu").glob("*.md") if path.name != "other.md"]
    return done, pages[0].read_text(encoding="utf-8") if done.returncode == 0 else ""


def rows_of(page, first):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()
            if line.startswith(f"| {first} ")]


def test_rows_stand_beside_the_limit_and_both_loops(tmp_path):
    done, page = page_of(tmp_path, OWN, {**OWN, "fraction": 0.85, "bound": "products"})
    assert done.returncode == 0, done.stderr
    assert "Nobody else." in page
    missed, met = rows_of(page, "bf16")
    assert missed == ["bf16", "32/32", "128", "4,096", "1", "1", "10.3 (10.1 to 10.4)", "16.9", "memory", "0.61",
                      "0.80, missed", "14.2", "3.2"]
    assert met[8:11] == ["products", "0.85", "0.80"]
    assert "Beside other runtimes" not in page


def test_every_row_has_a_cell_a_column(tmp_path):
    page = page_of(tmp_path, OWN, PEER, {**PEER, "kv_heads": 8})[1]
    columns = 0
    for line in page.splitlines():
        columns = line.count("|") if line.startswith("|") and columns == 0 else columns if line.startswith("|") else 0
        assert not line.startswith("|") or line.count("|") == columns, line


def test_a_peer_stands_beside_the_graph_of_as_many_bytes(tmp_path):
    small_blocks = {**OWN, "block_size": 16, "gb_s": 6.0}
    page = page_of(tmp_path, small_blocks, OWN, PEER, {**PEER, "kv_heads": 8}, {**PEER, "dtype": "fp32"})[1]
    same, other_heads, other_type = rows_of(page, "ONNX Runtime, GroupQueryAttention 1.0")
    assert same[1:] == ["fp16", "32/32", "4,096", "1", "1", "4.0 (3.9 to 4.1)", "10.3", "14.2"]
    assert other_heads[-2:] == ["", ""] and other_type[-2:] == ["", ""]


def test_what_is_left_out_is_named(tmp_path):
    left_out = {"bench": "attention", "runtime": "PyTorch", "left_out": "package torch is not installed"}
    page = page_of(tmp_path, OWN, left_out)[1]
    assert "- PyTorch: package torch is not installed." in page


def test_pages_of_other_processors_stay_and_are_in_the_index(tmp_path):
    other = tmp_path / "attention-on-cpu" / "other.md"
    other.parent.mkdir()
    other.write_text("# Paged attention on Another, avx2\n", encoding="utf-8")
    assert page_of(tmp_path, OWN)[0].returncode == 0
    assert other.read_text(encoding="utf-8") == "# Paged attention on Another, avx2\n"
    index = (tmp_path / "attention-on-cpu.md").read_text(encoding="utf-8")
    links = re.findall(r"- \[(.*)\]\((.*)\)", index)
    assert len(links) == 2 and ("Another, avx2", "attention-on-cpu/other.md") in links
    assert all((tmp_path / target).is_file() for _, target in links)


def test_the_picture_has_a_point_a_row_and_stands_on_the_page(tmp_path):
    own = [{**OWN, "batch": 8, "kv_heads": kv_heads, "fraction": 0.5} for kv_heads in (32, 8, 1)]
    step = {"bench": "attention_op", "row": "32/8 bf16", "workers": 1, "kv_heads": 8, "query": 1, "best_us": 2000.0,
            "median_us": 2100.0, "bound_us": 900.0, "fraction": 0.45}
    page = page_of(tmp_path, *own, step)[1]
    assert "| 32/8 bf16 | 1 | 2.00 | 2.10 | 0.90 | 0.45 |" in page
    (name,) = re.findall(r"!\[.*\]\((.*)\)", page)
    drawn = ElementTree.parse(tmp_path / "attention-on-cpu" / name).getroot()
    circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(own) + 1
    assert len({circle.get("cy") for circle in circles[:3]}) == 1


def test_results_of_others_alone_make_no_page(tmp_path):
    done, _ = page_of(tmp_path, PEER, {"bench": "workers", "runtime": "tilegraph"})
    assert done.returncode != 0 and "no result of bench_attention" in done.stderr


def test_peers_without_packages_are_named():
    done = subprocess.run([sys.executable, "-S", "-E", ROOT / "bench" / "peers" / "attention.py"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["runtime"].split(",")[0] for row in rows] == ["ONNX Runtime", "PyTorch"]
    assert all(row["left_out"].endswith("is not installed") for row in rows)
    assert done.stderr.count("is left out: package ") == 2

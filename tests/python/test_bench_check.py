"""What is below its must is named, from a file of results."""
import json
import subprocess
import sys

from conftest import ROOT

ROW = {"bench": "attention", "dtype": "bf16", "heads": 32, "kv_heads": 8, "block_size": 128, "context": 4096,
       "batch": 1, "workers": 2, "gb_s": 20.0, "fraction": 0.60}
STEP = {"bench": "attention_op", "row": "32/8 bf16", "workers": 1, "best_us": 100.0, "fraction": 0.4}
PEER = {**ROW, "runtime": "ONNX Runtime", "fraction": None}


def check(tmp_path, *rows):
    path = tmp_path / "results"
    path.write_text("a table\n[" + ",".join("\n " + json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tools" / "bench_check.py", path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_figures_at_their_must_pass(tmp_path):
    small = {**ROW, "block_size": 16, "gb_s": 18.0}
    assert check(tmp_path, ROW, PEER, small) == (0, ["2 rows, 0 figures below what is asked"], "")


def test_a_figure_below_its_must_is_named(tmp_path):
    code, lines, _ = check(tmp_path, {**ROW, "fraction": 0.594})
    assert code == 1
    assert lines == ["bf16 32/8 block 128 context 4096 batch 1 workers 2: 0.59 of the limit, asked 0.60",
                     "1 rows, 1 figures below what is asked"]


def test_blocks_of_16_are_held_against_blocks_of_128(tmp_path):
    small = {**ROW, "block_size": 16, "gb_s": 17.9}
    code, lines, _ = check(tmp_path, small, ROW, {**small, "batch": 8})
    assert code == 1
    assert lines[:-1] == ["bf16 32/8 block 16 context 4096 batch 1 workers 2: 17.9 GB/s, asked 0.9 of the 20.0 GB/s of "
                          "blocks of 128"]


def test_a_file_without_figures_is_no_success(tmp_path):
    code, lines, errors = check(tmp_path, {"bench": "workers"})
    assert (code, lines) == (2, [])
    assert "no figures of bench_attention or bench_attention_op" in errors


def test_steps_of_the_operator_at_their_musts_pass(tmp_path):
    queries = {**STEP, "row": "32/8 bf16 4 queries", "best_us": 130.0}
    prefill = {**STEP, "row": "32/8 bf16 prefill 512 over 4096", "fraction": 0.55}
    assert check(tmp_path, STEP, queries, prefill) == (0, ["3 rows, 0 figures below what is asked"], "")


def test_a_prefill_below_its_fraction_is_named(tmp_path):
    code, lines, _ = check(tmp_path, {**STEP, "row": "32/8 bf16 prefill 512 over 4096, batch 8", "fraction": 0.54})
    assert (code, lines[0]) == (1, "32/8 bf16 prefill 512 over 4096, batch 8 workers 1: 0.54 of the limit, asked 0.55")


def test_a_step_is_held_against_another_of_as_many_workers(tmp_path):
    shared = {**STEP, "row": "32/8 bf16 32 share 4096", "best_us": 21.0}
    apart = {**STEP, "row": "32/8 bf16 32 apart"}
    code, lines, _ = check(tmp_path, shared, apart, {**shared, "workers": 2})
    assert (code, lines[:-1]) == (1, ["32/8 bf16 32 share 4096 workers 1: 0.21 times '32/8 bf16 32 apart', asked 0.20"])

"""The command end to end: every case on both runtimes, and every way to fail."""
import json
import re

import pytest
from conftest import (EXAMPLES, ROOT, VECTOR_KERNELS, SmallExample, assert_failed, assert_passed, last_line,
                      run_command)

CASES = ("Case1", "Case2", "shared-blocks", "partial-block", "ragged", "gqa", "large-scores", "fp16", "bf16", "zero",
         "one-key", "PA-small1", "PA-small2")
RUNTIMES = ("aicpu_build_graph", "host_build_graph")
ATTENTION = {runtime: ("-k", EXAMPLES / runtime / "paged_attention" / "kernels",
                       "-g", EXAMPLES / runtime / "paged_attention" / "golden.py") for runtime in RUNTIMES}
SIMULATOR = ("-p", "a2a3sim")


# ---- what passes -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", CASES)
def test_paged_attention(runtime, case):
    done = run_command(*ATTENTION[runtime], *SIMULATOR, PA_CASE=case)
    assert_passed(done)
    assert f"{case}: 'out' agrees" in done.stderr


@pytest.mark.parametrize("runtime, case, blocks, tasks, edges", [
    ("aicpu_build_graph", "Case1", "", 4, 3), ("aicpu_build_graph", "Case2", "", 16, 15),
    ("aicpu_build_graph", "Case2", "3", 8, 7), ("host_build_graph", "PA-small2", "64", 4, 3),
])
def test_cases_have_their_graph(runtime, case, blocks, tasks, edges):
    done = run_command(*ATTENTION[runtime], *SIMULATOR, PA_CASE=case, PA_BLOCKS_PER_TASK=blocks)
    assert_passed(done)
    assert f"{case}: {tasks} tasks, {edges} edges, " in done.stderr


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_on_this_computer(runtime):
    done = run_command(*ATTENTION[runtime], "-p", "cpu", PA_CASE="ragged")
    assert_passed(done)
    assert "workers: aicpu_thread_num 3 and block_dim 24 of kernel_config.py are not applicable" in done.stderr


PROOF = re.compile(r"^check: schedule-independent: \d+ tasks, \d+ conflicting pairs, all ordered, for this input; "
                   r"every access is seen$", re.M)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_checked_by_default(runtime):
    done = run_command(*ATTENTION[runtime], *SIMULATOR, PA_CASE="ragged")
    assert_passed(done)
    assert PROOF.search(done.stderr) and not PROOF.search(done.stdout)


def test_proof_is_a_result(small):
    done = small.run("--silent", "--proof")
    assert_passed(done)
    assert PROOF.search(done.stdout) and done.stderr == ""


def test_without_checks(small):
    done = small.run("--no-check")
    assert_passed(done)
    assert "check:" not in done.stderr
    assert_failed(small.run("--no-check", "--proof"), 2, "--proof")


def test_summary_is_a_result(small):
    done = small.run("--silent", "--summary")
    assert_passed(done)
    assert "bound by" in done.stdout and done.stderr == ""


def test_files_of_a_run(small):
    names = {"--trace": "t.json", "--graph": "g.dot", "--report": "r.html"}
    options = [word for option, name in names.items() for word in (option, str(small.folder / name))]
    assert_passed(small.run(*options))
    assert json.loads((small.folder / "t.json").read_text())["traceEvents"]
    assert (small.folder / "g.dot").read_text().startswith("digraph")
    assert "<html" in (small.folder / "r.html").read_text()


def test_files_of_several_runs_have_their_names(small):
    small.write(golden="PARAMS_LIST = [{'name': 'a'}, {'name': 'b/c'}]\n" + SmallExample.GOLDEN)
    assert_passed(small.run("--graph", str(small.folder / "g.dot")))
    assert sorted(path.name for path in small.folder.glob("*.dot")) == ["g.a.dot", "g.b_c.dot"]


@pytest.mark.parametrize("kind", ["trace", "graph", "report"])
def test_files_of_several_runs_do_not_fit_on_standard_output(small, kind):
    small.write(golden="PARAMS_LIST = [{'name': 'a'}, {'name': 'b'}]\n" + SmallExample.GOLDEN)
    failed = small.run(f"--{kind}", "-")
    assert failed.returncode == 2 and failed.stdout == "", failed.stderr
    assert f"--{kind} -: golden.py has 2 cases" in failed.stderr


@pytest.mark.parametrize("options, text", [
    (["--trace", "gone/t.json"], "--trace: gone/t.json cannot be written"),
    (["--report", "small"], "--report: small is a folder"),
    (["--graph", "x", "--trace", "./x"], "would both write"),
])
def test_files_that_cannot_be_are_refused_before_the_work(small, options, text):
    small.golden.unlink()
    assert_failed(small.run(*options), 2, text)


@pytest.mark.parametrize("text", ["0", "65", "-1", "1.0", "x", " 2"])
def test_blocks_per_task_out_of_range_is_refused(text):
    done = run_command(*ATTENTION["aicpu_build_graph"], *SIMULATOR, PA_BLOCKS_PER_TASK=text)
    assert_failed(done, 2, f"PA_BLOCKS_PER_TASK is '{text}', expected a number from 1 to 64")


def test_vector_example_runs_each_entry_of_its_list():
    folder = EXAMPLES / "aicpu_build_graph" / "vector_example"
    done = run_command("-k", folder / "kernels", "-g", folder / "golden.py", *SIMULATOR)
    assert_passed(done)
    assert "one-piece: 2 tasks, 1 edge," in done.stderr and "five-pieces: 10 tasks, 5 edges" in done.stderr


def first_start_and_last_publish(done):
    line = next(line for line in done.stderr.splitlines() if "last task published at" in line)
    words = line.split()
    return float(words[words.index("started") + 2]), float(words[words.index("published") + 2])


@pytest.mark.parametrize("text, overlaps", [("1", True), ("concurrent", True), ("0", False), ("Sequential", False)])
def test_build_mode_comes_from_the_environment(text, overlaps):
    done = run_command(*ATTENTION["aicpu_build_graph"], *SIMULATOR, PA_CASE="Case2",
                       PTO_AICPU_BUILD_GRAPH_BUILD_MODE=text)
    assert_passed(done)
    started, published = first_start_and_last_publish(done)
    assert (started < published) == overlaps


def test_build_mode_comes_from_runtime_env(small):
    small.write(config=small.config(more="RUNTIME_ENV = {'PTO_AICPU_BUILD_GRAPH_BUILD_MODE': '0'}"))
    done = small.run(PTO_AICPU_BUILD_GRAPH_BUILD_MODE="1")
    assert_passed(done)
    started, published = first_start_and_last_publish(done)
    assert started >= published


def test_runtime_env_reaches_golden_and_plugin(small):
    small.write(body='extern char *getenv(const char *); if (!getenv("TG_TEST_DIR")) return 7;' + SmallExample.BODY,
                config=small.config(more="RUNTIME_ENV = {'TG_TEST_DIR': 'tables'}"),
                golden="import os\nassert os.environ['TG_TEST_DIR'].endswith('/kernels/tables')\n"
                + SmallExample.GOLDEN)
    assert_passed(small.run())


def test_build_mode_is_not_applicable_to_the_host_runtime():
    done = run_command(*ATTENTION["host_build_graph"], *SIMULATOR, PTO_AICPU_BUILD_GRAPH_BUILD_MODE="1")
    assert_passed(done)
    assert "PTO_AICPU_BUILD_GRAPH_BUILD_MODE is not applicable" in done.stderr


def test_silent_prints_the_verdict_only(small):
    done = small.run("--silent")
    assert (done.returncode, done.stdout, done.stderr) == (0, "TEST PASSED\n", "")


def test_log_levels_and_log_file(small):
    log_file = small.folder / "log.txt"
    done = small.run(PTO_LOG_LEVEL="error", PTO_LOG_FILE=str(log_file))
    assert_passed(done)
    assert done.stderr == "" and log_file.read_text() == ""
    done = small.run("-v", PTO_LOG_FILE=str(log_file))
    assert_passed(done)
    assert log_file.read_text() == done.stderr and "[info] run0: 1 task," in done.stderr


def test_profiling_writes_a_chrome_trace(small):
    small.write(golden="PARAMS_LIST = [{'name': 'a/b c'}]\n" + SmallExample.GOLDEN)
    done = small.run("--enable-profiling")
    assert_passed(done)
    path = small.folder / "outputs" / "small_a_b_c.trace.json"
    assert f"trace: {path}" in done.stdout
    events = json.loads(path.read_text())
    events = events["traceEvents"] if isinstance(events, dict) else events
    assert any("aiv_add" in event.get("name", "") and event.get("dur", 0) > 0 for event in events)


def test_without_profiling_nothing_is_written(small):
    assert_passed(small.run())
    assert not (small.folder / "outputs").exists()


def test_profiling_into_a_folder_that_cannot_be(small):
    (small.folder / "outputs").write_text("a file")
    assert_failed(small.run("--enable-profiling"), 2, "--enable-profiling: cannot make the folder")


def test_inputs_in_any_memory_order(small):
    small.write(golden=SmallExample.GOLDEN.replace('"a": a,', '"a": np.repeat(a, 2)[::2],'))
    assert_passed(small.run())


def test_device_and_default_platform(small):
    done = small.run("-d", "15")
    assert_passed(done)
    assert "a2a3sim, device 15" in done.stderr


# ---- what fails ------------------------------------------------------------------------------------------------------

def test_platforms_that_are_not_offered(small):
    done = run_command("-k", small.kernels, "-g", small.golden)  # a2a3 is the default
    assert_failed(done, 7, "TG_ERR_PLATFORM", "a2a3sim")
    assert_failed(small.run("-p", "a2a3"), 7, "TG_ERR_PLATFORM", "not implemented")
    assert_failed(small.run("-p", "tpu"), 7, "TG_ERR_PLATFORM", "tpu", "a2a3sim")


@pytest.mark.parametrize("runtime", ["tensormap_and_ringbuffer", "other"])
def test_runtimes_that_are_not_offered(small, runtime):
    small.write(config=small.config(runtime=runtime))
    assert_failed(small.run(), 2, runtime, "aicpu_build_graph", "host_build_graph")


def test_unknown_case_lists_the_valid():
    done = run_command(*ATTENTION["host_build_graph"], *SIMULATOR, PA_CASE="Case9")
    assert_failed(done, 2, "PA_CASE is 'Case9'", *CASES)


def test_unknown_build_mode(small):
    assert_failed(small.run(PTO_AICPU_BUILD_GRAPH_BUILD_MODE="2"), 2, "PTO_AICPU_BUILD_GRAPH_BUILD_MODE is '2'",
                  "1 or concurrent, 0 or sequential")


@pytest.mark.parametrize("name, value", [("aicpu_thread_num", 1), ("aicpu_thread_num", 5), ("block_dim", 0),
                                         ("block_dim", 25)])
def test_shapes_of_the_device_that_are_refused(small, name, value):
    small.write(config=small.config(**{name: value}))
    assert_failed(small.run(), 2, "TG_ERR_ARGUMENT", name, str(value))


def test_library_that_is_none(small):
    assert_failed(small.run(TILEGRAPH_LIB="/nonexistent/lib.so"), 2, "TILEGRAPH_LIB: there is no file")
    assert_failed(small.run(TILEGRAPH_LIB=str(small.golden)), 8, "the library does not load")


def test_mismatch_is_reported(small):
    small.write(golden=SmallExample.GOLDEN + '    tensors["out_sum"][3] += 1\n')
    assert_failed(small.run(), 1, "'out_sum' differs from the golden in 1 of 100 elements", "out_sum[3] is 7.0",
                  "expected 8.0")


def test_one_of_several_runs_fails(small):
    small.write(golden="PARAMS_LIST = [{'name': 'a'}, {'name': 'b', 'off': 1}, {'name': 'c'}]\n" + SmallExample.GOLDEN
                + '    tensors["out_sum"] += params.get("off", 0)\n')
    done = small.run()
    assert_failed(done, 1, "b: 'out_sum' differs", "1 of 3 runs failed: b", "c: 'out_sum' agrees")


def test_no_task_at_all(small):
    small.write(body="")
    assert_failed(small.run("--no-check"), 1, "the orchestration added no task")
    assert_failed(small.run(), 3, "check: OUTPUT_UNWRITTEN", "out_sum[0] is nan")


def test_output_that_is_not_written_is_poison(small):
    small.write(body="const uint64_t half[] = {addr[0], addr[1], addr[2], 50};"
                "tg_publish(rt, tg_add_task(rt, half, 4, 0, TG_AIV));")
    assert_failed(small.run("--no-check"), 1, "in 50 of 100 elements", "out_sum[50] is nan")
    assert_failed(small.run(), 3, "check: OUTPUT_UNWRITTEN", "in 50 of 100 elements", "TG_ERR_CHECK")


def test_output_that_neither_side_writes(small):
    small.write(body="const uint64_t sum[] = {addr[0], addr[1], addr[2], 100};"
                "tg_publish(rt, tg_add_task(rt, sum, 4, 0, TG_AIV));",
                golden=SmallExample.GOLDEN.replace('"b", "out_sum"]', '"b", "out_sum", "out_n"]').replace(
                    "np.zeros_like(a)}", "np.zeros_like(a), 'out_n': np.zeros(3, np.int32)}"))
    assert_failed(small.run("--no-check"), 2, "'out_n': 3 of 3 elements are not set")


def test_plugin_that_reports_failure(small):
    small.write(body='rt->aicpu_build_api.fail(rt, "%d is too odd", 7); return 1;')
    assert_failed(small.run(), 2, "TG_ERR_ORCHESTRATION", "7 is too odd")


def test_unknown_func_id(small):
    small.write(body=SmallExample.BODY.replace("4, 0,", "4, 9,"))
    assert_failed(small.run(), 2, "TG_ERR_UNKNOWN_FUNC", "9")


def test_kernel_on_the_other_kind_of_core(small):
    small.write(config=small.config(core_type="aic"))
    assert_failed(small.run(), 2, "TG_ERR_CORE_TYPE")


def test_deadlocks(small):
    two = "int a = tg_add_task(rt, args, 4, 0, TG_AIV), b = tg_add_task(rt, args, 4, 0, TG_AIV);"
    small.write(body=two + "tg_add_edge(rt, a, b); tg_add_edge(rt, b, a); tg_publish(rt, a); tg_publish(rt, b);")
    assert_failed(small.run(), 4, "TG_ERR_DEADLOCK_CYCLE")
    small.write(body=two + "tg_add_edge(rt, a, b); tg_publish(rt, b);")
    assert_failed(small.run(), 4, "TG_ERR_DEADLOCK_UNPUBLISHED")


def test_kernel_that_crashes(small):
    (small.kernels / "crash.c").write_text("#include <tilegraph/tile.h>\n"
                                           "void kernel_entry(int64_t *args) { *(volatile int *)args[4] = 1; }\n")
    small.write(config=small.config(kernel="crash.c"), body="const uint64_t five[5] = {0};"
                "tg_publish(rt, tg_add_task(rt, five, 5, 0, TG_AIV));")
    assert_failed(small.run("--no-check"), 6, "TG_ERR_KERNEL_FAULT", "crash")
    assert_failed(small.run(), 3, "check: GM_HOST_ADDRESS", "TG_ERR_KERNEL_FAULT", "crash")


def test_finding_of_a_check(small):
    wrong = (VECTOR_KERNELS / "aiv" / "aiv_add.c").read_text()
    wrong = wrong.replace("wait_flag(PIPE_MTE2, PIPE_V", "if (0) set_flag(PIPE_MTE2, PIPE_V")
    (small.kernels / "wrong.c").write_text(wrong)
    small.write(config=small.config(kernel="wrong.c"))
    assert_passed(small.run("--no-check"))
    for chosen in ((), ("--check",)):
        assert_failed(small.run(*chosen), 3, "check: PIPE_RAW: TADD at wrong.c:", "mend:  set_flag(PIPE_MTE2, PIPE_V",
                      "TG_ERR_CHECK")


# The kernel adds what an edge that is missing would have brought.
def test_edge_that_is_missing(small):
    first = "const uint64_t sum[] = {addr[0], addr[0], addr[2], 100}, more[] = {addr[2], addr[1], addr[2], 100};"
    two = (f"{first} int a = tg_add_task(rt, sum, 4, 0, TG_AIV), b = tg_add_task(rt, more, 4, 0, TG_AIV);"
           "EDGE tg_publish(rt, a); tg_publish(rt, b);")
    golden = SmallExample.GOLDEN.replace('tensors["a"] +', '2 * tensors["a"] +')
    small.write(body=two.replace("EDGE", "tg_add_edge(rt, a, b);"), golden=golden)
    assert_passed(small.run())
    small.write(body=two.replace("EDGE", ""))
    assert_failed(small.run(), 3, "check: TASK_RACE", "an edge from task 0 to task 1")


def test_findings_of_an_orchestration_that_fails_on_the_host(small):
    source = small.ORCHESTRATION.replace("(struct tg_runtime *rt)", "(struct tg_runtime *rt, uint64_t *at, int n)")
    source = source.replace("rt->orch_args[6]", "at[6] + (uint64_t)n").replace("BODY", """
    float word;
    rt->host_api.copy_from_device(rt, &word, tg_device_malloc_addr(rt, 64), sizeof word);""")
    (small.kernels / "orchestration.c").write_text(source.replace("return 0", "return -7"))
    small.write(config=small.config(runtime="host_build_graph"))
    assert_failed(small.run("--no-check"), 2, "returned -7")
    assert_failed(small.run(), 3, "check: GM_UNWRITTEN: copy_from_device", "returned -7")


# A kernel that is right as long as its pipes take their time: the add may come before the loads.
def test_pipes_and_schedules(small):
    wrong = (VECTOR_KERNELS / "aiv" / "aiv_add.c").read_text()
    (small.kernels / "wrong.c").write_text(re.sub(r"(set|wait)_flag\(PIPE_MTE2, PIPE_V, \w+\);", "", wrong))
    small.write(config=small.config(kernel="wrong.c"))
    assert_failed(small.run("--no-check", "--pipes", "late"), 1, "differs from the golden")
    small.write(config=small.config())
    assert_passed(small.run("--pipes", "late", "--schedules", "3", "--schedule-seed", "5"))
    other = "const uint64_t others[] = {addr[0], addr[0], addr[2], args[3]};"
    small.write(body=f"{other} tg_publish(rt, tg_add_task(rt, others, 4, 0, TG_AIV)); {SmallExample.BODY}")
    assert_failed(small.run("--no-check", "--schedules", "20"), 3,
                  "check: SCHEDULE_DIFFERENCE: out_sum depends on the schedule")


def test_schedules_of_cpu_are_refused(small):
    done = run_command("-k", small.kernels, "-g", small.golden, "-p", "cpu", "--schedules", "2", cwd=small.folder)
    assert_failed(done, 2, "TG_ERR_ARGUMENT", "schedules is 2")


def test_trace_of_a_run_that_fails(small):
    small.write(body=SmallExample.BODY + "rt->aicpu_build_api.fail(rt, \"after the first\"); return 1;")
    done = small.run("--enable-profiling")
    assert_failed(done, 2, "after the first")
    assert (small.folder / "outputs" / "small_run0.trace.json").exists() or "no trace: " in done.stderr


def test_missing_entry_function(small):
    small.write(config=small.config(function_name="build"))
    assert_failed(small.run(), 8, "TG_ERR_SYMBOL", "build")


@pytest.mark.parametrize("change, text", [
    ('result["query"] = result["query"].astype(np.float64)', "query"),
    ('result["block_table"][0, 0] = 99', "block_table[0][0] is 99"),
    ('result["context_lens"][0] = 17', "context_lens[0] is 17"),
    ('result["config"] = result["config"][:6]', "config"),
    ('result["value_cache"] = result["value_cache"][1:]', "value_cache"),
    ('del result["key_cache"]', "TENSOR_ORDER names 'key_cache'"),
])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_wrong_tensors_are_refused(tmp_path, runtime, change, text):
    path = tmp_path / "golden.py"
    path.write_text((EXAMPLES / "aicpu_build_graph/paged_attention/golden.py").read_text()
                    + f"\n_good = generate_inputs\ndef generate_inputs(params):\n    result = _good(params)\n"
                    f"    {change}\n    return result\n")
    assert_failed(run_command(*ATTENTION[runtime][:2], "-g", path, *SIMULATOR), 2, text)


def test_the_seeds_commands_from_the_projects_folder():
    done = run_command("-k", "examples/aicpu_build_graph/paged_attention/kernels",
                       "-g", "examples/aicpu_build_graph/paged_attention/golden.py", "-p", "a2a3sim", cwd=ROOT)
    assert_passed(done)
    assert last_line(done) == "TEST PASSED"

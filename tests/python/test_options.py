"""Options and the variables that stand in for them."""
import pytest
from conftest import assert_failed, run_command
from tilegraph import options
from tilegraph.errors import ExampleError

NEEDED = ["-k", "kernels", "-g", "golden.py"]


def parse(*more, **environ):
    return options.parse([*NEEDED, *more], environ)


def test_defaults():
    chosen = parse()
    assert (chosen.platform, chosen.device, chosen.log_level, chosen.log_file) == ("a2a3", 0, "info", None)
    assert chosen.enable_profiling is False
    assert (chosen.check, chosen.schedules, chosen.schedule_seed, chosen.pipe_order) == (False, 1, 0, 0)
    assert (chosen.trace, chosen.graph, chosen.report, chosen.summary, chosen.proof) == (None, None, None, False, False)


@pytest.mark.parametrize("arguments, check", [
    (["-p", "a2a3sim"], True), (["-p", "a2a3sim", "--no-check"], False), (["-p", "cpu"], False), ([], False),
    (["-p", "cpu", "--check"], True),
])
def test_the_simulator_checks_unless_told_otherwise(arguments, check):
    assert parse(*arguments).check is check


@pytest.mark.parametrize("arguments, text", [
    ([], "required: -k/--kernels, -g/--golden; or --all DIR"),
    (["-k", "x"], "required: -g/--golden"),
    (["--all", "x", "-k", "y"], "--kernels is for one example"),
    (["--all", "x", "--trace", "y"], "--trace is for one example"),
    (["-k", "x", "-g", "y", "--jobs", "2"], "--jobs"),
    (["--all", "x", "--jobs", "0"], "--jobs is '0'"),
])
def test_one_example_or_all(arguments, text):
    with pytest.raises(ExampleError) as caught:
        options.parse(arguments, {})
    assert text in str(caught.value) and caught.value.exit_code == 2


def test_how_a_run_is_checked():
    chosen = parse("--check", "--schedules", "20", "--schedule-seed", "18446744073709551615", "--pipes", "early")
    assert (chosen.check, chosen.schedules, chosen.schedule_seed, chosen.pipe_order) == (True, 20, 2**64 - 1, 2)


@pytest.mark.parametrize("arguments, text", [
    (["--schedules", "0"], "--schedules is '0', expected a number from 1 to 4294967295"),
    (["--schedules", "4294967296"], "--schedules is '4294967296'"),
    (["--schedules", "two"], "--schedules is 'two'"),
    (["--schedule-seed", "18446744073709551616"], "--schedule-seed is '18446744073709551616'"),
    (["--pipes", "backwards"], "--pipes is 'backwards', expected one of program, late, early"),
])
def test_checks_that_there_are_not(arguments, text):
    with pytest.raises(ExampleError) as caught:
        parse(*arguments)
    assert text in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("environ, arguments, device", [
    ({}, ["-d", "15"], 15),
    ({"PTO_DEVICE_ID": "3"}, [], 3),
    ({"TILE_FWK_DEVICE_ID": "4"}, [], 4),
    ({"PTO_DEVICE_ID": "3", "TILE_FWK_DEVICE_ID": "4"}, [], 3),
    ({"PTO_DEVICE_ID": "3"}, ["-d", "5"], 5),
    ({"PTO_DEVICE_ID": ""}, [], 0),
])
def test_device_comes_from_option_then_variables(environ, arguments, device):
    assert parse(*arguments, **environ).device == device


@pytest.mark.parametrize("text", ["16", "-1", "x", "", "1.0", "1_0", " 1", "99999999999999999999"])
def test_device_that_is_none_is_refused(text):
    with pytest.raises(ExampleError, match="expected a device from 0 to 15|needs a value") as caught:
        parse(f"--device={text}")
    assert caught.value.exit_code == 2


def test_device_variable_that_is_none_is_named():
    with pytest.raises(ExampleError, match="TILE_FWK_DEVICE_ID is 'npu0'"):
        parse(TILE_FWK_DEVICE_ID="npu0")


@pytest.mark.parametrize("environ, arguments, level", [
    ({}, ["-v"], "debug"),
    ({}, ["--silent"], "error"),
    ({}, ["--log-level", "warn"], "warn"),
    ({"PTO_LOG_LEVEL": "warn"}, [], "warn"),
    ({"PTO_LOG_LEVEL": "warn"}, ["-v"], "debug"),
    ({"PTO_LOG_LEVEL": "warn"}, ["--log-level", "error"], "error"),
])
def test_log_level_comes_from_option_then_variable(environ, arguments, level):
    assert parse(*arguments, **environ).log_level == level


@pytest.mark.parametrize("environ, arguments, text", [
    ({}, ["--log-level", "loud"], "--log-level is 'loud', expected one of error, warn, info, debug"),
    ({"PTO_LOG_LEVEL": "7"}, [], "PTO_LOG_LEVEL is '7'"),
    ({}, ["-v", "--silent"], "not allowed with"),
    ({}, ["--frobnicate"], "--frobnicate"),
    ({}, ["stray"], "stray"),
    ({}, ["--plat", "a2a3sim"], "--plat"),
])
def test_wrong_options_are_refused(environ, arguments, text):
    with pytest.raises(ExampleError) as caught:
        parse(*arguments, **environ)
    assert text in str(caught.value) and caught.value.exit_code == 2


def test_missing_options_are_named():
    with pytest.raises(ExampleError, match="required: -k/--kernels, -g/--golden"):
        options.parse([], {})


def test_usage_error_ends_with_test_failed():
    assert_failed(run_command("-k", "x"), 2, "-g/--golden", "usage: run_example.py")


def test_help_names_every_variable():
    done = run_command("--help", "environment")
    assert done.returncode == 0
    for name in ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID", "PTO_LOG_LEVEL", "PTO_LOG_FILE", "CC", "CXX", "PTO_AICPU_CXX",
                 "PTO_AICPU_BUILD_GRAPH_BUILD_MODE", "TILEGRAPH_LIB", "XDG_CACHE_HOME", "PA_CASE"):
        assert name in done.stdout


@pytest.mark.parametrize("arguments, text", [
    (["--versoin"], "unknown option '--versoin': did you mean --version?"),
    (["--plat", "cpu"], "unknown option '--plat': did you mean --platform?"),
    (["--kernel=x"], "unknown option '--kernel': did you mean --kernels?"),
    (["--frobnicate"], "unknown option '--frobnicate'"),
    (["--pipes", "lat"], "--pipes is 'lat', expected one of program, late, early: did you mean late?"),
    (["--trace"], "--trace needs a value: FILE"),
    (["--proof=1"], "--proof takes no value"),
    (["--quiet", "-v"], "not allowed with"),
])
def test_a_mistyped_option_is_answered_with_the_nearest_name(arguments, text):
    with pytest.raises(ExampleError) as caught:
        parse(*arguments)
    assert text in str(caught.value) and caught.value.exit_code == 2


def test_version_and_topics():
    assert run_command("--version").stdout.startswith("tilegraph 0.")
    assert "--pipes ORDER" in run_command("--help", "checks").stdout
    assert_failed(run_command("--help", "chekcs"), 2, "unknown topic 'chekcs': did you mean checks?")


def test_log_file_that_cannot_be_written_is_refused(small):
    assert_failed(small.run(PTO_LOG_FILE=str(small.folder)), 2, "PTO_LOG_FILE: cannot write")

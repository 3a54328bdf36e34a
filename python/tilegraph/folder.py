"""Run the example of a folder, and compare it with its golden, from Python."""
from . import options, runner


def run_folder(folder, platform="a2a3sim", **chosen):
    """Run the example in `folder` (kernels/ and golden.py) once for each entry of its PARAMS_LIST.

    `chosen` are options of the command line by their long names: check, schedules, pipes, trace, report, log_level, ...
    Returns a list of runner.CaseResult, one a run. Raises tilegraph.Error: for a mismatch, for findings of the checks,
    and for every other failure, with the exit code that the command would end with.

    The example's Python files run in this process: the command, `python -m tilegraph run`, gives them a process of
    their own.
    """
    return runner.run(options.for_folder(folder, platform, **chosen))

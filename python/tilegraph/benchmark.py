"""`tilegraph bench`: the first run of an example, which is cold, and later runs of the same program, which are warm."""
import json
import statistics

from . import example, runner, supervise, tensors
from .errors import EXIT_FAULT
from .log import log


def run(options, n_runs):
    """Time each entry of PARAMS_LIST: a first run, compared with the golden, and `n_runs` more. Returns 0, or raises.

    Writes a dict for each case into options.outcome, and prints a table.
    """
    rows = []
    with runner.opened(options) as session:
        for index, params in enumerate(session.golden.params_list):
            rows.append(_case(session, example.case_name(params, index), params, n_runs))
            options.outcome.write(json.dumps(rows[-1]) + "\n")
            options.outcome.flush()
    log.result(_table(rows))
    return 0


def _case(session, name, params, n_runs):
    made = tensors.generate(session.golden, dict(params))
    given = tensors.for_device(made, runner.initial_values(made, session.golden.inouts))
    first = runner.CaseResult(name)
    supervise.phase(f"{name}: the run", EXIT_FAULT)
    findings = runner.launch(session, first, given)
    if findings is not None:
        raise findings
    tensors.verdict(session.golden, made, tensors.compute(session.golden, made, params), name, params, given)
    device, host = [], []
    supervise.phase(f"{name}: the timed runs", EXIT_FAULT)
    for _ in range(n_runs):
        with session.lib.run(session.program, session.run_config, runner.rows_of(given, session.golden.inouts)) as run:
            session.lib.wait(run)
            result = session.lib.result(run)
        device.append(result.device_ns)
        host.append(result.host_ns)
    return {"name": name, "exit_code": 0, "n_tasks": first.n_tasks, "cold": {"device_ns": first.device_ns,
            "host_ns": first.host_ns}, "warm": {"runs": n_runs, "device_ns": _spread(device), "host_ns": _spread(host)}}


def _spread(values):
    return {"min": min(values), "median": int(statistics.median(values)), "max": max(values)}


def _table(rows):
    width = max(len("case"), *(len(row["name"]) for row in rows))
    lines = [f"{'case':{width}}  {'tasks':>7}  {'cold':>11}  {'warm, best':>11}  {'median':>11}  {'worst':>11}  us\n"]
    for row in rows:
        warm = row["warm"]["device_ns"]
        times = [row["cold"]["device_ns"], warm["min"], warm["median"], warm["max"]]
        lines.append(f"{row['name']:{width}}  {row['n_tasks']:>7}  "
                     + "  ".join(f"{ns / 1e3:>11.2f}" for ns in times) + "\n")
    return "".join(lines)

"""`rig freeze`: what an open-loop and a closed-loop load show of a broker that stands still."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rig.errors import BadInput
from rig.freeze import report
from rig.freeze.measure import Plan, measure
from rig.freeze.record import save
from rig.stack.paths import checkout

RECORD = Path("docs/runs/freeze")
INVALID = 3
AROUND_S = 4  # seconds of the window beside the freeze, at least


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "freeze",
        help="show why loads are open loops: stop a broker under both kinds",
        description="Runs a broker, a worker and Locust of its own, for a minute and a half. Writes freeze.json, "
        "latencies.csv, report.md and freeze.png. Exit codes: 0 done, 2 bad input, 3 not to be trusted.",
    )
    parser.add_argument("--into", type=Path, help="directory (default: a new one in runs/ of the checkout); "
                        f"{RECORD} renews the table in {report.DOCUMENT}, too")  # fmt: skip
    parser.add_argument("--rate", type=float, default=500, help="tasks a second (default 500)")
    parser.add_argument("--seconds", type=float, default=10, help="length of the window (default 10)")
    parser.add_argument("--freeze", type=float, default=2, help="seconds that the broker stands still (default 2)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the record, print the report."""
    ours = checkout()
    plan = Plan(rate=arguments.rate, seconds=arguments.seconds, freeze=arguments.freeze)
    _check(plan)
    directory = arguments.into or ours.root / "runs" / time.strftime("%Y%m%d-%H%M%S-freeze")
    record = measure(ours, plan)
    save(record, directory)
    print(report.write(directory))
    if directory.resolve() == ours.root / RECORD:
        report.renew(ours.root, record)
    print(f"kept in {directory}")
    for problem in record.problems:
        print(f"error: {problem}", file=sys.stderr)
    return INVALID if record.problems else 0


def _check(plan: Plan) -> None:
    problems = [
        f"--{name} {value:g}: must be above 0"
        for name, value in (("rate", plan.rate), ("seconds", plan.seconds), ("freeze", plan.freeze))
        if not 0 < value < float("inf")
    ]
    if not problems and plan.seconds < plan.freeze + AROUND_S:
        problems = [f"--seconds {plan.seconds:g}: must be {AROUND_S} s more than the freeze, at least"]
    if problems:
        raise BadInput(problems)

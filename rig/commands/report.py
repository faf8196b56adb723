"""`rig report RUN`: make report.md and the plot again from a run's result.json."""

from __future__ import annotations

import argparse

from rig.commands.list import find
from rig.report.write import REPORT, write_report


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "report",
        help="make a run's report again from its raw numbers",
        description="Writes report.md and plot.png from result.json. Exit codes as those of `rig run`.",
    )
    parser.add_argument("target", metavar="RUN", help="a run's directory, or a part of its name; the last that fits")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the report and print its summary; the exit code of the verdict."""
    directory = find(arguments.target)
    report = write_report(directory)
    print(f"{report.summary}\n\nreport: {directory / REPORT}")
    return report.verdict.exit_code

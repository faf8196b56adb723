"""`rig report RUN`: make report.md, report.html and the plot again from what a run has kept."""

from __future__ import annotations

import argparse

from rig.commands.list import find
from rig.report.write import PAGE, write_report


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "report",
        help="make a run's report again from its raw numbers",
        description="Writes report.md, report.html and plot.png from result.json and shapes.json (without the latter"
        " the page has fewer figures); of a series also those of its runs. Exit codes as those of `rig run`.",
    )
    parser.add_argument("target", metavar="RUN", help="a run's directory, or a part of its name; the last that fits")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the report and print its summary; the exit code of the verdict."""
    directory = find(arguments.target)
    report = write_report(directory)
    print(f"{report.summary}\n\nreport: {directory / PAGE}")
    return report.verdict.exit_code

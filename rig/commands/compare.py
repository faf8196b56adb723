"""`rig compare RUN RUN`: has an effect changed between two runs?"""

from __future__ import annotations

import argparse

from rig.commands.list import find
from rig.experiment.result import load
from rig.experiment.verdict import EXIT_CODES, INVALID
from rig.report import between
from rig.report.write import conclude

CHANGED = 1


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "compare",
        help="hold two runs against each other",
        description="For each measure and variant that two runs share: the effect (ratio to the baseline) in each, and"
        " by how much the second differs from the first, with its interval; absolute values side by side; and in what"
        " environment and settings differ. Exit codes: 0 the first run's judged effect has not demonstrably changed,"
        " 1 it has, 2 bad input, 3 one of the runs is invalid.",
    )
    for name, place in (("first", "before"), ("second", "after")):
        parser.add_argument(name, metavar="RUN", help=f"{place}: a run's directory, or a part of its name")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; exit code as described."""
    first, second = (load(find(target)) for target in (arguments.first, arguments.second))
    found = between.effects(first, second)
    print(f"{between.text(first, second, found)}\n")
    reports = [conclude(result) for result in (first, second)]
    for side, report in zip("AB", reports, strict=True):
        print(f"{side} was {report.verdict.word}: {report.verdict.because}")
    if any(report.verdict.word == INVALID for report in reports):
        print("nothing can be concluded from an invalid run")
        return EXIT_CODES[INVALID]
    judged = between.judged(first, found)
    if judged is None:
        print("the runs do not share the measure that A's experiment is about")
        return 0
    print(f"{judged.measure} of “{judged.variant}”, B against A: {between.words(judged.change)}")
    return CHANGED if judged.change.clear_of_one else 0

"""`rig compare RUN RUN`: has an effect changed between two runs, or two series of runs?"""

from __future__ import annotations

import argparse

from rig.commands.list import find
from rig.experiment.judge.verdict import EXIT_CODES, INVALID
from rig.experiment.result import load_all
from rig.report import compare
from rig.report.write import conclude

CHANGED = 1


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "compare",
        help="compare the effects of two runs",
        description="For each measure and variant that two runs (or series of runs) share: the effect in each, and by"
        " how much the second differs from the first, with its interval; absolute values side by side; and in what"
        " environment and settings differ. Exit codes: 0 the first run's judged effect has not demonstrably changed,"
        " 1 it has, 2 bad input (also: measured by different versions of the engine), 3 one of them is invalid.",
    )
    for name, place in (("first", "before"), ("second", "after")):
        parser.add_argument(name, metavar="RUN", help=f"{place}: a run's directory, or a part of its name")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; exit code as described."""
    first, second = (conclude(*load_all(find(target))) for target in (arguments.first, arguments.second))
    found = compare.effects(first, second)
    print(f"{compare.text(first, second, found)}\n")
    for side, report in (("A", first), ("B", second)):
        print(f"{side} was {report.verdict.word}: {report.verdict.because}")
    if not (first.valid and second.valid):
        print("nothing can be concluded from an invalid run")
        return EXIT_CODES[INVALID]
    judged = compare.judged(first, found)
    if judged is None:
        print("the runs do not share the measure that A's experiment is about")
        return 0
    if not judged.usable:
        print(f"{judged.measure} may not be used in one of them")
        return EXIT_CODES[INVALID]
    print(f"{judged.measure} of “{judged.variant}”, B against A: {compare.words(judged.change, judged.floor)}")
    if not compare.in_series(first, second):
        print("(without the variance between runs: `rig run --runs N` for each side has it)")
    return CHANGED if compare.changed(judged.change, judged.floor) else 0

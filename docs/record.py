"""Puts runs on record, and writes the tables that quote them again.

    .venv/bin/python docs/record.py [RUN...]
    .venv/bin/python docs/record.py --latest     # the last run of each experiment

Each RUN, a directory below runs/, replaces docs/runs/<its experiment>/: its raw numbers, and the report made from
them. Ledger, parquet and logs stay where they are. Then the marked blocks of docs/experiments.md, docs/method.md and
README.md are made from the records in docs/runs/, whether or not a RUN was named.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.compare import words
from rig.experiment.measure import named
from rig.experiment.read_spec import load_experiment
from rig.experiment.result import FILE, load
from rig.experiment.spec import Experiment
from rig.experiment.verdict import INVALID
from rig.report.write import PAGE, REPORT, Report, conclude, write_report
from rig.selfbench import truth
from rig.stack.paths import Checkout

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RECORDS = ROOT / "docs" / "runs"
RAW = (FILE, "shapes.json", "environment.json")  # everything else of a record is made from these
BEGIN, END = "<!-- from {}", "<!-- end -->"
UNMEASURED = "not measured yet"


def put_on_record(run: Path) -> Path:
    """Copy what is kept of `run` to where records are, and make its report there. BadInput if it is no run."""
    target = RECORDS / load(run).experiment.name
    if run.resolve() != target:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in RAW:
            if (run / name).exists():
                shutil.copy(run / name, target)
    write_report(target)
    (target / PAGE).unlink()  # large, and `rig report docs/runs/NAME` makes it again
    return target


def experiments() -> list[Experiment]:
    """Return the committed experiments by name."""
    topologies = Checkout(root=ROOT, settings={}).topologies()
    return [load_experiment(path.relative_to(ROOT), topologies) for path in sorted(EXPERIMENTS.glob("*.toml"))]


def report_of(experiment: Experiment) -> Report | None:
    """Return what the experiment's record comes to; None while there is no record."""
    directory = RECORDS / experiment.name
    return conclude(load(directory)) if (directory / FILE).exists() else None


def overview() -> Iterator[str]:
    """One row an experiment: what is claimed, what was expected before, what came of it."""
    yield "| experiment | claim | expected | outcome |"
    yield "| --- | --- | --- | --- |"
    for experiment in experiments():
        report = report_of(experiment)
        file = f"[{experiment.name}](../{experiment.path})"
        claim = f"{experiment.claim} ([source]({experiment.source}))"
        yield f"| {file} | {claim} | {expected(experiment)} | {outcome(report) if report else UNMEASURED} |"


def expected(experiment: Experiment) -> str:
    """Say the expectation of the file: 'execution rate of `ignored`: higher than `stored` by at least 10%'."""
    said = experiment.expectation
    base = f"`{experiment.baseline.name}`"
    change = (
        f"the same as {base} within {said.percent:g}%"
        if said.change == "same"
        else f"{said.change} than {base} by at least {said.percent:g}%"
    )
    return f"{named(said.measure).title} of `{said.variant}`: {change}"


def outcome(report: Report) -> str:
    """Say the verdict and what it rests on: of an invalid run the reason, since its numbers say nothing."""
    experiment, verdict = report.result.experiment, report.verdict
    judged = dict(judged_ratios(report)).get(experiment.expectation.variant, verdict.because)
    rounds = len(report.result.by_cell("execution_rate")[experiment.baseline.name])
    return f"**{verdict.word}**: {judged} ({rounds} rounds, [report](runs/{experiment.name}/{REPORT}))"


def judged_ratios(report: Report) -> Iterator[tuple[str, str]]:
    """Yield each variant but the first, and in words how it compares with that in the judged measure.

    None of an invalid run.
    """
    if report.verdict.word == INVALID:
        return
    experiment = report.result.experiment
    measure = experiment.expectation.measure
    row = next((row for row in report.rows if row.measure == measure), None)
    for variant in experiment.variants[1:]:
        if row and variant.name in row.ratios:
            yield variant.name, words(measure, row.ratios[variant.name])


def variants() -> Iterator[str]:
    """One row a variant: how it compares with the first of its experiment in the measure that was judged."""
    yield "| experiment | measure | variant | compared with | outcome |"
    yield "| --- | --- | --- | --- | --- |"
    for experiment in experiments():
        report = report_of(experiment)
        title = named(experiment.expectation.measure).title
        for name, said in judged_ratios(report) if report else ():
            yield f"| {experiment.name} | {title} | `{name}` | `{experiment.baseline.name}` | {said} |"


def bench() -> Iterator[str]:
    """What `make bench` printed: the sentence, the table and the verdict of the first experiment's report."""
    lines = (RECORDS / "ignore_result" / REPORT).read_text().splitlines()
    yield next(line for line in lines if line.startswith("> "))
    yield ""
    first = next(place for place, line in enumerate(lines) if line.startswith("|"))
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        yield line
    yield ""
    yield next(line for line in lines if line.startswith("- **Verdict:**"))


def known() -> Iterator[str]:
    """What the experiment whose answer is known came to."""
    directory = RECORDS / "truth"
    if not (directory / FILE).exists():
        yield UNMEASURED
        return
    yield from truth.table(load(directory))


# Of each document the blocks that are made, by what stands in the mark before them.
BLOCKS = {
    ROOT / "docs" / "experiments.md": {"docs/runs: overview": overview, "docs/runs: variants": variants},
    ROOT / "docs" / "method.md": {"docs/runs/truth": known},
    ROOT / "README.md": {"docs/runs/ignore_result": bench},
}


def renewed(document: Path) -> str:
    """Return the text of `document` with its blocks made again. ValueError when a mark is missing."""
    text = document.read_text()
    for source, lines in BLOCKS[document].items():
        head, begin, rest = text.partition(BEGIN.format(source))
        mark, close, rest = rest.partition("-->\n")
        _old, end, tail = rest.partition(END)
        if not (begin and close and end):
            raise ValueError(f"{document}: no block between {BEGIN.format(source)!r} and {END!r}")
        text = head + begin + mark + close + "\n".join(lines()) + "\n" + end + tail
    return text


def latest() -> list[str]:
    """Return the last run of each committed experiment that has been run here; run directories begin with the time."""
    runs = [sorted((ROOT / "runs").glob(f"*-{experiment.name}-??????/{FILE}")) for experiment in experiments()]
    return [str(found[-1].parent) for found in runs if found]


def problems_of(run: Path) -> list[str]:
    """Return why the result of `run` cannot be read."""
    try:
        load(run)
    except BadInput as error:
        return list(error.problems)
    return []


def main(runs: Sequence[str]) -> int:
    """Record `runs`, write the documents; 2, and nothing is touched, when one of them is no run."""
    problems = [problem for run in runs for problem in problems_of(Path(run))]
    if problems:
        print("\n".join(f"error: {problem}" for problem in problems), file=sys.stderr)
        return 2
    for run in runs:
        print(f"recorded: {put_on_record(Path(run)).relative_to(ROOT)}")
    for document in BLOCKS:
        document.write_text(renewed(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(latest() if sys.argv[1:] == ["--latest"] else sys.argv[1:]))

"""Puts runs on record, and writes the tables that quote them again.

    .venv/bin/python docs/record.py [RUN...]
    .venv/bin/python docs/record.py --latest     # the last run or series of each experiment

Each RUN, a directory below runs/ that holds a run or a series of runs, replaces docs/runs/<its experiment>/: the raw
numbers of each run, and the report made from them. Ledger, parquet and logs stay where they are. Then the marked blocks
of docs/experiments.md, docs/method.md and README.md are made from the records in docs/runs/, whether or not a RUN was
named. A record that an earlier engine has measured is quoted with no numbers.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import Experiment
from rig.experiment.judge.ratios import words
from rig.experiment.measure import named
from rig.experiment.result import FILE, FORMAT, SERIES, load_all
from rig.experiment.turn import ENGINE
from rig.report import facts
from rig.report.lines import line
from rig.report.write import PAGE, PICTURE, REPORT, Report, conclude, write_report
from rig.selfbench import truth
from rig.stack.paths import Checkout

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RECORDS = ROOT / "docs" / "runs"
TRUTH = RECORDS / "truth"
RAW = (FILE, "shapes.json", "environment.json")  # everything else of a record is made from these
BEGIN, END = "<!-- from {}", "<!-- end -->"
UNMEASURED = "not measured yet"
WITHDRAWN = "measured with an earlier engine: withdrawn until measured again"


def put_on_record(run: Path) -> Path:
    """Copy what is kept of a run, or of the runs of a series, to where records are, and make the report there.

    BadInput if it is no run.
    """
    target = target_of(load_all(run)[0].experiment)
    if run.resolve() != target:
        shutil.rmtree(target, ignore_errors=True)
        for part in parts_of(run):
            own = target / part.relative_to(run)
            own.mkdir(parents=True)
            for name in RAW:
                if (part / name).exists():
                    shutil.copy(part / name, own)
    write_report(target)
    for part in parts_of(target):  # large, and `rig report docs/runs/NAME` makes them again
        for name in (PAGE,) if part == target else (PAGE, REPORT, PICTURE):
            (part / name).unlink(missing_ok=True)
    (target / PAGE).unlink(missing_ok=True)
    return target


def target_of(experiment: Experiment) -> Path:
    """Return where the record of an experiment is: those of `rig selfbench truth` are together in a folder."""
    ours = experiment.path.parent == truth.FOLDER
    return TRUTH / experiment.path.stem if ours else RECORDS / experiment.name


def parts_of(directory: Path) -> list[Path]:
    """Return the directories that hold a result: that of a run itself, or those of a series' runs."""
    if (directory / FILE).exists():
        return [directory]
    return sorted(path.parent for path in directory.glob(f"{SERIES}*/{FILE}"))


def whole(part: Path) -> Path:
    """Return the directory of the record to which that of a run belongs: its own, or that of its series."""
    return part.parent if part.name.startswith(SERIES) else part


def current(directory: Path) -> bool:
    """Whether a record was measured with the engine as it is: of an older format not even that is read."""
    found = [json.loads((part / FILE).read_text()) for part in parts_of(directory)]
    return bool(found) and all((each.get("format"), each.get("engine")) == (FORMAT, ENGINE) for each in found)


def experiments() -> list[Experiment]:
    """Return the committed experiments by name."""
    topologies = Checkout(root=ROOT, settings={}).topologies()
    return [load_experiment(path.relative_to(ROOT), topologies) for path in sorted(EXPERIMENTS.glob("*.toml"))]


def report_of(experiment: Experiment) -> Report | None:
    """Return what the experiment's record says; None while there is no record of this engine."""
    directory = target_of(experiment)
    return conclude(*load_all(directory)) if current(directory) else None


def missing(directory: Path) -> str:
    """Say why there is no record to be quoted."""
    return WITHDRAWN if parts_of(directory) else UNMEASURED


def overview() -> Iterator[str]:
    """One row an experiment: what is claimed, what was expected before, what was found."""
    yield "| experiment | claim | expected | outcome |"
    yield "| --- | --- | --- | --- |"
    for experiment in experiments():
        report = report_of(experiment)
        file = f"[{experiment.name}](../{experiment.path})"
        claim = f"{experiment.claim} ([source]({experiment.source}))"
        found = outcome(report) if report else missing(target_of(experiment))
        yield f"| {file} | {claim} | {expected(experiment)} | {found} |"


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
    experiment, verdict = report.experiment, report.verdict
    judged = dict(judged_ratios(report)).get(experiment.expectation.variant)
    said = f"{judged[0]}, {judged[1]}" if judged else verdict.because
    runs = len(report.results)
    size = f"{runs} runs, {report.rounds} rounds" if runs > 1 else f"one run, {report.rounds} rounds"
    how = f"{size}, {facts.date(report.result)}, engine {report.result.engine}"
    return f"**{verdict.word}**: {said} ({how}, [report](runs/{experiment.name}/{REPORT}))"


def judged_ratios(report: Report) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each variant but the first, and how it compares with that in the judged measure: in words, and how far.

    None of a run in which that measure may not be used.
    """
    row, experiment = report.judged, report.experiment
    if row is None or not report.valid:
        return
    for variant in experiment.variants[1:]:
        ratio = row.ratios.get(variant.name)
        if ratio:
            shown = line(row, experiment.baseline.name, variant.name, report.verdict.invalid)
            said = words(row.measure, ratio, row.noise_floor)
            yield variant.name, (said, f"{shown.difference} {shown.unit}".rstrip())


def variants() -> Iterator[str]:
    """One row a variant: how it compares with the first of its experiment in the measure that was judged."""
    yield "| experiment | measure | variant | compared with | difference [95%] | outcome |"
    yield "| --- | --- | --- | --- | ---: | --- |"
    for experiment in experiments():
        report = report_of(experiment)
        title, base = named(experiment.expectation.measure).title, experiment.baseline.name
        if report is None:
            yield f"| {experiment.name} | {title} | – | `{base}` | – | {missing(target_of(experiment))} |"
        for name, (said, apart) in judged_ratios(report) if report else ():
            yield f"| {experiment.name} | {title} | `{name}` | `{base}` | {apart} | {said} |"


def bench() -> Iterator[str]:
    """What the first experiment has found, in a picture and a sentence."""
    directory = RECORDS / "ignore_result"
    if not current(directory):
        yield f"({missing(directory)})"
        return
    place = Path("docs") / "runs" / directory.name  # as seen from the README
    yield f"![What ignoring results changes: every ratio with its interval, and each round]({place / PICTURE})"
    yield ""
    yield next(each for each in (directory / REPORT).read_text().splitlines() if each.startswith("> "))
    yield ""
    yield f"With the verdict, every cost and the noise: [the report]({place / REPORT})."


def known() -> Iterator[str]:
    """What was found of the differences that are known."""
    records = [path for path in TRUTH.glob("*/") if parts_of(path)]
    if records and all(map(current, records)):
        yield from truth.table(TRUTH)
    else:
        yield WITHDRAWN if records or parts_of(TRUTH) else UNMEASURED


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
    """Return the last run or series of each committed experiment here; run directories begin with the time."""
    found = []
    for experiment in experiments():
        runs = [run for run in sorted((ROOT / "runs").glob(f"*-{experiment.name}-??????")) if parts_of(run)]
        found += runs[-1:]
    return [str(run) for run in found]


def problems_of(run: Path) -> list[str]:
    """Return why the result of `run` cannot be read."""
    try:
        load_all(run)
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

"""`rig run FILE…`: put experiments to the test, one after the other; `rig run --resume RUN`: continue one."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rig.commands.list import find
from rig.errors import STACK_FAILED, BadInput, StackError
from rig.experiment import attempts, ci, series
from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import Experiment
from rig.experiment.launch import resume
from rig.experiment.result import Result, load
from rig.report.table import as_text
from rig.report.write import PAGE, write_report
from rig.stack.paths import Checkout, checkout

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended
GRAVITY = (0, 1, 3, STACK_FAILED, 2, INTERRUPTED)  # exit codes: of several the last in this order is the command's


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one experiment: its line in the last table, and its exit code."""

    name: str
    word: str
    because: str
    code: int


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "run",
        help="run experiments and say what was found",
        description="Runs experiments, one after the other, in containers of their own, and writes runs/<id>/. "
        "Exit codes: 0 as expected, 1 not, 2 bad input, 3 the run is invalid, 4 Docker or the machine failed, "
        "130 interrupted; of several the gravest.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="such as loadtests/experiments/broker.toml")
    parser.add_argument("--resume", metavar="RUN", help="continue this run (its directory, or a part of its name)")
    parser.add_argument("--rounds", type=int, help="instead of what the file says; at least 2")
    parser.add_argument("--runs", type=int, metavar="N", help="independent runs, each with a stack of its own (1)")
    sweep = "at each of several settings: concurrency=2,4,8, prefetch=4,16"
    parser.add_argument("--sweep", action="append", metavar="NAME=N,N", help=sweep)
    parser.add_argument("--seed", type=int, help="of the order of turns and the arrivals; drawn and printed if absent")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where run directories go (default: runs/)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run them and print the table of each; the gravest exit code."""
    ours = checkout()
    if arguments.resume is not None:
        _refuse_with_resume(arguments)
        directory = find(arguments.resume)
        again = _now(load(directory), ours)
        return _said(lambda: (directory, [resume(directory, again, ours)]), directory.name, "", ours).code
    experiments = _experiments(arguments, ours)
    outcomes: list[Outcome] = []
    for experiment in experiments:
        seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
        label = f"{experiment.name}: " if len(experiments) > 1 else ""
        into = arguments.into or ours.root / "runs"
        doing = _launching(experiment, ours, into, seed, arguments.runs or 1)
        outcomes.append(_said(doing, experiment.name, label, ours))
        if outcomes[-1].code == INTERRUPTED:
            break
    if len(experiments) > 1:
        lines = [[each.name, each.word, each.because] for each in outcomes]
        print("\n" + as_text(["experiment", "verdict", "because"], lines))
    return max((each.code for each in outcomes), key=GRAVITY.index)


Doing = Callable[[], tuple[Path, list[Result]]]


def _launching(experiment: Experiment, ours: Checkout, runs: Path, seed: int, count: int) -> Doing:
    return lambda: series.independent(experiment, ours, runs, seed, count)


def _refuse_with_resume(arguments: argparse.Namespace) -> None:
    names = ("files", "rounds", "runs", "sweep", "seed", "into")
    given = [name for name in names if getattr(arguments, name) not in (None, [])]
    if given:
        raise BadInput([f"--resume goes on as the run began: leave out {', '.join(given)}"])


def _now(seen: Result, ours: Checkout) -> Experiment | None:
    """Return what a run's experiment file says now; None where it is gone."""
    path = seen.experiment.path
    return load_experiment(path, ours.topologies()) if path.exists() else None


def _experiments(arguments: argparse.Namespace, ours: Checkout) -> list[Experiment]:
    """Read every file before anything is started. BadInput with all that is wrong with any of them."""
    experiments: list[Experiment] = []
    problems: list[str] = []
    if not arguments.files:
        problems.append("rig run needs an experiment: rig run loadtests/experiments/*.toml")
    for path in arguments.files:
        try:
            found = load_experiment(path, ours.topologies())
            settings = series.parse_sweep(arguments.sweep) if arguments.sweep else []
            experiments += series.swept(found, settings) if settings else [found]
        except BadInput as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if arguments.rounds is not None and arguments.rounds < 2:
        problems.append(f"--rounds {arguments.rounds}: an interval needs at least 2")
    if arguments.runs is not None and arguments.runs < 1:
        problems.append(f"--runs {arguments.runs}: at least 1")
    if problems:
        raise BadInput(problems)
    return [replace(each, rounds=arguments.rounds or each.rounds) for each in experiments]


def _said(doing: Doing, name: str, label: str, ours: Checkout) -> Outcome:
    """Do it and print what was found. What keeps one experiment from running does not keep the next."""
    try:
        directory, results = doing()
    except (BadInput, StackError) as error:
        problems = error.problems if isinstance(error, BadInput) else [str(error)]
        for problem in problems:
            print(f"error: {label}{problem}", file=sys.stderr)
        code = 2 if isinstance(error, BadInput) else STACK_FAILED
        return Outcome(name=name, word="did not run", because=problems[0].partition("\n")[0], code=code)
    except KeyboardInterrupt:
        return Outcome(name=name, word="interrupted", because="before anything was measured", code=INTERRUPTED)
    report = write_report(directory)
    ci.write(directory, results, report.rows, report.verdict)
    attempts.note(ours.root, report.experiment, directory.name, report.verdict.word)
    print(f"\n{report.summary}\n")
    ended = next((result.interrupted for result in results if result.interrupted), "")
    kept = ", ".join(path.name for path in sorted(directory.iterdir()) if not path.name.startswith("."))
    print(f"kept in {directory}: {kept}" if ended else f"report: {directory / PAGE}")
    code = INTERRUPTED if ended in ("Ctrl-C", "SIGTERM") else STACK_FAILED if ended else report.verdict.exit_code
    return Outcome(name=name, word=report.verdict.word, because=report.verdict.because, code=code)

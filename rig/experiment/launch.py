"""From an experiment, or from a run that was interrupted, to a finished run directory, whatever happens."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rig.errors import BadInput, StackError
from rig.experiment import attempts, distributions, result, sessions
from rig.experiment.file.spec import Experiment
from rig.experiment.plan import schedule
from rig.experiment.progress import Progress
from rig.experiment.result import Result
from rig.experiment.run import RATE_TURNS, Run
from rig.experiment.search import PROBES
from rig.experiment.turn import NUMBERS_A_TURN
from rig.ledger import parquet
from rig.load.ids import MAX_TURN
from rig.stack.paths import Checkout
from rig.stack.start import say
from rig.testbed import interrupts, leftovers
from rig.testbed.cells import cells_of

PROJECT = "celery-rig-bench"
PARAMS, TASKS, ENVIRONMENT = "params.json", "tasks.parquet", "environment.json"


def launch(
    experiment: Experiment, checkout: Checkout, runs: Path, seed: int, name: str = ""
) -> tuple[Path, Result]:
    """Run `experiment`; the new directory below `runs`, called `name` if given, and what is in its result.json.

    Ctrl-C, SIGTERM and a stack that fails in mid-run end the run early: its result then says so. Raises BadInput
    (nothing was started, nothing is kept) and StackError (the stack did not come up; its logs are kept).
    """
    run_id = new_id(experiment)
    cells = {name: variant.name for name, variant in experiment.cells.items()}
    orders = schedule(list(cells), experiment.rounds, seed)
    tries = attempts.earlier(checkout.root, experiment)
    fresh = Result(run=run_id, experiment=experiment, cells=cells, seed=seed, orders=orders, tries=tries)
    _room(fresh, 0)
    directory = runs.resolve() / (name or run_id)
    directory.mkdir(parents=True)
    with _held(checkout, fresh, directory):
        params = {"run": run_id, "seed": seed, "orders": orders, "experiment": asdict(experiment)}
        _write(directory / PARAMS, params)
        named = f"{len(cells) - 1} variants and a control"
        say(f"{experiment.name}: {named}, {experiment.rounds} rounds, seed {seed}, into {directory}")
        return directory, _finish(_run(checkout, fresh, directory), give_up=lambda: shutil.rmtree(directory))


def resume(directory: Path, experiment: Experiment | None, checkout: Checkout) -> Result:
    """Continue the run in `directory` with the rounds that are missing; what is in its result.json then.

    `experiment` is what its file says now, None where the file is gone. Raises as `launch` does.
    """
    seen = result.load(directory)
    with _held(checkout, seen, directory):
        _refuse(seen, experiment)
        again = sessions.close_session(seen, directory)
        result.save(again, directory)
        before = again.earlier[-1]
        run = _run(checkout, again, directory)
        _room(again, run.turns_begun)
        say(f"{seen.run}: continued after {before.rounds} of {seen.experiment.rounds} rounds ({before.ended})")
        return _finish(run, give_up=lambda: None)


def new_id(experiment: Experiment) -> str:
    """Return a name for a run, or for several that belong together: the time first, so that names sort."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{experiment.name}-{secrets.token_hex(3)}"


@contextmanager
def _held(checkout: Checkout, of: Result, directory: Path) -> Iterator[None]:
    for line in leftovers.remove(checkout.root):
        say(line)
    with leftovers.held(checkout.root, _project(of), directory):
        yield


def _project(of: Result) -> str:
    return f"{PROJECT}-{of.run.rpartition('-')[2]}"


def _refuse(seen: Result, experiment: Experiment | None) -> None:
    """Raise BadInput where there is nothing to continue, or it would be another experiment."""
    if seen.stopped or len(seen.all_rounds) == len(seen.orders):
        raise BadInput([f"{seen.run}: none of its rounds is missing"])
    if experiment is None:
        raise BadInput(
            [f"{seen.run}: {seen.experiment.path} is gone: a run is continued by the file that it began with"]
        )
    if _plain(replace(experiment, rounds=seen.experiment.rounds, path=seen.experiment.path)) != _plain(seen.experiment):
        raise BadInput([f"{seen.run}: {experiment.path} says something else by now: begin a new run"])


def _plain(experiment: Experiment) -> str:
    return json.dumps(asdict(experiment), sort_keys=True, default=str)


def _run(checkout: Checkout, of: Result, directory: Path) -> Run:
    cells = cells_of(of.experiment.cells, directory / sessions.LEDGER, checkout.topologies())
    missing = of.experiment.rounds - len(of.whole_rounds)
    # A session that was killed may have used numbers that are in no file: those of one round.
    begun = max((turn.number for turn in of.turns), default=-1) + 1 + _numbers(of) * bool(of.earlier)
    return Run(
        checkout=checkout, directory=directory, project=_project(of), cells=cells, result=of, turns_begun=begun,
        progress=Progress(missing, _round_s(of.experiment, len(cells)), start_s=START_S, end_s=END_S),
    )  # fmt: skip


RESTART_S, TURN_S = 12.0, 4.0  # what a round takes on two cores: new processes; a turn besides its paced load
START_S, END_S = 55.0, 15.0  # a stack, its warm-up and its idle costs; those again, and the account


def _round_s(experiment: Experiment, cells: int) -> float:
    """Return how long a round will take, roughly: for the first estimate."""
    return RESTART_S + cells * (TURN_S + experiment.load.run_in + experiment.load.seconds)


def _numbers(of: Result) -> int:
    """Return how many turn numbers a round may use at most: the probes of a search have numbers, too."""
    return len(of.cells) * (1 + (PROBES if of.experiment.load.goal else 0))


def _room(of: Result, begun: int) -> None:
    asked = of.experiment.rounds
    rounds = asked + max(1, asked // 4) - len(of.whole_rounds) + RATE_TURNS  # those taken again, and the warm-up
    if (begun + rounds * _numbers(of)) * NUMBERS_A_TURN > MAX_TURN:
        raise BadInput([f"{of.experiment.path}: {of.experiment.rounds} rounds are more than task ids have room for"])


def _finish(run: Run, give_up: Callable[[], None]) -> Result:
    interrupted = ""
    try:
        with interrupts.as_exceptions():
            run.execute()
    except BadInput:
        give_up()
        raise
    except KeyboardInterrupt as ending:
        interrupted = "SIGTERM" if isinstance(ending, interrupts.Terminated) else "Ctrl-C"
    except StackError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        interrupted = " … ".join(dict.fromkeys([lines[0], lines[-1]]))
        if not run.result.turns:
            result.save(replace(run.result, interrupted=interrupted), run.directory)  # `rig list` says why
            raise
    finished = replace(run.result, interrupted=interrupted)
    result.save(finished, run.directory)
    if finished.environment:
        _write(run.directory / ENVIRONMENT, finished.environment)
    with interrupts.ignored():
        _write_tasks(finished, run.directory)
    return finished


def _write_tasks(finished: Result, directory: Path) -> None:
    """Write a row for each task of every cell, for questions of one's own (docs/tasks.md), and the report's shapes."""
    ledgers = sessions.ledgers(finished, directory)
    try:
        parquet.write(ledgers, directory / TASKS)
        distributions.save(distributions.shapes_of(finished, ledgers, directory), directory)
    except OSError as error:
        say(f"{directory / TASKS} could not be written: {error}")


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, default=str) + "\n")

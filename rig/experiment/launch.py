"""From an experiment to a finished run directory, whatever happens on the way."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rig.errors import BadInput, StackError
from rig.experiment import interrupts, result
from rig.experiment.cells import cells_of
from rig.experiment.plan import schedule
from rig.experiment.progress import Progress
from rig.experiment.record import NUMBERS_A_TURN
from rig.experiment.result import Result
from rig.experiment.run import Run
from rig.experiment.spec import Experiment
from rig.ledger import parquet
from rig.ledger.reader import read_ledger
from rig.load.ids import MAX_TURN
from rig.stack.paths import Checkout
from rig.stack.start import say

PROJECT = "celery-rig-bench"


def launch(experiment: Experiment, checkout: Checkout, runs: Path, seed: int) -> tuple[Path, Result]:
    """Run `experiment`; the new directory below `runs`, and what is in its result.json.

    Ctrl-C, SIGTERM and a stack that fails in mid-run end the run early: its result then says so. Raises BadInput
    (nothing was started, nothing is kept) and StackError (the stack did not come up; its logs are kept).
    """
    cells = cells_of(experiment, Path())
    if 2 * (experiment.rounds + 1) * len(cells) * NUMBERS_A_TURN > MAX_TURN:  # twice: turns may be taken again
        raise BadInput([f"{experiment.path}: {experiment.rounds} rounds are more than task ids have room for"])
    mark = secrets.token_hex(3)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{experiment.name}-{mark}"
    directory = runs.resolve() / name
    directory.mkdir(parents=True)
    cells = cells_of(experiment, directory / "ledger")
    orders = schedule([cell.name for cell in cells], experiment.rounds, seed)
    run = Run(
        checkout=checkout, directory=directory, project=f"{PROJECT}-{mark}", cells=cells,
        progress=Progress((experiment.rounds + 1) * len(cells)),
        result=Result(
            run=name, experiment=experiment, cells={cell.name: cell.variant.name for cell in cells}, seed=seed,
            orders=orders,
        ),
    )  # fmt: skip
    _write(directory / "params.json", {"run": name, "seed": seed, "orders": orders, "experiment": asdict(experiment)})
    say(f"{experiment.name}: {len(cells)} cells, {experiment.rounds} rounds, seed {seed}, into {directory}")
    return directory, _finish(run)


def _finish(run: Run) -> Result:
    interrupted = ""
    try:
        with interrupts.as_exceptions():
            run.execute()
    except BadInput:
        shutil.rmtree(run.directory)
        raise
    except KeyboardInterrupt as ending:
        interrupted = "SIGTERM" if isinstance(ending, interrupts.Terminated) else "Ctrl-C"
    except StackError as error:
        if not run.result.turns:
            raise
        lines = [line.strip() for line in str(error).splitlines()]
        interrupted = " … ".join(dict.fromkeys([lines[0], lines[-1]]))
    finished = replace(run.result, interrupted=interrupted)
    result.save(finished, run.directory)
    if finished.environment:
        _write(run.directory / "environment.json", finished.environment)
    with interrupts.ignored():
        _write_tasks(run)
    return finished


def _write_tasks(run: Run) -> None:
    """Write a row for each task of every cell: for questions of one's own (docs/tasks.md)."""
    path = run.directory / "tasks.parquet"
    try:
        parquet.write({cell.name: read_ledger(cell.ledger) for cell in run.cells}, path)
    except OSError as error:
        say(f"{path} could not be written: {error}")


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, default=str) + "\n")

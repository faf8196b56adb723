"""Several runs that belong together: independent runs of one experiment, or one run for each setting of a sweep.

Each run has a stack of its own from first to last: another broker, another boot of it, other moments of the machine.
What differs between such runs is in no spread of one run's rounds, so a headline rests on two of them or more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.file.spec import Experiment
from rig.experiment.launch import launch, new_id
from rig.experiment.result import SERIES, Result
from rig.stack.paths import Checkout
from rig.stack.start import say
from rig.testbed.variant import Variant, WorkerSpec

CONCURRENCY, PREFETCH = "concurrency", "prefetch"
SWEPT = (CONCURRENCY, PREFETCH)
_OPTION = re.compile(r"(--concurrency[= ])\d+")
_SETTING = "worker_prefetch_multiplier"

Setting = Mapping[str, int]


def independent(
    experiment: Experiment, checkout: Checkout, runs: Path, seed: int, count: int
) -> tuple[Path, list[Result]]:
    """Run `experiment` `count` times; the series' directory below `runs`, and the results. Raises as `launch` does.

    A run that is interrupted ends the series.
    """
    if count == 1:
        directory, one = launch(experiment, checkout, runs, seed)
        return directory, [one]
    directory = runs.resolve() / new_id(experiment)
    results: list[Result] = []
    for number in range(1, count + 1):
        say(f"run {number} of {count}")
        results += launch(experiment, checkout, directory, seed + number - 1, f"{SERIES}{number}")[1:]
        if results[-1].interrupted:
            break
    return directory, results


def parse_sweep(texts: Sequence[str]) -> list[Setting]:
    """Return every combination of what `--sweep concurrency=2,4 --sweep prefetch=4,16` names; BadInput."""
    axes: dict[str, list[int]] = {}
    problems = []
    for text in texts:
        name, _, values = text.partition("=")
        if name not in SWEPT:
            problems.append(f"--sweep {text}: one of {', '.join(SWEPT)} is needed before the =")
        elif not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", values):
            problems.append(f"--sweep {text}: whole numbers above 0 are needed, as in {name}=2,4,8")
        else:
            axes[name] = list(map(int, values.split(",")))
    if problems:
        raise BadInput(problems)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def swept(experiment: Experiment, settings: Sequence[Setting]) -> Iterator[Experiment]:
    """Yield `experiment` at each of `settings`, its name saying which. BadInput where a worker has no such option."""
    for setting in settings:
        suffix = "-".join(f"{name}{value}" for name, value in setting.items())
        variants = tuple(_variant(variant, setting, experiment.path) for variant in experiment.variants)
        yield replace(experiment, name=f"{experiment.name}-{suffix}", variants=variants)


def _variant(variant: Variant, setting: Setting, path: Path) -> Variant:
    workers, settings = variant.workers, dict(variant.settings)
    if CONCURRENCY in setting:
        workers = tuple(_worker(worker, setting[CONCURRENCY], path) for worker in workers)
    if PREFETCH in setting:
        settings[_SETTING] = setting[PREFETCH]
    return replace(variant, workers=workers, settings=settings)


def _worker(worker: WorkerSpec, concurrency: int, path: Path) -> WorkerSpec:
    command, found = _OPTION.subn(rf"\g<1>{concurrency}", worker.worker)
    if not found:
        raise BadInput([f"{path}: --sweep concurrency needs --concurrency in the worker {worker.worker!r}"])
    return replace(worker, worker=command)

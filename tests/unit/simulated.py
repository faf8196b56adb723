"""Experiments that never were, on a machine that drifts: what their turns measured, by the engine's own schedule.

Made up is the truth, not the size of the noise: `NOISE` is what the records of real runs show between two cells of the
same variant, and test_stats_simulated.py compares it with those of the current engine.
"""

from __future__ import annotations

import json
import math
import statistics
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig import stats
from rig.experiment.file.spec import CONTROL, Experiment
from rig.experiment.judge.cautions import FEW_ROUNDS
from rig.experiment.judge.ratios import judged_logs
from rig.experiment.plan import may_stop, schedule
from rig.experiment.result import FILE, Result, load
from rig.experiment.turn import ENGINE

Logs = npt.NDArray[np.float64]

ROUNDS: int = Experiment.__dataclass_fields__["rounds"].default
CELLS = ("base", CONTROL, "variant")  # two of the same variant, which are the baseline, and one to compare with it

# Standard deviation, from round to round, of the logarithm of the ratio of two cells of the same variant: of no-ops,
# but for the share of short tasks that wait, which is of loads with long tasks among them.
NOISE = {
    "execution_rate": 0.08, "worker_cpu": 0.06, "worker_cpu_batch": 0.042, "publisher_cpu": 0.06, "total_cpu": 0.055,
    "p50": 0.09, "p95": 0.2, "waiting.short": 0.4,
}  # fmt: skip
DRIFT = 0.2  # standard deviation of how far the machine drifts in a straight line from the first turn to the last
WALK = 0.005  # of one step of its random walk, from turn to turn
BETWEEN_RUNS = 0.04  # of the logarithm of what one run's broker, boot and neighbours make of the true ratio

EXPERIMENTS = 24000
SCHEDULES = 500  # are drawn, and used in turn
SEED = 20261128


def measured(noise: float, *, steady: bool = False) -> Logs:
    """Return the logarithms of what the turns of experiments without any effect measured.

    Shape (EXPERIMENTS, ROUNDS, cells as in CELLS). `noise` is that of the ratio of two cells. Student's t with 3
    degrees of freedom, a drift and a random walk; or `steady`, normal noise alone: for an early stop the hardest case,
    since nothing there makes an interval wider than it need be.
    """
    machine, turns = _steady() if steady else _drifting()
    return machine + noise / math.sqrt(2) * turns


@cache
def _steady() -> tuple[Logs, Logs]:
    normal = np.random.default_rng(SEED).normal(size=(EXPERIMENTS, ROUNDS, len(CELLS)))
    return np.zeros(1), normal


@cache
def _drifting() -> tuple[Logs, Logs]:
    """Return what the machine does in each turn, and the turns' own noise, of variance 1."""
    rng = np.random.default_rng(SEED)
    count = ROUNDS * len(CELLS)
    line = rng.normal(0, DRIFT, (EXPERIMENTS, 1)) * np.linspace(0, 1, count)
    walk = np.cumsum(rng.normal(0, WALK, (EXPERIMENTS, count)), axis=1)
    places = _places()[np.arange(EXPERIMENTS) % SCHEDULES]
    machine = np.take_along_axis((line + walk).reshape(EXPERIMENTS, ROUNDS, len(CELLS)), places, axis=2)
    return machine, rng.standard_t(3, machine.shape) / math.sqrt(3)


def _places() -> npt.NDArray[np.int64]:
    """Return at which place of its round each cell had its turn: shape (SCHEDULES, ROUNDS, cells)."""
    orders = [schedule(CELLS, ROUNDS, seed) for seed in range(SCHEDULES)]
    return np.array([[[order.index(cell) for cell in CELLS] for order in each] for each in orders])


def ratios(logs: Logs) -> Logs:
    """Return the log-ratio of the variant to both baseline cells: shape (experiments, rounds)."""
    return logs[:, :, 2] - (logs[:, :, 0] + logs[:, :, 1]) / 2


def controls(logs: Logs) -> Logs:
    """Return the A/A log-ratio: shape (experiments, rounds)."""
    return logs[:, :, 1] - logs[:, :, 0]


def intervals(pairs: Logs, rounds: int = ROUNDS, confidence: float = stats.CONFIDENCE) -> tuple[Logs, Logs]:
    """Return mean and half-width of each experiment's interval after `rounds`, on the log scale."""
    chosen = pairs[:, :rounds]
    asked = stats.t_quantile(0.5 + confidence / 2, rounds - 1)
    return chosen.mean(axis=1), asked * chosen.std(axis=1, ddof=1) / math.sqrt(rounds)


def stopped(pairs: Logs, percent: float, confidence: float) -> tuple[Logs, Logs]:
    """Return the same for runs that stop as soon as their interval is narrow enough, as the engine does."""
    mean, half = intervals(pairs, ROUNDS, confidence)
    for rounds in reversed([rounds for rounds in range(ROUNDS) if may_stop(rounds)]):
        early_mean, early_half = intervals(pairs, rounds, confidence)
        narrow = early_half <= math.log1p(percent / 100)
        mean, half = np.where(narrow, early_mean, mean), np.where(narrow, early_half, half)
    return mean, half


def needed(logs: Logs, rounds: int) -> Logs:
    """Return for each experiment the log of the smallest effect, upwards, that its table would have printed as one.

    The interval must be clear of 1, and the ratio larger than what the control's interval allows two equal cells to
    differ by.
    """
    mean, half = intervals(ratios(logs), rounds)
    control, control_half = intervals(controls(logs), rounds)
    return np.maximum(half, np.abs(control) + control_half) - mean


def smallest_found(measure: str, rounds: int, share: float = 0.9) -> float:
    """Return the true effect, in percent, that is printed as one in `share` of the experiments of so many rounds."""
    return 100 * math.expm1(float(np.quantile(needed(measured(NOISE[measure]), rounds), share)))


# The beginning of a load against its rest, in the same logarithms: standard deviation from round to round.
START_NOISE = {"paced_start": 0.2, "drain_start": 0.05}


def beginnings(kind: str, noise: float, rounds: int) -> Logs:
    """Return log(beginning / rest) of many cells of so many rounds in which both are the same: shape (20000, rounds).

    `kind` of noise: "heavy" (Student's t with 3 degrees of freedom), "normal" or "skewed" (exponential).
    """
    rng = np.random.default_rng(SEED)
    shape = (20000, rounds)
    drawn = {
        "heavy": lambda: rng.standard_t(3, shape) / math.sqrt(3), "normal": lambda: rng.normal(size=shape),
        "skewed": lambda: rng.exponential(size=shape) - 1,
    }  # fmt: skip
    return noise * drawn[kind]()


def alarms(logs: Logs) -> float:
    """Return the share of cells of which `stats.unsteady` says that the beginning is not like the rest."""
    mean, half = intervals(logs, logs.shape[1], stats.UNSTEADY_CONFIDENCE)
    return float((np.abs(mean) - half > math.log(stats.UNSTEADY)).mean())


RECORDS = Path(__file__).parents[2] / "docs" / "runs"
ENOUGH = 3  # runs on record, before anything is compared with them
MIXED = "waiting.short"  # of loads with long and short tasks; every other measure is of those that do nothing


def records() -> list[Result]:
    """Return the runs on record that the current engine has measured."""
    directories = {path.parent for path in RECORDS.glob(f"**/{FILE}") if _is_of_this_engine(path)}
    return [load(directory) for directory in sorted(directories)]


def _is_of_this_engine(path: Path) -> bool:
    return bool(json.loads(path.read_text()).get("engine") == ENGINE)


def recorded(measure: str) -> list[float]:
    """Return the standard deviation of the A/A log-ratio over the rounds of each record that has the measure."""
    chosen = [each for each in records() if measure == MIXED or _does_nothing(each)]
    logs = [judged_logs(each, measure, CONTROL) for each in chosen]
    return [statistics.stdev(each) for each in logs if len(each) >= FEW_ROUNDS]


def recorded_starts(name: str) -> list[float]:
    """Return the standard deviation of an entry of `Turn.values` over the rounds of each cell on record."""
    columns = [values for each in records() for values in each.by_cell(name).values()]
    return [statistics.stdev(values) for values in columns if len(values) >= FEW_ROUNDS]


def _does_nothing(result: Result) -> bool:
    return {kind.task for kind in result.experiment.load.kinds} == {"app.noop"}

"""The search for the highest rate that meets a goal: the bisection by simulated queues, the judging of a probe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.experiment.file.spec import Goal
from rig.experiment.measure import NO_WINDOW, Window
from rig.experiment.search import PROBES, highest, meets
from rig.experiment.turn import PACED, post_number
from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import Tasks, build
from rig.ledger.writer import Writer
from rig.load.ids import task_ids

MS = 1_000_000
TURN = 7
CAPACITY = 1000.0  # tasks/s of the simulated worker


@given(limit=st.floats(1, 1e4), low=st.floats(1, 1e3), ratio=st.floats(1.5, 100))
def test_a_bounded_number_of_probes_closes_in_on_the_limit(limit: float, low: float, ratio: float) -> None:
    tried: list[float] = []

    def probe(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    high = low * ratio
    found = highest(probe, low, high)
    assert len(tried) == PROBES
    assert found == max((rate for rate in tried if rate <= limit), default=0)
    reach = ratio ** (1 / 2**PROBES) * (1 + 1e-9)  # what the bisection leaves between passed and failed
    if low * reach <= limit <= high / reach:
        assert limit / reach <= found <= limit
    elif limit < min(tried):
        assert found == 0


def simulated(directory: Path, rate: float, seconds: float, *, late_ns: int = 0) -> Tasks:
    """Poisson arrivals at one worker of `CAPACITY` that takes the same time for each task."""
    directory.mkdir(exist_ok=True)
    rng = np.random.default_rng(int(rate))
    planned = (1e9 * np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))).astype(np.int64) + 1_000 * MS
    service, free = int(1e9 / CAPACITY), 0
    generator, worker = Writer(directory, "generator"), Writer(directory, "worker")
    make = task_ids("abcdef01", post_number(TURN, PACED), 0)
    send, run = generator.kind("app.noop", "bench.a"), worker.kind("app.noop", "bench.a")
    for at in planned.tolist():
        task_id = make()
        words, base = generator.claim_send(task_id, send)
        words[base + layout.PLANNED] = at
        words[base + layout.SENT] = at + late_ns
        words[base + layout.PUBLISHED] = at + late_ns + 1
        free = max(free, at + late_ns) + service
        words, base = worker.claim_run(task_id, run)
        words[base + layout.STARTED] = free - service
        words[base + layout.FINISHED] = free
        words[base + layout.OUTCOME] = layout.OUTCOME_CODE["succeeded"]
    generator.close()
    worker.close()
    return build(read_ledger(directory))


def test_a_simulated_worker_is_found_to_sustain_what_queueing_theory_says(tmp_path: Path) -> None:
    """M/D/1 queues wait load / (2 - 2 load) services on average (Pollaczek-Khinchine): 0.75 ms at 60%, 9.5 at 95%."""
    goal, probes = Goal(percentile=95, ms=5), list[float]()

    def probe(rate: float) -> bool:
        probes.append(rate)
        tasks = simulated(tmp_path / str(len(probes)), rate, seconds=4)
        return meets(goal, tasks, post_number(TURN, PACED), NO_WINDOW)

    found = highest(probe, 0.1 * CAPACITY, CAPACITY)
    assert 0.6 * CAPACITY < found < 0.95 * CAPACITY


@pytest.mark.parametrize(
    ("rate", "goal", "met"),
    [
        (500, Goal(percentile=99, ms=10), True),
        (500, Goal(percentile=99, ms=1), False),
        (1500, Goal(percentile=10, ms=100), False),  # the percentile is fine, and the backlog grows
        (3, Goal(percentile=99, ms=100), True),
    ],
)
def test_a_probe_passes_when_the_percentile_holds_and_nothing_is_left(
    tmp_path: Path, rate: float, goal: Goal, met: bool
) -> None:
    assert meets(goal, simulated(tmp_path, rate, seconds=1), post_number(TURN, PACED), NO_WINDOW) is met


def test_a_probe_that_was_not_sent_in_time_fails(tmp_path: Path) -> None:
    directory = tmp_path / "late"
    tasks = simulated(directory, 400, seconds=1, late_ns=100 * MS)
    assert not meets(Goal(percentile=99, ms=1000), tasks, post_number(TURN, PACED), NO_WINDOW)


def test_a_probe_of_which_nothing_was_executed_fails(tmp_path: Path) -> None:
    tasks = simulated(tmp_path, 400, seconds=1)
    assert not meets(Goal(percentile=99, ms=1000), tasks, post_number(TURN + 1, PACED), NO_WINDOW)


def test_the_run_in_of_a_probe_is_not_judged(tmp_path: Path) -> None:
    """A third of a second in which everything was late, and a window that keeps the goal."""
    tasks = simulated(tmp_path / "probe", 400, seconds=1)
    opens = int(tasks.planned.min()) + 330 * MS
    slow = np.where(tasks.planned < opens, 300 * MS, 0)
    late = replace(tasks, sent=tasks.sent + slow, finished=tasks.finished + slow)
    goal, post = Goal(percentile=99, ms=20), post_number(TURN, PACED)
    assert meets(goal, tasks, post, NO_WINDOW)
    assert not meets(goal, late, post, NO_WINDOW)
    assert meets(goal, late, post, Window(start_ns=opens, end_ns=opens + 670 * MS))

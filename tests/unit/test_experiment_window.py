"""The paced load: what is of its window, what of its run-in, and what a window must have for a percentile."""

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stamped import LATE, MS, PUBLISHING, Stamped

from rig import stats
from rig.experiment.file.spec import Load
from rig.experiment.measure import BEYOND, Window, paced_values
from rig.experiment.turn import COMPONENTS, PACED, Phase, post_number
from rig.ledger import layout
from rig.load.generator.order import sequence
from rig.testbed.variant import Kind

S = 1000 * MS
TURN = 5
POST = post_number(TURN, PACED)
ONE = Load(kinds=(Kind(task="app.noop"),), wait_ms=20.0)
WINDOW = Window(start_ns=10 * S, end_ns=12 * S)  # of two seconds
PHASE = Phase(
    started_ns=10 * S, ended_ns=12 * S, cpu_ns=dict.fromkeys(COMPONENTS, 0), host_ns=0, stolen_ns=0
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Stamped:
    return Stamped(tmp_path)


def paced(
    ledger: Stamped, planned: list[int], took_ms: list[float], load: Load = ONE, seed: int = 1
) -> dict[str, float]:
    """What the ledger shows of a paced load: planned times in ns, and how long each task took from its own."""
    ids = ledger.send(POST, [at + LATE for at in planned], planned=True)
    ledger.finish(ids, [at + round(took * MS) for at, took in zip(planned, took_ms, strict=True)])
    return paced_values(TURN, ledger.tasks(), load, seed, WINDOW, PHASE)


def spread(count: int, window: Window = WINDOW) -> list[int]:
    """Evenly planned times that fill a window."""
    return [window.start_ns + i * (window.end_ns - window.start_ns) // count for i in range(count)]


def test_percentiles_count_from_the_planned_time(ledger: Stamped) -> None:
    values = paced(ledger, spread(1000), [3 + i / 10 for i in range(1000)])
    assert (values["p50"], values["p95"], values["p99"]) == pytest.approx((52.9, 97.9, 101.9))
    assert values["offered_rate"] == pytest.approx(500, rel=0.01)
    assert values["lag_p99"] == pytest.approx(LATE / MS)
    assert values["publish_ms"] == pytest.approx(PUBLISHING / MS)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(0, 40), after=st.integers(0, 5), slow=st.floats(50, 5000))
def test_the_run_in_is_in_no_percentile_and_in_no_share_that_waits(
    tmp_path_factory: pytest.TempPathFactory, before: int, after: int, slow: float
) -> None:
    """However many tasks are planned outside of the window, and however long those take."""
    inside, took = spread(200), [3 + i % 30 for i in range(200)]
    outside = [WINDOW.start_ns - (i + 1) * MS for i in range(before)] + [WINDOW.end_ns + i * MS for i in range(after)]
    alone = paced(Stamped(tmp_path_factory.mktemp("alone")), inside, took)
    found = paced(Stamped(tmp_path_factory.mktemp("all")), outside + inside, [slow] * len(outside) + took)
    same = ("p50", "p95", "waiting", "publish_ms", "paced_start")
    assert {name: found[name] for name in same} == pytest.approx({name: alone[name] for name in same})


def test_a_window_has_its_first_moment_and_not_its_last(ledger: Stamped) -> None:
    edges = [WINDOW.start_ns - 1, WINDOW.start_ns, WINDOW.end_ns - 1, WINDOW.end_ns]
    values = paced(ledger, edges + spread(18), [900, 1, 1, 900] + [1] * 18)
    assert values["waiting"] == pytest.approx(100 * stats.share(0, 20))


@pytest.mark.parametrize(("count", "there"), [(19, 0), (20, 1), (199, 1), (200, 2), (999, 2), (1000, 3)])
def test_a_percentile_needs_ten_tasks_beyond_it(ledger: Stamped, count: int, there: int) -> None:
    values = paced(ledger, spread(count), [5.0] * count)
    assert [name for name in ("p50", "p95", "p99") if name in values] == ["p50", "p95", "p99"][:there]
    assert BEYOND == 10


@pytest.mark.parametrize("waited", [0, 1, 50, 200])
def test_the_share_that_waits_has_a_logarithm_whatever_was_seen(ledger: Stamped, waited: int) -> None:
    """(k + 1/2) / (n + 1), in percent; a task that takes exactly `wait_ms` has not waited."""
    values = paced(ledger, spread(200), [20.001] * waited + [20.0] * (200 - waited))
    assert values["waiting"] == pytest.approx(100 * (waited + 0.5) / 201)
    assert math.isfinite(math.log(values["waiting"]))


def test_publish_ms_is_of_sends_that_the_broker_confirmed(ledger: Stamped) -> None:
    ids = ledger.send(POST, [at + LATE for at in spread(40)], planned=True)
    ledger.finish(ids, [at + 5 * MS for at in spread(40)])
    words, base = ledger.generator.segment.buffer, 16384
    for row in range(10):  # the first ten lack the stamp
        at = base + row * 128 + 8 * layout.PUBLISHED
        words[at : at + 8] = bytes(8)
    assert paced_values(TURN, ledger.tasks(), ONE, 1, WINDOW, PHASE)["publish_ms"] == pytest.approx(PUBLISHING / MS)


def test_a_beginning_that_takes_longer_shows_and_a_small_one_says_nothing(ledger: Stamped, tmp_path: Path) -> None:
    took = [12.0] * 20 + [3.0] * 180
    assert paced(ledger, spread(200), took)["paced_start"] == pytest.approx(math.log(4))
    (tmp_path / "few").mkdir()
    few = Stamped(tmp_path / "few")
    assert "paced_start" not in paced(few, spread(90), [12.0] * 9 + [3.0] * 81)


def test_paced_tasks_are_those_that_ended_between_the_readings_whenever_they_were_planned(ledger: Stamped) -> None:
    """CPU is divided by them: one of the run-in that ends in the window was paid for in it."""
    planned = [WINDOW.start_ns - 5 * MS, WINDOW.start_ns - 5 * MS, *spread(50)]
    took = [1.0, 8.0, *[3.0] * 49, 9000.0]
    values = paced(ledger, planned, took)
    assert values["paced_tasks"] == 1 + 49


KINDS = (Kind(task="app.noop", name="short", share=0.9), Kind(task="app.noop", name="long", share=0.1))


def test_kinds_follow_the_sequence_that_the_ids_count_from_the_run_in_on(ledger: Stamped) -> None:
    drawn = list(islice(sequence([0.9, 0.1], 7), 1100))
    planned = [WINDOW.start_ns - (100 - i) * MS for i in range(100)] + spread(1000)
    took = [52.0 if kind else 3.0 for kind in drawn]
    values = paced(ledger, planned, took, replace(ONE, kinds=KINDS), seed=7)
    assert (values["p50.short"], values["p95.short"]) == pytest.approx((3, 3))
    assert values["p50.long"] == pytest.approx(52)
    assert "p95.long" not in values  # of a hundred tasks five are beyond it
    assert values["waiting.short"] == pytest.approx(100 * stats.share(0, 900))
    assert values["waiting.long"] == pytest.approx(100 * stats.share(100, 100))
    assert values["waiting"] == pytest.approx(100 * stats.share(100, 1000))


def test_a_kind_of_which_nothing_was_sent_has_no_values(ledger: Stamped) -> None:
    rare = (Kind(task="app.noop", name="short", share=0.999), Kind(task="app.noop", name="rare", share=0.001))
    values = paced(ledger, spread(20), [3.0] * 20, replace(ONE, kinds=rare))
    assert "p50.short" in values
    assert not any(name.endswith(".rare") for name in values)


def test_too_few_executions_are_an_error_and_not_a_number(ledger: Stamped) -> None:
    with pytest.raises(ValueError, match="0 tasks of the paced load finished"):
        paced_values(TURN, ledger.tasks(), ONE, 1, WINDOW, PHASE)

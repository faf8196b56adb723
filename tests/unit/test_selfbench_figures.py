"""What the self-test's raw numbers come to: known differences are found, and limits are kept or missed as they say."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rig.selfbench import record, rows, schedule, sending
from rig.selfbench.estimate import Estimate
from rig.selfbench.figure import Figure, all_ok
from rig.selfbench.hooks import Price
from rig.selfbench.part import all_parts
from rig.selfbench.record import Section
from rig.selfbench.rows import EVENTS, EXPORTER, LEDGER, MULTIPROCESS, NOTHING, ROWS, Turn
from rig.selfbench.schedule import ALONE, SHARED
from rig.selfbench.sending import BARE, LOCUST, Sends

ROUNDS = 12
PRICES = {NOTHING: 1.0, LEDGER: 1.02, EXPORTER: 1.03, EVENTS: 1.8, MULTIPROCESS: 1.2}


def price(share: float) -> Price:
    """Hooks that cost `share` of a task of 100 µs, give or take 0.003, of which segments are 0.001."""
    hooks = Estimate(share=share - 0.001, low=share - 0.004, high=share + 0.002, rounds=90, workers=[])
    control = Estimate(share=0, low=0, high=0, rounds=90, workers=[])
    return Price(bare_us=100, hooks=hooks, control=control, segments_us=0.1)


def turns(prices: dict[str, float], seed: int = 1) -> dict[str, list[Turn]]:
    """Rounds that drift together, with noise; a fiftieth of EXPORTER and half of EVENTS is a watcher."""
    dice = np.random.default_rng(seed)
    drift = 150 * dice.lognormal(0, 0.1, ROUNDS)
    found = {}
    for row in ROWS:
        us = drift * prices[row] * dice.lognormal(0, 0.005, ROUNDS)
        share = {EXPORTER: 0.02, EVENTS: 0.5}.get(row, 0.0)
        found[row] = [
            Turn(tasks_per_second=1e6 / one, worker_us=one * (1 - share), watcher_us=one * share) for one in us
        ]
    return found


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    assert len({figure.name for figure in figures}) == len(figures)
    return {figure.name: figure for figure in figures}


def test_each_row_is_a_ratio_to_the_bare_worker_and_its_watcher_is_part_of_it() -> None:
    found = by_name(rows.figures(turns(PRICES), price(0.02)))
    whole = found[f"{EXPORTER}: all CPU, over the bare one"]
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low < 3.0 < whole.high
    assert whole.value == pytest.approx(3, abs=1)
    assert found[f"{EVENTS}: all CPU, over the bare one"].value == pytest.approx(80, abs=5)
    assert found[f"{EVENTS}: Flower"].value == pytest.approx(found[f"{EVENTS}: worker"].value)
    assert found[f"{EXPORTER}: exporter"].value == pytest.approx(found[f"{EXPORTER}: worker"].value / 49)
    assert found[f"{LEDGER}: rate, of the bare one"].value == pytest.approx(1 / 1.02, rel=0.01)
    assert all_ok(list(found.values()))


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({EXPORTER: 1.07}, [f"{EXPORTER}: all CPU, over the bare one"]),
        ({EVENTS: 1.0}, [f"({ours}) / ({EVENTS}), all CPU" for ours in (LEDGER, EXPORTER)]),
        ({MULTIPROCESS: 1.02}, [f"({ours}) / ({MULTIPROCESS}), all CPU" for ours in (LEDGER, EXPORTER)]),
        ({NOTHING: 1.1}, []),
    ],
)
def test_what_is_too_dear_or_not_clearly_cheaper_is_missed(change: dict[str, float], missed: list[str]) -> None:
    assert [figure.name for figure in rows.figures(turns(PRICES | change), price(0.02)) if not figure.ok] == missed


@pytest.mark.parametrize(("hooks", "ok"), [(0.02, True), (0.028, True), (0.031, False)])
def test_stamps_and_exporter_are_judged_together_from_what_can_tell_them(hooks: float, ok: bool) -> None:
    found = by_name(rows.figures(turns(PRICES | {EXPORTER: 1.1, MULTIPROCESS: 1.3}), price(hooks)))
    exporter, stamps, both = (
        found[name]
        for name in (
            "exporter's CPU, of a bare task", "all stamps, switched inside one worker", "all stamps and the exporter",
        )
    )  # fmt: skip
    assert exporter.value == pytest.approx(100 * 0.02 * 1.1, abs=0.05)
    assert stamps.value == pytest.approx(100 * hooks)
    assert both.value == pytest.approx(exporter.value + stamps.value)
    assert both.low is not None
    assert both.high is not None
    assert both.value - both.low == pytest.approx(0.3, abs=0.02)  # the exporter's share is known better than this
    assert both.high - both.value == pytest.approx(0.3, abs=0.02)
    assert both.ok is ok


def test_cheaper_by_the_point_estimate_alone_is_not_clearly_cheaper() -> None:
    noisy = turns(PRICES | {MULTIPROCESS: 1.032})
    for number, turn in enumerate(noisy[MULTIPROCESS]):
        noisy[MULTIPROCESS][number] = replace(turn, worker_us=turn.worker_us * (1.2 if number % 2 else 1 / 1.19))
    found = by_name(rows.figures(noisy, price(0.02)))[f"({EXPORTER}) / ({MULTIPROCESS}), all CPU"]
    assert found.value < 1
    assert not found.ok


def test_rows_take_every_place_and_the_same_seed_gives_the_same_order() -> None:
    drawn = rows.orders(200, seed=7)
    assert drawn == rows.orders(200, seed=7) != rows.orders(200, seed=8)
    assert all(sorted(order) == sorted(ROWS) for order in drawn)
    assert {order.index(row) for order, row in itertools.product(drawn, ROWS)} == set(range(len(ROWS)))


def sends(rate: float, rounds: int = 10) -> list[Sends]:
    return [Sends(per_second=rate * drift, cpu_us=1e6 / rate / drift) for drift in np.linspace(1, 1.5, rounds)]


@pytest.mark.parametrize(("rate", "ok"), [(951, True), (949, False), (1100, True)])
def test_locust_has_to_send_as_fast_as_a_loop(rate: float, ok: bool) -> None:
    *_, last = sending.figures("no confirms", {LOCUST: sends(rate), BARE: sends(1000)})
    assert last.value == pytest.approx(rate / 1000)
    assert last.ok is ok


def test_rates_are_those_of_the_sends_alone() -> None:
    answer = {"first_sent_ns": 1_000_000_000, "last_published_ns": 3_000_000_000, "sent": 500, "cpu_seconds": 0.25}
    assert sending.of_locust(answer) == Sends(per_second=250, cpu_us=500)
    assert sending.of_loop({"sent": 500, "seconds": 2, "cpu_seconds": 0.25}) == Sends(per_second=250, cpu_us=500)
    assert schedule.capacity_of(answer) == 250


def lags(p99_us: float) -> list[dict[str, float]]:
    return [{"p50": 90 * drift, "p99": p99_us * drift, "max": 9000 * drift} for drift in (0.9, 1.0, 1 / 0.9)]


@pytest.mark.parametrize(
    ("where", "constant_us", "poisson_us", "ok"),
    [
        (ALONE, 990, 990, True),
        (ALONE, 1010, 990, False),
        (ALONE, 990, 1010, False),
        (SHARED, 5000, 9000, True),
    ],
)
def test_a_generator_alone_has_to_keep_its_schedule(
    where: str, constant_us: float, poisson_us: float, ok: bool
) -> None:
    late = {"constant": lags(constant_us), "poisson": lags(poisson_us)}
    found = schedule.figures(where, [4000, 4100, 3900], late, [800, 800, 800])
    assert by_name(found)[f"{where}: poisson, p99"].value == pytest.approx(poisson_us / 1000)
    assert by_name(found)[f"{where}: poisson, p99 of a faultless generator as fast"].value == pytest.approx(0.8)
    assert all_ok(found) is ok


def test_a_faultless_generator_is_late_where_two_sends_are_due_at_once() -> None:
    burst = {"kind": "bursts", "size": 5, "period": 1.0, "seconds": 2.0}
    assert schedule.perfect_p99_us(burst, 1000) == pytest.approx(4000)
    assert schedule.perfect_p99_us(schedule.arrivals("constant", 4000, 1, 0), 4000) == 0
    once = {"kind": "bursts", "period": 1, "size": 5, "seconds": 1.5}
    assert schedule.perfect_p99_us(once, 1000, run_in=1) == schedule.perfect_p99_us(once, 1000) > 0
    early = {"kind": "steps", "steps": [[2000, 0.5], [100, 1]]}
    assert schedule.perfect_p99_us(early, 1000) > schedule.perfect_p99_us(early, 1000, run_in=1.2) == 0


def test_how_a_window_began_is_read_from_the_ledger_without_the_run_in_and_other_turns() -> None:
    """Lags are 1 ms in the run-in, 200 µs in the first tenth of the window and 50 µs after that."""
    at = np.arange(0, 5_000_000_000, 5_000_000)
    lag = np.select([at < 1e9, at < 1.4e9], [1_000_000, 200_000], 50_000)
    own = [f"0badcafe-0002-4000-8000-{number:012x}" for number in range(len(at))]
    other = [text.replace("-0002-", "-0003-") for text in own]
    tasks = SimpleNamespace(
        id=np.array(own + other, "S36"), planned=np.tile(at + 77, 2), sent=np.tile(at + 77, 2) + np.append(lag, lag * 9)
    )
    answer = {"run": "0badcafe", "turn": 2, "start_ns": 77}
    found = schedule.beginning(tasks, answer, 1.0, 4.0)  # type: ignore[arg-type]
    assert found == pytest.approx(np.log(4))


@pytest.mark.parametrize(("ratio", "ok"), [(1.0, True), (1.05, True), (1.5, False), (0.6, False)])
def test_windows_that_begin_otherwise_than_they_go_on_are_missed(ratio: float, ok: bool) -> None:
    logs = [float(np.log(ratio) + step) for step in (-0.02, 0.01, 0.03, -0.01, -0.01)]
    found = by_name(schedule.beginnings(ALONE, {"poisson": logs, "constant": [0.0, 0.01, -0.01, 0.02, 0.0]}))
    poisson = found[f"{ALONE}: poisson, lag at the beginning / rest"]
    assert poisson.value == pytest.approx(ratio, rel=0.01)
    assert (poisson.ok, found[f"{ALONE}: constant, lag at the beginning / rest"].ok) == (ok, True)


def test_schedules_are_at_half_of_the_capacity() -> None:
    assert schedule.arrivals("poisson", 4000, 5, 3) == {"kind": "poisson", "rate": 2000, "seconds": 5, "seed": 3}
    assert schedule.arrivals("constant", 4000, 5, 3) == {"kind": "constant", "rate": 2000, "seconds": 5}


SECTIONS = [
    Section(
        part="one", title="of two", seconds=1.5, raw={"rounds": [1, 2]},
        figures=[
            Figure(name="a", value=1234.5, unit="tasks/s"),
            Figure(name="bb", value=0.984, low=0.97, high=1.004, unit="times", limit="≥ 0.95"),
            Figure(name="c", value=12.3, unit="s", limit="≤ 10 s", ok=False),
        ],
    ),
    Section(part="two", title="of two", seconds=0, raw={}, figures=[], error="it did not come up"),
]  # fmt: skip


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / record.NAME
    record.save(path, SECTIONS, seed=1, quick=False, environment={"cpu": "x"})
    assert record.load(path) == SECTIONS
    assert '"ok": false' in path.read_text()


def test_the_table_shows_value_interval_limit_and_what_was_missed() -> None:
    shown = record.table(SECTIONS).splitlines()
    assert shown[0] == "one: of two"
    assert shown[1].split() == ["a", "1,234", "tasks/s"]
    assert shown[2].split() == ["bb", "0.984", "[0.970,", "1.00]", "times", "≥", "0.95", "ok"]
    assert shown[3].endswith("≤ 10 s  MISSED")
    assert shown[-1] == "  NOT MEASURED: it did not come up"


def test_a_document_gets_the_table_between_its_markers() -> None:
    document = f"before\n{record.BEGIN}\nold\n{record.END}\nafter\n"
    once = record.into(document, SECTIONS)
    assert "old" not in once
    assert "| c | 12.30 | s | ≤ 10 s | MISSED |" in once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert record.into(once, SECTIONS) == once
    with pytest.raises(ValueError, match="no place"):
        record.into("nothing", SECTIONS)


@pytest.mark.parametrize("text", ["{}", '{"parts": [{"figures": []}]}', '{"parts": [{"figures": [{}]}]}', "["])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="no record" if text != "[" else "Expecting value"):
        record.load(tmp_path / "x.json")


def test_every_module_is_a_part() -> None:
    found = all_parts()
    assert {"analysis", "hooks", "publish", "rows", "schedule"} <= set(found)
    assert all(part.TITLE and callable(part.measure) for part in found.values())

"""What is made of a freeze's latencies: counts, percentiles, problems, the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cli import main
from rig.errors import BadInput
from rig.freeze import report
from rig.freeze.measure import RUN_IN_S, _loop
from rig.freeze.record import CLOSED, OPEN, Loop, Record, load, save
from rig.load.ids import run_digits

MICROS = st.integers(0, 20_000_000)
LOOPS = st.lists(st.tuples(MICROS, MICROS), min_size=1, max_size=60)
FINE = {"sent": 15, "confirmed": 15, "executed": 15, "lost": 0, "duplicated": 0, "unexpected": 0}
ENVIRONMENT = {"cpu": "a CPU", "cores": 2, "kernel": "6", "engine": "20", "load before": 0.1}


def loop(rows: list[tuple[int, int]], frozen: tuple[float, float] = (4, 6)) -> Loop:
    at, latency = np.array(rows, np.float64).T / 1e6
    return Loop(at=at, latency=latency, frozen=frozen, failed=0)


def steady(count: int = 10) -> Loop:
    """One request a second, a millisecond each, and those of the freeze until its end."""
    late = {4: 2_000_000, 5: 1_000_000}
    return loop([(second * 1_000_000, late.get(second, 1000)) for second in range(count)])


@pytest.fixture
def record() -> Record:
    loops = {OPEN: steady(), CLOSED: loop([(0, 1000), (1_000_000, 1000), (4_000_000, 2_000_000)])}
    return Record(rate=1, seconds=10, users=10, loops=loops, account=FINE, environment=ENVIRONMENT)


@given(LOOPS, LOOPS)
def test_what_is_saved_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, opened: list[tuple[int, int]], closed: list[tuple[int, int]]
) -> None:
    directory = tmp_path_factory.mktemp("freeze") / "new"
    loops = {OPEN: loop(opened), CLOSED: loop(closed, (4.5, 6.5))}
    kept = Record(rate=500, seconds=10, users=10, loops=loops, account=FINE, environment={"cores": 2},
                  run_in=2, engine=2)  # fmt: skip
    save(kept, directory)
    read = load(directory)
    assert replace(read, loops={}) == replace(kept, loops={})
    for name, each in kept.loops.items():
        assert (read.loops[name].at == each.at).all()
        assert (read.loops[name].latency == each.latency).all()
        assert (read.loops[name].frozen, read.loops[name].failed) == (each.frozen, 0)


@given(LOOPS, st.floats(0.1, 100))
def test_a_percentile_is_a_latency_that_so_many_did_not_exceed(rows: list[tuple[int, int]], percent: float) -> None:
    each = loop(rows)
    value = each.percentile(percent)
    assert value in each.latency
    assert (each.latency <= value).mean() >= percent / 100 - 1e-9
    assert (each.latency < value).mean() <= percent / 100 + 1e-9
    assert each.percentile(100) == each.latency.max()


def test_who_felt_it_and_what_was_confirmed_when() -> None:
    each = steady()
    assert each.length == 2
    assert each.felt == 2
    assert each.rate(0, 4) == 1
    assert each.rate(4.1, 6) == 0
    assert each.rate(6, 7) == 3  # what was due meanwhile, and what is due now


def test_a_sound_record_has_no_problems_and_every_other_says_which(record: Record) -> None:
    assert record.problems == []
    cases = [
        (replace(record, account=FINE | {"lost": 2}), "lost: 2"),
        (replace(record, account=FINE | {"executed": 14}), "not the same number"),
        (replace(record, rate=2), "only 10 of 20"),
        (replace(record, loops={**record.loops, OPEN: replace(steady(), failed=3)}), "open loop: 3 sends failed"),
        (replace(record, loops={**record.loops, OPEN: loop([(0, 300_000)] * 10)}), "too much even before"),
    ]
    for bad, words in cases:
        (problem,) = bad.problems
        assert words in problem


def load_of(dice: np.random.Generator, begun: float = 1.0) -> Loop:
    """500 a second for ten seconds, whose tenths differ by 15%; the first second at `begun` times the latency."""
    at = np.arange(5000) / 500
    blocks = np.exp(dice.normal(0, 0.15, 100)).repeat(50)
    latency = 0.003 * blocks * np.exp(dice.normal(0, 0.8, 5000)) * np.where(at < 1, begun, 1.0)
    return Loop(at=at, latency=latency, frozen=(4, 6), failed=0)


def test_a_window_that_begins_like_its_rest_is_rarely_called_unsteady_and_another_nearly_always_is() -> None:
    dice = np.random.default_rng(20261128)
    assert sum(load_of(dice).unsteady(10) is not None for _ in range(1000)) <= 1
    assert sum(load_of(dice, 2.0).unsteady(10) is not None for _ in range(100)) >= 99


def test_an_unsteady_window_is_a_problem_of_the_loop_that_has_it(record: Record) -> None:
    dice = np.random.default_rng(1)
    sound = replace(record, rate=500, loops={OPEN: load_of(dice), CLOSED: load_of(dice)})
    assert sound.problems == []
    (problem,) = replace(sound, loops={**sound.loops, CLOSED: load_of(dice, 3.0)}).problems
    assert problem.startswith("closed loop: the window's first tenth was not like the rest")


def test_what_is_sent_in_the_run_in_is_in_no_percentile() -> None:
    due = np.arange(0, 12_000_000_000, 100_000_000) + 7
    run = run_digits(OPEN)
    ids = np.array([f"{run}-0001-4000-8000-{number:012x}" for number in range(len(due))], "S36")
    slow = np.where(due < 7 + RUN_IN_S * 1e9, 900_000_000, 1_000_000)
    tasks = SimpleNamespace(id=ids, planned=due, sent=due, published=due + slow)
    found = _loop(tasks, OPEN, 10, int(6e9), int(8e9))  # type: ignore[arg-type]
    assert (len(found.at), found.percentile(100)) == (100, 0.001)
    assert found.frozen == pytest.approx((4, 6))


def test_the_report_has_both_loops_and_is_made_from_the_record(record: Record, tmp_path: Path) -> None:
    save(record, tmp_path)
    text = report.write(tmp_path)
    assert text == (tmp_path / report.REPORT).read_text()
    assert (tmp_path / report.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert "| requests in the window | 10 | 3 |" in text
    assert "| took a tenth of the freeze or more | 2 | 1 |" in text
    assert "| p50 | 1 ms | 1 ms |" in text
    assert "| longest | 2,000 ms | 2,000 ms |" in text
    assert "before that" not in text
    save(replace(record, run_in=2, engine=2), tmp_path)
    assert "ran for 2 s before that" in report.write(tmp_path)


def test_the_table_in_the_document_is_renewed_and_nothing_else(record: Record, tmp_path: Path) -> None:
    document = tmp_path / report.DOCUMENT
    document.parent.mkdir()
    document.write_text(f"before\n{report.BEGIN}old\n{report.END}\nafter\n")
    report.renew(tmp_path, record)
    made = "\n".join(report.table(record))
    assert document.read_text() == f"before\n{report.BEGIN}{made}\n{report.END}\nafter\n"
    document.write_text("no marks")
    with pytest.raises(BadInput, match="no block"):
        report.renew(tmp_path, record)


def test_what_cannot_be_measured_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freeze", "--rate", "0", "--freeze", "-1"]) == 2
    assert main(["freeze", "--seconds", "5"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in errors] == ["--rate", "--freeze", "--seconds"]


def test_no_record_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no record"):
        load(tmp_path)

"""The analysis' own bench: measures in a process of its own, cleans up, and tells a missed limit from a kept one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from rig.errors import BadInput
from rig.selfbench import analysis
from rig.selfbench.analysis import BYTES, GROWTH, SECONDS, Cost, figures
from rig.selfbench.figure import all_ok


def cost(tasks: int = 1_000_000, *, seconds: float = 1, cpu_s: float = 1, peak: int = 1) -> Cost:
    return Cost(tasks=tasks, seconds=seconds, cpu_s=cpu_s, peak=peak)


def test_small_ledgers_are_made_measured_and_removed(tmp_path: Path) -> None:
    found = analysis.run(tmp_path, sizes=(2000, 20_000))
    assert [figure.name for figure in found][:3] == [
        "0.002 million tasks: time", "0.002 million tasks: processor time", "0.002 million tasks: peak memory",
    ]  # fmt: skip
    assert all(figure.value > 0 for figure in found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("largest", "ok"),
    [
        (cost(10_000_000, seconds=SECONDS, cpu_s=10 * GROWTH, peak=BYTES), True),
        (cost(10_000_000, seconds=SECONDS + 1, cpu_s=10), False),
        (cost(10_000_000, cpu_s=10, peak=BYTES + 1), False),
        (cost(10_000_000, cpu_s=10 * GROWTH + 1), False),
    ],
)
def test_the_limits_hold_for_the_largest_ledger(largest: Cost, ok: bool) -> None:
    assert all_ok(figures([cost(), largest])) is ok


def test_a_slow_small_ledger_misses_nothing() -> None:
    assert all_ok(figures([cost(seconds=SECONDS + 1, peak=BYTES + 1), cost(10_000_000)]))


def test_a_disk_without_room_is_said_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    with pytest.raises(BadInput, match="8 GB are needed"):
        analysis.run(tmp_path)
    assert list(tmp_path.iterdir()) == []

"""Clocks of writers that do not belong together are seen in the headers of their segments."""

from dataclasses import replace
from pathlib import Path

import pytest

from rig.experiment.judge.gate import CLOCK_LIMIT_MS
from rig.ledger.reader import Segment, read_ledger
from rig.ledger.writer import Writer
from rig.testbed.environment import clock_spread_ms


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    for role in ("generator", "worker"):
        writer = Writer(tmp_path, role)
        writer.claim_send("x" * 36, writer.kind("app.noop", "q"))
        writer.close()
    return read_ledger(tmp_path).segments


def test_writers_of_one_host_agree(segments: list[Segment]) -> None:
    assert 0 <= clock_spread_ms(segments) < CLOCK_LIMIT_MS


def at(segment: Segment, seconds: int, *, host: str = "worker", offset_ms: int = 0) -> Segment:
    """The same segment, opened so many seconds later, where the clocks differ by so much more."""
    later = seconds * 1_000_000_000
    return replace(
        segment, host=host, mono_ns=segment.mono_ns + later, wall_ns=segment.wall_ns + later + offset_ms * 1_000_000
    )


def test_another_monotonic_clock_shows(segments: list[Segment]) -> None:
    first, _ = segments
    assert clock_spread_ms([first, at(first, 5)]) == 0
    assert clock_spread_ms([first, at(first, 5, offset_ms=60)]) == 60
    assert clock_spread_ms([first, at(first, 5, offset_ms=-60)]) == 60
    assert clock_spread_ms([first, at(first, 5), at(first, 6, host="other", offset_ms=-80)]) == 80
    assert clock_spread_ms([]) == 0


def test_a_step_of_the_wall_clock_harms_no_stamp(segments: list[Segment]) -> None:
    first, _ = segments
    before = [first, at(first, 1), at(first, 1, host="other")]
    after = [at(segment, 60, host=segment.host, offset_ms=37_000) for segment in before]
    assert clock_spread_ms([*before, *after]) == 0
    assert clock_spread_ms([*after, *before]) == 0

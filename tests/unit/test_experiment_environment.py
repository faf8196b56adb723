"""Clocks of writers that do not belong together are seen in the headers of their segments."""

from dataclasses import replace
from pathlib import Path

import pytest

from rig.experiment.check import CLOCK_LIMIT_MS
from rig.experiment.environment import clock_spread_ms
from rig.ledger.reader import Segment, read_ledger
from rig.ledger.writer import Writer


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    for role in ("generator", "worker"):
        writer = Writer(tmp_path, role)
        writer.claim_send("x" * 36, writer.kind("app.noop", "q"))
        writer.close()
    return read_ledger(tmp_path).segments


def test_writers_of_one_host_agree(segments: list[Segment]) -> None:
    assert 0 <= clock_spread_ms(segments) < CLOCK_LIMIT_MS


def test_a_step_of_the_wall_clock_or_another_monotonic_clock_shows(segments: list[Segment]) -> None:
    first, second = segments
    aligned = replace(second, wall_ns=first.wall_ns + 5_000_000_000, mono_ns=first.mono_ns + 5_000_000_000)
    assert clock_spread_ms([first, aligned]) == 0
    for stepped in (
        replace(aligned, wall_ns=aligned.wall_ns - 60_000_000),
        replace(aligned, mono_ns=aligned.mono_ns - 60_000_000),
    ):
        assert clock_spread_ms([first, stepped]) == 60
    assert clock_spread_ms([]) == 0

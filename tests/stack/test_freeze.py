"""Two seconds without a broker: an open loop shows them in every percentile that matters, a closed loop hides them."""

from __future__ import annotations

import os

import pytest

from rig.freeze.measure import Plan, measure
from rig.freeze.record import CLOSED, OPEN, Record, load, save
from rig.freeze.report import write
from rig.stack.paths import checkout

RATE, SECONDS, FREEZE = 500.0, 10.0, 2.0
BUSY_RATE = 100.0  # where others need the processors, too


@pytest.fixture(scope="module")
def record(own_project: None, tmp_path_factory: pytest.TempPathFactory) -> Record:  # noqa: ARG001 - for its effect
    """What `rig freeze` measures, at a rate that this machine can do today."""
    rate = RATE if os.getloadavg()[0] < (os.cpu_count() or 1) else BUSY_RATE
    found = measure(checkout(), Plan(rate=rate, seconds=SECONDS, freeze=FREEZE))
    closed = found.loops[CLOSED]
    possible = closed.rate(0, closed.frozen[0])
    if found.problems and possible < 0.8 * rate:
        print(f"{found.problems}; again at half of the {possible:.0f} a second that it did")
        found = measure(checkout(), Plan(rate=round(possible / 2), seconds=SECONDS, freeze=FREEZE))
    directory = tmp_path_factory.mktemp("freeze")
    save(found, directory)
    print(write(directory))
    return load(directory)


def test_every_task_is_sent_and_accounted_for(record: Record) -> None:
    assert record.problems == []


def test_an_open_loop_shows_the_freeze(record: Record) -> None:
    loop = record.loops[OPEN]
    assert loop.length >= FREEZE
    assert loop.percentile(100) >= 0.99 * FREEZE  # what was due when it began waited for all of it
    assert loop.percentile(99) >= 0.8 * FREEZE
    due_meanwhile = record.rate * FREEZE
    assert loop.felt >= 0.85 * due_meanwhile  # all but those of the last tenth
    assert loop.percentile(50) < loop.percentile(99) / 2


def test_the_rate_recovers(record: Record) -> None:
    loop = record.loops[OPEN]
    begin, end = loop.frozen
    assert loop.rate(begin + 0.1, end) == 0  # of those that were on their way some may still be heard of
    assert loop.rate(end, SECONDS) > record.rate  # and it makes up for what was due meanwhile


def test_a_closed_loop_hides_it(record: Record) -> None:
    """Each of its users is stopped in one request, and asks for nothing meanwhile."""
    opened, closed = record.loops[OPEN], record.loops[CLOSED]
    assert 1 <= (closed.latency >= FREEZE / 2).sum() <= record.users
    assert opened.felt > 10 * closed.felt
    assert closed.percentile(99) < opened.percentile(99) / 4
    assert closed.percentile(100) >= 0.5 * FREEZE  # it is there, in a handful

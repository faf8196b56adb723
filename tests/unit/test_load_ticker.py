"""A loop that is kept busy shows in its ticker."""

import time

import gevent

from rig.load.schedule.ticker import TICK_NS, Ticker


def test_a_greenlet_that_keeps_the_loop_busy_shows() -> None:
    with Ticker() as ticker:
        gevent.sleep(0)
        time.sleep(0.05)  # lets no other greenlet run
        gevent.sleep(0.02)
    assert max(ticker.late_ns) >= 50_000_000 - TICK_NS
    assert min(ticker.late_ns) >= 0


def test_it_ticks_in_its_block_and_no_longer() -> None:
    start = time.monotonic_ns()
    with Ticker() as ticker:
        gevent.sleep(0.1)
    ticks = len(ticker.late_ns)
    assert ticks > 0
    assert ticks * TICK_NS + sum(ticker.late_ns) <= time.monotonic_ns() - start
    gevent.sleep(0.03)
    assert len(ticker.late_ns) == ticks


def test_what_was_due_before_the_load_begins_does_not_count() -> None:
    begin = time.monotonic_ns() + 60_000_000
    with Ticker(since_ns=begin) as ticker:
        gevent.sleep(0)
        time.sleep(0.05)  # as when all users are made
        gevent.sleep(0.05)
    assert 0 < len(ticker.late_ns) <= 8
    assert max(ticker.late_ns) < 45_000_000

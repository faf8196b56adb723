"""A worker that is slowed by feedback needs exactly as much more as was asked for, whatever its tasks need."""

from __future__ import annotations

from time import process_time_ns

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.selfbench.controls.cpu import Debt

READING_NS = 700  # what a reading of the made-up clock takes


class Process:
    """A process's CPU clock: it stands still but for what is worked, and for the readings themselves."""

    def __init__(self) -> None:
        self.now = 0

    def clock(self) -> int:
        self.now += READING_NS
        return self.now


@settings(deadline=None)  # the clock is made up, the turns of the loop are not
@given(share=st.floats(0.001, 1), tasks=st.lists(st.integers(0, 10**6), min_size=1, max_size=10))
def test_after_each_task_all_cpu_time_is_slowed_by_the_share(share: float, tasks: list[int]) -> None:
    process = Process()
    debt = Debt(share, process.clock)
    for work in tasks:
        process.now += work
        debt.pay()
        rest = process.now - debt.burnt_ns
        assert 0 <= debt.burnt_ns - share * rest <= READING_NS
        assert abs(process.now / rest - (1 + share)) <= READING_NS / rest


@settings(deadline=None)
@given(tasks=st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_a_worker_that_is_not_slowed_reads_the_clock_and_burns_nothing(tasks: list[int]) -> None:
    process = Process()
    debt = Debt(0.0, process.clock)
    for work in tasks:
        process.now += work
        debt.pay()
    assert debt.burnt_ns == 0
    assert process.now == sum(tasks) + READING_NS * len(tasks)


def test_a_forked_process_begins_with_no_debt_and_no_credit() -> None:
    parent, child = Process(), Process()
    debt = Debt(0.5, lambda: (child if forked else parent).clock())
    forked = False
    parent.now = 1_000_000
    debt.pay()
    forked = True
    debt.forget()
    child.now = 10_000
    debt.pay()
    assert 0 <= debt.burnt_ns - 0.5 * (child.now - debt.burnt_ns) <= READING_NS


def test_this_process_by_its_own_clock() -> None:
    """Not a made-up clock: whatever the machine is busy with, the CPU time of the process is in this proportion."""
    began = process_time_ns()
    debt = Debt(0.2, lambda: process_time_ns() - began)
    for size in range(200):
        sum(range(100 * size))
        debt.pay()
        used = process_time_ns() - began
    assert used / (used - debt.burnt_ns) == pytest.approx(1.2, rel=0.01)

"""How a run shows where it is and how long it will still take."""

from __future__ import annotations

import io
import time

import pytest

from rig.experiment.progress import Progress

START = "\r\033[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def a_run(progress: Progress, clock: Clock) -> None:
    """The stages of a run of three rounds of 40 s, which were expected to take 20 s each, up to its second."""
    progress.stage("images and secrets")
    clock.passes(5)
    progress.stage("starting")
    progress.turn("warm-up  stored (1 of 3)")
    clock.passes(60)
    progress.phase("drain")
    progress.rounds_begin()
    progress.round("round 1/3")
    progress.turn("round 1/3  stored (1 of 3)")
    clock.passes(40)
    progress.phase("paced")
    progress.round_done(2)
    progress.round("round 2/3")
    clock.passes(10)
    progress.turn("round 2/3  ignored (2 of 3)")
    progress.phase("drain")


def test_on_a_pipe_each_stage_and_each_round_is_a_line_with_its_time(clock: Clock) -> None:
    log = io.StringIO()
    a_run(Progress(3, 20.0, log), clock)
    assert log.getvalue().splitlines() == [
        "0:00  images and secrets  about 1:00 left",
        "0:05  starting  about 1:00 left",
        "1:05  round 1/3  about 1:00 left",
        "1:45  round 2/3  about 1:20 left",  # two rounds, as long as the first was
    ]


def test_on_a_terminal_one_line_is_rewritten_with_round_cell_phase_and_time_left(clock: Clock) -> None:
    screen = Terminal()
    progress = Progress(3, 20.0, screen)
    a_run(progress, clock)
    shown = screen.getvalue().split(START)[1:]
    assert shown[0] == "images and secrets  about 1:00 left"
    assert shown[2] == "warm-up  stored (1 of 3)  drain  about 1:00 left"
    assert shown[-1] == "round 2/3  ignored (2 of 3)  drain  about 1:10 left"  # 80 s, of which 10 are over
    assert "\n" not in screen.getvalue()
    progress.clear()
    assert screen.getvalue().endswith(START)


def test_a_line_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    screen = Terminal()
    Progress(3, 20.0, screen).stage("starting broker, result store, workers and generators")
    assert screen.getvalue() == f"{START}starting broker, re"


def test_the_estimate_is_that_of_the_rounds_so_far_and_never_below_what_is_to_come(clock: Clock) -> None:
    log = io.StringIO()
    progress = Progress(4, 10.0, log)
    progress.rounds_begin()
    for number, seconds in enumerate((30, 10, 20), start=1):
        progress.round(f"round {number}/4")
        clock.passes(seconds)
        progress.round_done(4 - number)
    progress.round("round 4/4")
    clock.passes(90)  # much longer than its fellows
    progress.stage("idle")
    left = [line.split("about ")[1] for line in log.getvalue().splitlines()]
    assert left == ["0:40 left", "1:30 left", "0:40 left", "0:20 left", "0:00 left"]


def test_a_round_that_is_taken_again_adds_its_time(clock: Clock) -> None:
    log = io.StringIO()
    progress = Progress(2, 10.0, log)
    progress.rounds_begin()
    progress.round("round 1/2")
    clock.passes(10)
    progress.round_done(2)  # one more than there were to be
    progress.round("round 2/3")
    assert log.getvalue().splitlines()[-1] == "0:10  round 2/3  about 0:20 left"


def test_what_is_no_round_is_part_of_what_is_left(clock: Clock) -> None:
    log = io.StringIO()
    progress = Progress(2, 30.0, log, start_s=50.0, end_s=15.0)
    progress.stage("starting")
    clock.now += 20
    progress.stage("idle")
    clock.now += 40
    progress.rounds_begin()
    progress.round("round 1/2")
    clock.now += 40
    progress.round_done(1)
    progress.round("round 2/2")
    clock.now += 40
    progress.round_done(0)
    progress.stage("accounting")
    left = [line.split("about ")[1] for line in log.getvalue().splitlines()]
    assert left == ["2:05 left", "1:45 left", "1:15 left", "0:55 left", "0:00 left"]

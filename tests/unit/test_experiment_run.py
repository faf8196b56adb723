"""How a run shows where it is, and how it takes Ctrl-C and SIGTERM."""

import io
import os
import signal
import time

import pytest

from rig.experiment import interrupts
from rig.experiment.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_rewritten_with_round_cell_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    screen = Terminal()
    progress = Progress(turns=24, stream=screen)
    progress.begin()
    for _ in range(4):
        progress.turn("round 1/8  stored (1 of 3)")
        clock[0] += 5
        progress.turn_done()
    progress.phase("drain")
    assert screen.getvalue().split("\r\033[K")[-1] == "round 1/8  stored (1 of 3)  drain  1:40 left"
    assert "\n" not in screen.getvalue()


def test_elsewhere_each_round_is_a_line() -> None:
    log = io.StringIO()
    progress = Progress(turns=24, stream=log)
    progress.round("round 1/8")
    progress.phase("drain")
    progress.clear()
    assert log.getvalue() == "round 1/8\n"


def test_sigterm_ends_a_run_as_ctrl_c_does() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.as_exceptions():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


@pytest.mark.parametrize("number", interrupts.ENDINGS)
def test_tidying_up_is_not_interrupted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interrupts.ignored():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before

"""How a run takes Ctrl-C and SIGTERM."""

import os
import signal
import time

import pytest

from rig.testbed import interrupts


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

"""A generator in a process of its own, as a cell has one: what it is told over HTTP."""

from __future__ import annotations

import signal
import time
from typing import Any

from locust_process import Locust

TURNS = ("-f", "rig/load/generator/server.py")
CLOSED = {"kind": "closed", "count": 50}


def order(turn: int = 1, **changes: Any) -> dict[str, Any]:
    kinds = [{"task": "app.noop", "queue": "cell.a"}]
    return {"turn": turn, "kinds": kinds, "arrivals": CLOSED, "users": 4} | changes


def ready(generator: Locust) -> Locust:
    """Wait until the generator listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            generator.ask("/ready")
        except OSError:
            assert generator.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return generator


def end(generator: Locust) -> None:
    generator.signal_all(signal.SIGTERM)
    assert generator.wait() == 0, generator.output
    assert "Traceback" not in generator.output

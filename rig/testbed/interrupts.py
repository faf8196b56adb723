"""Ctrl-C and SIGTERM end a run the same way: in good order, once, and not in the middle of tidying up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDINGS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what Ctrl-C does, under another name."""


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` while the block runs; SIGINT raises KeyboardInterrupt by itself."""

    def terminate(_number: int, _frame: FrameType | None) -> Any:
        raise Terminated("SIGTERM")

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def ignored() -> Iterator[None]:
    """Hold off both while the block runs: it removes containers, and half of that is worse than all."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

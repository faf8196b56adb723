"""Where a run is and how long it will still take: a live line on a terminal; elsewhere a line a stage and a round."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Progress:
    """Of a run of `rounds`, each of which is expected to take `round_s` seconds until the first has shown it.

    `start_s` and `end_s` are what is expected to pass before the first round and after the last.
    """

    def __init__(
        self, rounds: int, round_s: float, stream: TextIO = sys.stderr, *, start_s: float = 0.0, end_s: float = 0.0
    ) -> None:
        self._stream = stream
        self._left = rounds
        self._round_s = round_s
        self._start_s, self._end_s = start_s, end_s
        self._started = self._done = 0
        self._where = ""
        self._began = self._rounds_began = self._round_began = time.monotonic()

    def stage(self, what: str) -> None:
        """Something begins that is no round."""
        self._where = what
        self._line(what)

    def rounds_begin(self) -> None:
        """The warm-up is over."""
        self._rounds_began = time.monotonic()

    def round(self, title: str) -> None:
        """A round begins."""
        self._started += 1
        self._round_began = time.monotonic()
        self._line(title)

    def round_done(self, left: int) -> None:
        """A round is over; `left` are to come."""
        self._done += 1
        self._left = left
        self._round_s = (time.monotonic() - self._rounds_began) / self._done

    def turn(self, where: str) -> None:
        """A turn begins."""
        self._where = where

    def phase(self, name: str) -> None:
        """A phase of the turn begins."""
        self._show(f"{self._where}  {name}{self._remaining()}")

    def clear(self) -> None:
        """Leave the line to others."""
        self._show("")

    def _line(self, said: str) -> None:
        if self._stream.isatty():
            self._show(f"{said}{self._remaining()}")
        else:
            passed = int(time.monotonic() - self._began)
            line = f"{passed // 60}:{passed % 60:02d}  {said}{self._remaining()}"
            print(line, file=self._stream, flush=True)

    def _remaining(self) -> str:
        """What is left of the round under way, of those to come, and of what is no round."""
        under_way = time.monotonic() - self._round_began if self._done else 0.0
        seconds = max(0, int(self._left * self._round_s - min(under_way, self._round_s)))
        before = 0.0 if self._started else max(0.0, self._start_s - (time.monotonic() - self._began))
        seconds += int(before + self._end_s * bool(self._left))
        return f"  about {seconds // 60}:{seconds % 60:02d} left"

    def _show(self, line: str) -> None:
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=self._stream, flush=True)

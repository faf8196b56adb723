"""The live line: where a run is and how long it will still take."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Progress:
    """Rewrites one line on a terminal; elsewhere (a log, a pipe) prints a line each time a round begins."""

    def __init__(self, turns: int, stream: TextIO = sys.stderr) -> None:
        self._turns = turns
        self._stream = stream
        self._done = 0
        self._where = ""
        self._began = time.monotonic()

    def begin(self) -> None:
        """The first turn begins: what came before says nothing about how long turns take."""
        self._began = time.monotonic()

    def round(self, title: str) -> None:
        """A round begins."""
        if not self._stream.isatty():
            print(f"{title}{self._left()}", file=self._stream, flush=True)

    def turn(self, where: str) -> None:
        """A turn begins."""
        self._where = where

    def phase(self, name: str) -> None:
        """A phase of the turn begins."""
        self._show(f"{self._where}  {name}{self._left()}")

    def turn_done(self) -> None:
        """The turn is over."""
        self._done += 1

    def clear(self) -> None:
        """Leave the line to others."""
        self._show("")

    def _left(self) -> str:
        """What is left, from how long the turns so far took; nothing before the first is done."""
        if not self._done:
            return ""
        seconds = (self._turns - self._done) * (time.monotonic() - self._began) / self._done
        return f"  {int(seconds) // 60}:{int(seconds) % 60:02d} left"

    def _show(self, line: str) -> None:
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=self._stream, flush=True)

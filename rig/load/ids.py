"""Task ids that say where a task came from: `rrrrrrrr-tttt-4ppp-8000-nnnnnnnnnnnn`, a valid version-4 UUID.

r: the run, t: the turn (one start of the load within the run), p: the publisher (one process that sends), n: the
number of the task. A counter makes them: uuid4 would cost two microseconds and say nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

MAX_TURN = 0xFFFF
MAX_PUBLISHER = 0xFFF

_RUN = re.compile(r"[0-9a-f]{8}")
_TASK_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-8000-([0-9a-f]{12})")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a task id says it came from."""

    run: str
    turn: int
    publisher: int
    number: int


def new_run() -> str:
    """Return eight random hexadecimal digits for a run that nobody has named."""
    return secrets.token_hex(4)


def run_digits(run_id: str) -> str:
    """Return the eight hexadecimal digits that stand for `run_id`: itself if it is such, else the start of its hash."""
    if _RUN.fullmatch(run_id):
        return run_id
    return hashlib.blake2b(run_id.encode(), digest_size=4).hexdigest()


def task_ids(run: str, turn: int, publisher: int) -> Callable[[], str]:
    """Return a function that makes the ids of one turn of one publisher, numbered from 0.

    `run` is eight hexadecimal digits. Raises ValueError for a turn above 65535 or a publisher above 4095: digits
    that overflow would make two tasks share an id.
    """
    if not _RUN.fullmatch(run):
        raise ValueError(f"a run is eight hexadecimal digits, not {run!r}")
    if not 0 <= turn <= MAX_TURN:
        raise ValueError(f"a turn is between 0 and {MAX_TURN}, not {turn}")
    if not 0 <= publisher <= MAX_PUBLISHER:
        raise ValueError(f"a publisher is between 0 and {MAX_PUBLISHER}, not {publisher}")
    form = f"{run}-{turn:04x}-4{publisher:03x}-8000-%012x"
    number = itertools.count().__next__
    return lambda: form % number()


def origin(task_id: str) -> Origin | None:
    """Return what `task_id` says about its origin, or None if it was not made here."""
    match = _TASK_ID.fullmatch(task_id)
    if match is None:
        return None
    run, turn, publisher, number = match.groups()
    return Origin(run=run, turn=int(turn, 16), publisher=int(publisher, 16), number=int(number, 16))

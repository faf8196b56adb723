"""One process that sends, from its first turn to its end: its Celery client, its ledger, its task ids."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from rig.ledger.writer import Writer
from rig.load import ids
from rig.load.send import calls, hosts, preflight, transport
from rig.load.send.client import make_app
from rig.load.send.send_cache import Settled
from rig.load.send.sender import Sender
from rig.load.send.target import Target

# A fresh segment's pages are made at once, and nothing is sent meanwhile: 2 to 5 ms with the usual 2 MiB.
SEGMENT_SLOTS = 2048


def refuse(problems: Iterable[str]) -> None:
    """Print what is wrong, one line each, as every command of the rig does."""
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr, flush=True)


def leave(problems: Iterable[str]) -> NoReturn:
    """Print what is wrong and exit with 2."""
    refuse(problems)
    raise SystemExit(2)


class Session:
    """The part of a run that one process sends. `sender` is None until the first turn begins."""

    def __init__(self, target: Target, fire: Callable[..., None]) -> None:
        self.target = target
        self.run = ids.run_digits(target.run_id) if target.run_id else ids.new_run()
        self.turn = 0
        self.sender: Sender | None = None
        self._fire = fire
        self._writer: Writer | None = None
        self._queues: set[str] = set()
        hosts.publish(target.ports)

    def begin(self, turn: int, publisher: int = 0, queues: Sequence[str] = (), call: str = calls.SEND_TASK) -> Sender:
        """Start turn number `turn` on `queues` and return what sends it; `publisher` tells this process from others.

        `call` is one of `calls.CALLS`: send_task is the rig's own cheap way; with the others a send is done exactly as
        an application does it. The sender is a new one when that changes.

        Raises BadInput when the broker is not there or has not all of the queues, ValueError for numbers that do not
        fit into a task id.
        """
        next_id = ids.task_ids(self.run, turn, self.target.publisher + publisher)
        plain = call != calls.SEND_TASK
        sender = self.sender
        if sender is None or sender.tainted or sender.plain != plain or not self._queues.issuperset(queues):
            sender = self.sender = self._connect(queues, plain)
        sender.begin(next_id, call)
        self.turn = turn
        # What is there now stays: the collector, which would go through all of it in mid-load (2 to 3 ms, in which
        # nothing is sent), need not look at it again.
        gc.collect()
        gc.freeze()
        return sender

    def close(self) -> None:
        """End the ledger of this process in good order."""
        if self._writer is not None:
            self._writer.close()
        # Results that were waited for lie in reference cycles, and their __del__ needs gevent: let it run while there
        # is one, or each prints a traceback when the interpreter goes.
        gc.collect()

    def _connect(self, queues: Sequence[str], plain: bool) -> Sender:
        preflight.require(self.target, queues)
        app = make_app(self.target, self._queues.union(queues))
        if not plain:
            transport.install(app)
            Settled(app)
        self._queues.update(queues)
        if self.sender is not None:
            self.sender.close()
        if self._writer is None:
            self._writer = Writer(self.target.ledger, self.target.role, self.run, slots=SEGMENT_SLOTS)
        return Sender(app, self._writer, self._fire, plain=plain, queues=sorted(self._queues))

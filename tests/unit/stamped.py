"""Ledgers written here, stamp by stamp: sends and executions of tasks at times that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import Tasks, build
from rig.ledger.writer import Writer
from rig.load.ids import task_ids

MS = 1_000_000
LATE = 2 * MS  # from the planned time to the send
PUBLISHING = MS  # from the send to its confirmation


@dataclass
class Stamped:
    """A cell's ledger below `directory`, with a generator and a worker that write to it."""

    directory: Path

    def __post_init__(self) -> None:
        self.generator, self.worker = Writer(self.directory, "generator"), Writer(self.directory, "worker")

    def send(self, post: int, times: Sequence[int], *, planned: bool = False) -> list[str]:
        """Record a send under turn number `post` at each of `times` (ns); planned ones are `LATE`."""
        make, kind = task_ids("abcdef01", post, 0), self.generator.kind("app.noop", "bench.c0")
        ids = [make() for _ in times]
        for task_id, at in zip(ids, times, strict=True):
            words, base = self.generator.claim_send(task_id, kind)
            words[base + layout.SENT], words[base + layout.PUBLISHED] = at, at + PUBLISHING
            words[base + layout.PLANNED] = at - LATE if planned else 0
        return ids

    def finish(
        self, ids: Sequence[str], ends: Sequence[int], outcome: str = "succeeded", took: int = 1, stored: bool = False
    ) -> None:
        """Record that each task was executed for `took` ns until its end, by one worker."""
        kind = self.worker.kind("app.noop", "bench.c0")
        for task_id, at in zip(ids, ends, strict=True):
            words, base = self.worker.claim_run(task_id, kind)
            words[base + layout.STARTED], words[base + layout.FINISHED] = at - took, at
            words[base + layout.STORED] = at if stored else 0
            words[base + layout.OUTCOME] = layout.OUTCOME_CODE[outcome]

    def say(self, ids: Sequence[str], outcome: str) -> None:
        """Record deliveries that had an outcome and no execution: "unknown", "revoked"."""
        for task_id in ids:
            words, base = self.worker.claim_run(task_id, self.worker.kind("", "bench.c0"))
            words[base + layout.OUTCOME] = layout.OUTCOME_CODE[outcome]

    def tasks(self) -> Tasks:
        """Return what the engine makes of it."""
        return build(read_ledger(self.directory))

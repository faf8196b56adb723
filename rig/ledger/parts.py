"""Joins a ledger that is larger than memory: part by part, each with all slots of the ids whose hashes fall into it.

The slots are copied once, sorted by part, into files beside the result: twice the ledger's disk, constant memory, and
a cost that is linear in the slots.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from rig.ledger import layout
from rig.ledger.group import Int, hashes
from rig.ledger.read_ahead import ahead
from rig.ledger.reader import Ledger, Segment
from rig.ledger.sound import Words
from rig.ledger.tasks import Kinds, Tasks, build, join

SLOTS_A_PART = 250_000  # of 128 bytes: small enough that memory is reused, and not given back and zeroed again
MOST_PARTS = 500  # each is an open file


def partitions(ledger: Ledger, folder: Path, parts: int | None = None) -> Iterator[Tasks]:
    """Yield the tasks of `ledger` in `parts` parts (by default: as many as it takes); a task is in exactly one.

    Needs as much room in `folder` as the ledger takes, until the iterator ends. Raises OSError when there is none.
    """
    if parts is None:
        parts = min(MOST_PARTS, -(-sum(map(len, ledger.segments)) // SLOTS_A_PART))
    if parts <= 1:
        yield build(ledger)
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="parts-") as scratch:
        paths = [Path(scratch) / str(part) for part in range(parts)]
        kinds = Kinds(ledger.segments)
        _spread(ledger.segments, kinds, paths)
        yield from ahead(partial(_join, kinds.pairs), paths)


def _spread(segments: Sequence[Segment], kinds: Kinds, paths: Sequence[Path]) -> None:
    """Append every slot to the file of its part."""
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for words, ends in ahead(partial(_by_part, len(paths), kinds), segments):
            for file, begin, end in zip(files, [0, *ends], ends, strict=False):
                file.write(words[begin:end].data)


def _by_part(parts: int, kinds: Kinds, segment: Segment) -> tuple[Words, list[int]]:
    """Return the slots of a segment ordered by part, and where each part ends."""
    words = kinds.slots(segment)
    # The upper half of the hash says which part; the join sorts by the lower bits.
    part = ((hashes(words) >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.uint16)
    ends: Int = np.cumsum(np.bincount(part, minlength=parts))
    return words.take(np.argsort(part, kind="stable"), axis=0), ends.tolist()


def _join(kinds: list[tuple[str, str]], path: Path) -> Tasks:
    words = np.fromfile(path, np.uint64).reshape(-1, layout.SLOT_WORDS)
    path.unlink()
    return join(words, kinds)

"""Writes ledgers as `tasks.parquet`, one row a task: `rig.ledger.schema`, `docs/tasks.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rig.ledger import layout
from rig.ledger.parts import partitions
from rig.ledger.reader import Ledger
from rig.ledger.schema import CLOCK_OFFSET, ENCODING, SCHEMA
from rig.ledger.tasks import COUNTS, STAMPS, Tasks


def write(ledgers: Mapping[str, Ledger], path: Path) -> int:
    """Write the tasks of all `ledgers`, by variant ("" for none), and return their number.

    `path` is there as a whole or not at all. Memory does not grow with the ledgers; for one of more than
    `parts.SLOTS_A_PART` slots room for a copy of it is needed beside `path`. Raises OSError when there is none.
    """
    count = 0
    fresh = path.with_suffix(".new")
    try:
        with pq.ParquetWriter(fresh, SCHEMA, **ENCODING) as writer:
            for variant, ledger in ledgers.items():
                for tasks in partitions(ledger, path.parent):
                    writer.write_table(to_table(tasks, variant))
                    count += len(tasks)
            writer.add_key_value_metadata(_clock(ledgers.values()))
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def to_table(tasks: Tasks, variant: str = "") -> pa.Table:
    """Return `tasks` as an Arrow table of `SCHEMA`."""
    names, queues = zip(*tasks.kinds, strict=True)
    columns = {
        "id": _strings(tasks.id),
        "parent": _strings(tasks.parent),
        "variant": _words(np.zeros(len(tasks), np.int64), [variant], null=not variant),
        "name": _words(tasks.kind, names),
        "queue": _words(tasks.kind, queues),
        "outcome": _words(tasks.outcome, ["", *layout.OUTCOMES.values()], null=tasks.outcome == 0),
    }
    for name in STAMPS:
        stamps = getattr(tasks, name)
        columns[name] = pa.array(stamps, mask=stamps == 0)
    for name in COUNTS:
        columns[name] = pa.array(getattr(tasks, name).astype(np.int32))
    return pa.table(columns, schema=SCHEMA)


def _clock(ledgers: Iterable[Ledger]) -> dict[str, str]:
    """Return the file's metadata: what turns stamps into dates, as the oldest segment has it."""
    segments = [segment for ledger in ledgers for segment in ledger.segments]
    if not segments:
        return {}
    oldest = min(segments, key=lambda segment: segment.mono_ns)
    return {CLOCK_OFFSET: str(oldest.wall_ns - oldest.mono_ns)}


def _words(index: npt.NDArray[np.int64], words: Sequence[str], null: npt.NDArray[np.bool_] | bool = False) -> pa.Array:
    """Return `words[index]`, null where `null`."""
    mask = np.broadcast_to(null, len(index))
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32), mask=mask), pa.array(words, pa.string()))


def _strings(raw: npt.NDArray[np.bytes_]) -> pa.Array:
    """Return zero-padded bytes as strings, null where empty, without a Python object for each."""
    width = raw.dtype.itemsize
    letters = np.ascontiguousarray(raw).view(np.uint8).reshape(len(raw), width)
    present = letters[:, -1] != 0
    # All ids that Celery makes up are full or empty.
    if present.all():
        lengths, used = np.full(len(raw), width, np.int32), letters
    elif not letters[~present].any():
        lengths, used = present * np.int32(width), letters[present]
    else:
        set_ = letters != 0
        present = set_.any(axis=1)
        lengths = np.where(present, width - set_[:, ::-1].argmax(axis=1), 0)
        used = letters[np.arange(width) < lengths[:, None]]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    valid = np.packbits(present, bitorder="little")
    return pa.Array.from_buffers(pa.string(), len(raw), [pa.py_buffer(each) for each in (valid, offsets, used)])

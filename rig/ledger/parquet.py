"""Writes a ledger as `tasks.parquet`, one row a task, in bounded memory: partition by partition of the ids' hashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rig.ledger import record
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Ledger
from rig.ledger.tasks import COUNTS, STAMPS, Tasks, hashes, join, renumbered

SLOTS_IN_MEMORY = 4_000_000  # of 128 bytes each; joining them takes about three times as much

_STRINGS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), metadata={"about": "Celery's task id (a hash of it where longer than 36 bytes)"}),
        pa.field("parent", pa.string(), metadata={"about": "id of the task that sent this one; null for none"}),
        pa.field("name", _STRINGS, metadata={"about": "task name"}),
        pa.field("queue", _STRINGS, metadata={"about": "queue that it was sent to"}),
        pa.field("outcome", _STRINGS, metadata={"about": "how it ended; null while it has not"}),
        *(pa.field(name, pa.int64(), metadata={"about": "CLOCK_MONOTONIC ns, null for never"}) for name in STAMPS),
        *(pa.field(name, pa.int32(), metadata={"about": "see rig.ledger.tasks.Tasks"}) for name in COUNTS),
    ]
)  # fmt: skip


def write(ledger: Ledger, path: Path) -> int:
    """Write `path` and return the number of tasks; memory is that of `SLOTS_IN_MEMORY` slots, whatever the size."""
    count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", compression_level=1) as writer:
        for tasks in partitions(ledger):
            writer.write_table(to_table(tasks))
            count += len(tasks)
    return count


def partitions(ledger: Ledger) -> Iterator[Tasks]:
    """Join `ledger` in parts that fit into memory; every task is in exactly one of them."""
    kinds: dict[tuple[str, str], int] = {("", ""): 0}
    total = sum(len(segment.slots) for segment in ledger.segments)
    parts = min(256, max(1, -(-total // SLOTS_IN_MEMORY)))
    part_of = [(hashes(segment.slots) % np.uint64(parts)).astype(np.uint8) for segment in ledger.segments]
    for part in range(parts):
        slots = [
            renumbered(segment.slots[of == part], segment.kinds, kinds)
            for segment, of in zip(ledger.segments, part_of, strict=True)
        ]
        every = np.concatenate(slots) if slots else np.zeros(0, SEND_SLOT)
        sent = every["type"] == record.SEND
        yield join(every[sent].view(SEND_SLOT), every[~sent].view(RUN_SLOT), list(kinds))


def to_table(tasks: Tasks) -> pa.Table:
    """Return `tasks` as an Arrow table of `SCHEMA`."""
    names, queues = (pa.array(column, pa.string()) for column in zip(*tasks.kinds, strict=True))
    kind = pa.array(tasks.kind.astype(np.int32))
    outcomes = pa.array(["", *record.OUTCOMES.values()], pa.string())
    columns = {
        "id": _strings(tasks.id),
        "parent": _strings(tasks.parent),
        "name": pa.DictionaryArray.from_arrays(kind, names),
        "queue": pa.DictionaryArray.from_arrays(kind, queues),
        "outcome": pa.DictionaryArray.from_arrays(
            pa.array(tasks.outcome.astype(np.int32), mask=tasks.outcome == 0), outcomes
        ),
    }
    for name in STAMPS:
        stamps = getattr(tasks, name)
        columns[name] = pa.array(stamps, mask=stamps == 0)
    for name in COUNTS:
        columns[name] = pa.array(getattr(tasks, name).astype(np.int32))
    return pa.table(columns, schema=SCHEMA)


def _strings(raw: npt.NDArray[np.bytes_]) -> pa.Array:
    """Return zero-padded bytes as strings, null where empty, without a Python object for each."""
    letters = np.ascontiguousarray(raw).view(np.uint8).reshape(len(raw), raw.dtype.itemsize)
    used = letters != 0
    lengths = used.sum(axis=1, dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    empty = np.packbits(lengths != 0, bitorder="little")
    buffers = [pa.py_buffer(empty), pa.py_buffer(offsets), pa.py_buffer(letters[used])]
    return pa.Array.from_buffers(pa.string(), len(raw), buffers)

"""Writes a ledger as `tasks.parquet`, one row a task; `docs/tasks.md` is the schema in prose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rig.ledger import record
from rig.ledger.parts import partitions
from rig.ledger.reader import Ledger
from rig.ledger.tasks import COUNTS, STAMPS, Tasks

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
# Stamps differ little from row to row and hardly repeat: differences are a fraction of them, a dictionary is no use.
ENCODING: dict[str, Any] = {
    "compression": "zstd", "compression_level": 1, "use_dictionary": ["parent", "name", "queue", "outcome", *COUNTS],
    "column_encoding": dict.fromkeys(STAMPS, "DELTA_BINARY_PACKED"),
}  # fmt: skip


def write(ledger: Ledger, path: Path) -> int:
    """Write `path` and return the number of tasks, in memory that does not grow with them.

    For more than `parts.SLOTS_A_PART` slots it needs room for a copy of them beside `path`. Raises OSError when there
    is none.
    """
    count = 0
    with pq.ParquetWriter(path, SCHEMA, **ENCODING) as writer:
        for tasks in partitions(ledger, path.parent):
            writer.write_table(to_table(tasks))
            count += len(tasks)
    return count


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
    width = raw.dtype.itemsize
    letters = np.ascontiguousarray(raw).view(np.uint8).reshape(len(raw), width)
    present = letters[:, 0] != 0
    if (present == (letters[:, -1] != 0)).all():  # as all ids that Celery makes up: full or empty
        lengths, used = present * np.int32(width), letters if present.all() else letters[present]
    else:
        lengths, used = (letters != 0).sum(axis=1, dtype=np.int32), letters[letters != 0]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    valid = np.packbits(present, bitorder="little")
    return pa.Array.from_buffers(pa.string(), len(raw), [pa.py_buffer(each) for each in (valid, offsets, used)])

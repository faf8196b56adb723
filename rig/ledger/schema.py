"""The columns of `tasks.parquet`. `docs/tasks.md` is the same as a table, held against this by a contract test."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

WORDS: Final = pa.dictionary(pa.int32(), pa.string())  # few different ones: read as category, enum or plain string

_TEXTS: Final = {
    "id": (pa.string(), "Celery's task id; 36 hex digits of its BLAKE2b hash where it is not 1 to 36 ASCII characters"),
    "parent": (pa.string(), "id of the task that sent this one first; null for none"),
    "variant": (WORDS, "cell of the experiment that it ran in; null outside of experiments"),
    "name": (WORDS, "task name; empty where a segment's header had no room for it"),
    "queue": (WORDS, "queue that it was first sent to; where no publisher has a record of it, the one it came from"),
    "outcome": (WORDS, "how the execution ended; null while it has not"),
}
_STAMPS: Final = {
    "planned": "the load's schedule wanted it sent; null without a schedule",
    "sent": "first send begun",
    "published": "first send that returned; with publisher confirms the broker has it",
    "received": "first time that a worker's main process had the message",
    "started": "execution begun",
    "body_done": "the task function returned or raised",
    "stored": "the result backend has the result; null for ignored results",
    "finished": "execution ended",
    "acked": "first ack left the worker",
    "fetched": "a client had read the result",
    "expires": "the task expires; null if it was sent without `expires`",
}
_COUNTS: Final = {
    "sends": "attempts to publish it",
    "confirmed": "attempts to publish it that returned",
    "receives": "deliveries to a worker's main process",
    "starts": "executions begun, over all deliveries and retries",
    "ends": "executions ended",
    "attempts": "different retry counts among the executions begun: `starts - attempts` of them were duplicates",
}

SCHEMA: Final = pa.schema(
    [pa.field(name, kind, metadata={"about": about}) for name, (kind, about) in _TEXTS.items()]
    + [pa.field(name, pa.int64(), metadata={"about": about}) for name, about in _STAMPS.items()]
    + [pa.field(name, pa.int32(), metadata={"about": about}) for name, about in _COUNTS.items()]
)
CLOCK_OFFSET: Final = "clock_offset_ns"  # key of the file's metadata: stamp + this = nanoseconds since 1970

# Stamps differ little from row to row and hardly repeat: differences are a fraction of them, a dictionary is no use.
ENCODING: Final[dict[str, Any]] = {
    "compression": "zstd", "compression_level": 1,
    "use_dictionary": [name for name in SCHEMA.names if name not in _STAMPS and name != "id"],
    "column_encoding": dict.fromkeys(_STAMPS, "DELTA_BINARY_PACKED"),
}  # fmt: skip

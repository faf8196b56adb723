"""Reads ledger segments back, and reports every damage with its file and offset: nothing is skipped in silence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig.ledger import record
from rig.ledger.ahead import ahead

# One slot as it lies in the file; `w` holds words 5 to 15.
SLOT = np.dtype([("id", "S36"), ("kind", "<u2"), ("retries", "u1"), ("type", "u1"), ("w", "<i8", (11,))])
_HEAD = [("id", "S36"), ("kind", "<u2"), ("retries", "u1"), ("type", "u1")]
# The same 128 bytes by what they mean in the two kinds of record.
SEND_SLOT = np.dtype([
    *_HEAD, *((name, "<i8") for name in record.SEND_STAMPS), ("parent", "S36"), ("_pad", "S4"), ("expires", "<i8"),
])  # fmt: skip
RUN_SLOT = np.dtype([
    *_HEAD, *((name, "<i8") for name in record.RUN_STAMPS), ("outcome", "<i8"), ("_spare", "<i8", (3,)),
])  # fmt: skip
Slots = npt.NDArray[np.void]
Words = npt.NDArray[np.uint64]
ID_END = np.uint64(0xFFFFFFFF)  # of word 4: bytes 32 to 35 of the id; kind, retries and type follow


def as_words(slots: Slots) -> Words:
    """Return the same memory as an array of shape (slots, 16)."""
    return slots.view(np.uint64).reshape(len(slots), record.SLOT_WORDS)


def as_slots(words: Words, layout: np.dtype[np.void]) -> Slots:
    """Return the same memory as slots of dtype `SLOT`, `SEND_SLOT` or `RUN_SLOT`."""
    return words.view(layout).reshape(len(words))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a ledger that makes the run invalid: `offset` is the byte in `path` where it shows."""

    path: Path
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.path.name} at byte {self.offset}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment file: its header, and where its sound slots are."""

    path: Path
    run: str
    role: str
    host: str
    boot_id: str
    pid: int
    wall_ns: int
    mono_ns: int
    closed: bool
    kinds: list[tuple[str, str]]
    used: int  # slots up to the last one that was claimed
    damaged: list[int]  # those of them that cannot be true

    def __len__(self) -> int:
        return self.used - len(self.damaged)

    @property
    def slots(self) -> Slots:
        """The sound slots, of dtype `SLOT`, read from the file each time: a ledger may be larger than memory.

        Raises OSError when the file is gone or has become shorter.
        """
        slots = np.fromfile(self.path, SLOT, self.used, offset=record.HEADER_BYTES)
        if len(slots) < self.used:
            raise OSError(f"{self.path} has become shorter while it was in use")
        return np.delete(slots, self.damaged) if self.damaged else slots


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """All segments below a directory, with everything that is wrong with them."""

    segments: list[Segment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _DamageError(Exception):
    """The header cannot be used, so neither can what follows."""

    def __init__(self, offset: int, what: str) -> None:
        self.offset, self.what = offset, what
        super().__init__(what)


def read_ledger(directory: Path) -> Ledger:
    """Read every segment below `directory`. Damaged parts become `problems`; what is sound is still returned."""
    ledger = Ledger()
    for path in sorted(directory.rglob(f"*{record.STOPPED_SUFFIX}")):
        what = "recording stopped here: no room for a segment. Free disk space and run again"
        ledger.problems.append(Problem(path=path, offset=0, what=what))
    for segment, problems in ahead(read_segment, sorted(directory.rglob(f"*{record.SUFFIX}"))):
        ledger.problems.extend(problems)
        if segment is not None:
            ledger.segments.append(segment)
    boots = {segment.boot_id for segment in ledger.segments}
    if len(boots) > 1:
        what = f"segments of {len(boots)} boots or hosts lie together: their clocks do not compare"
        ledger.problems.append(Problem(path=directory, offset=0, what=what))
    return ledger


def read_segment(path: Path) -> tuple[Segment | None, list[Problem]]:
    """Read one segment file: what could be read of it (None if nothing), and what is wrong with it."""
    data = np.fromfile(path, np.uint8)
    try:
        fields, facts, kinds = _read_header(data)
    except _DamageError as damage:
        return None, [Problem(path=path, offset=damage.offset, what=damage.what)]
    capacity = fields[3]
    problems: list[Problem] = []
    expected = record.HEADER_BYTES + capacity * record.SLOT_BYTES
    if len(data) != expected:
        what = f"truncated: {len(data)} bytes of {expected}"
        problems.append(Problem(path=path, offset=min(len(data), expected), what=what))
    whole = (min(len(data), expected) - record.HEADER_BYTES) // record.SLOT_BYTES
    body = data[record.HEADER_BYTES : record.HEADER_BYTES + whole * record.SLOT_BYTES]
    slots = _used(body.view(SLOT))
    faults = _faults(slots, len(kinds))
    problems += [
        Problem(path=path, offset=record.HEADER_BYTES + index * record.SLOT_BYTES, what=what) for index, what in faults
    ]
    segment = Segment(
        path=path, run=facts["run"], role=facts["role"], host=facts["host"], boot_id=facts["boot_id"],
        pid=fields[6], wall_ns=fields[4], mono_ns=fields[5], closed=fields[7] == record.STATE_CLOSED,
        kinds=kinds, used=len(slots), damaged=sorted({index for index, _ in faults}),
    )  # fmt: skip
    return segment, problems


def _read_header(data: npt.NDArray[np.uint8]) -> tuple[tuple[int, ...], dict[str, str], list[tuple[str, str]]]:
    if len(data) < record.HEADER_BYTES:
        raise _DamageError(len(data), f"truncated in its header: {len(data)} bytes of {record.HEADER_BYTES}")
    raw = data[: record.HEADER_BYTES].tobytes()
    fields = record.HEADER.unpack_from(raw)
    if fields[0] != record.MAGIC:
        raise _DamageError(0, f"not a ledger segment: it starts with {fields[0]!r}")
    if fields[1:3] != (record.VERSION, record.SLOT_BYTES):
        what = f"version {fields[1]} with {fields[2]}-byte slots; this reader knows version {record.VERSION}"
        raise _DamageError(8, what + f" with {record.SLOT_BYTES}")
    text = raw[record.TEXT_OFFSET : record.TEXT_OFFSET + fields[8]]
    try:
        first, *rest = text.splitlines()
        facts = {key: str(json.loads(first)[key]) for key in ("run", "role", "host", "boot_id")}
        kinds = [(str(name), str(queue)) for name, queue in map(json.loads, rest)]
    except (ValueError, KeyError, TypeError) as error:
        raise _DamageError(record.TEXT_OFFSET, f"the header's text cannot be read: {error}") from error
    return fields, facts, kinds


def _used(slots: Slots) -> Slots:
    """Cut off the unused tail."""
    claimed = slots["type"].nonzero()[0]
    return slots[: int(claimed[-1]) + 1 if len(claimed) else 0]


def _faults(slots: Slots, kinds: int) -> list[tuple[int, str]]:
    """Return index and fault of every slot that cannot be true, in order."""
    known = (slots["type"] != 0) & (slots["type"] <= record.RUN) & (slots["kind"] < max(kinds, 1))
    suspects = (~known | _nameless(slots) | _negative(slots)).nonzero()[0]
    if not len(suspects):
        return []
    slots = slots[suspects]
    claimed = slots["type"] != 0
    nameless = _nameless(slots)
    written = (slots["w"] != 0).any(axis=1) | ~nameless
    bad = {
        "an empty slot before used ones: torn, or its writer was killed in the act": ~claimed & ~written,
        "stamps without a claim": ~claimed & written,
        "unknown record type": claimed & (slots["type"] > record.RUN),
        "no task id": claimed & nameless,
        f"kind outside of the header's list of {kinds}": claimed & (slots["kind"] >= max(kinds, 1)),
        "negative stamp": _negative(slots),
    }
    return sorted((int(suspects[at]), what) for what, where in bad.items() for at in where.nonzero()[0])


def _nameless(slots: Slots) -> npt.NDArray[np.bool_]:
    """Tell which slots have no task id. By words, since numpy compares bytes one by one."""
    words = as_words(slots)
    nameless: npt.NDArray[np.bool_] = words[:, 4] & ID_END == 0
    for column in range(4):
        nameless &= words[:, column] == 0
    return nameless


def _negative(slots: Slots) -> npt.NDArray[np.bool_]:
    """Tell which slots have a negative one among the five stamps that both record types have."""
    negative: npt.NDArray[np.bool_] = slots["w"][:, 0] < 0
    for column in range(1, 5):
        negative |= slots["w"][:, column] < 0
    return negative

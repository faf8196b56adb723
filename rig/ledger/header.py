"""Reads a segment's header, for both readers: what it says is of the right type and can be printed, or is damage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rig.ledger import layout

ROOM = layout.HEADER_BYTES - layout.TEXT_OFFSET  # bytes of text that a header can hold


class DamageError(Exception):
    """The header cannot be used, so neither can what follows: `what` is wrong at byte `offset` of the file."""

    def __init__(self, offset: int, what: str) -> None:
        self.offset, self.what = offset, what
        super().__init__(f"at byte {offset}: {what}")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a segment says of itself: `rig.ledger.layout` has the format."""

    capacity: int
    wall_ns: int
    mono_ns: int
    pid: int
    closed: bool
    run: str
    role: str
    host: str
    boot_id: str
    kinds: list[tuple[str, str]]

    @property
    def file_bytes(self) -> int:
        """The length of the whole file."""
        return layout.HEADER_BYTES + self.capacity * layout.SLOT_BYTES


def parse(raw: bytes) -> Header:
    """Return what the first `HEADER_BYTES` of a file say. Raises DamageError."""
    if len(raw) < layout.HEADER_BYTES:
        raise DamageError(len(raw), f"truncated in its header: {len(raw)} bytes of {layout.HEADER_BYTES}")
    magic, version, slot_bytes, capacity, wall_ns, mono_ns, pid, state, length = layout.HEADER.unpack_from(raw)
    if magic != layout.MAGIC:
        raise DamageError(0, f"not a ledger segment: it starts with {magic!r}")
    if (version, slot_bytes) != (layout.VERSION, layout.SLOT_BYTES):
        what = f"version {version} with {slot_bytes}-byte slots; this reader knows version {layout.VERSION}"
        raise DamageError(8, what + f" with {layout.SLOT_BYTES}")
    if length > ROOM:
        raise DamageError(layout.TEXT_LENGTH_OFFSET, f"a text of {length} bytes, where there is room for {ROOM}")
    facts, kinds = _texts(raw[layout.TEXT_OFFSET : layout.TEXT_OFFSET + length])
    return Header(
        capacity=capacity, wall_ns=wall_ns, mono_ns=mono_ns, pid=pid, closed=state == layout.STATE_CLOSED,
        kinds=kinds, **facts,
    )  # fmt: skip


def _texts(text: bytes) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the facts of the first line, and the kinds of all others. Raises DamageError."""
    first, *rest = text.split(b"\n")
    if rest and not rest[-1]:
        rest.pop()  # each line ends in a newline, the last one too
    offset = layout.TEXT_OFFSET
    facts = _line(first, offset)
    if not isinstance(facts, dict):
        raise DamageError(offset, "the header's first line is no JSON object")
    known = {name: _text(facts.get(name), offset, name) for name in ("run", "role", "host", "boot_id")}
    kinds = []
    for line in rest:
        offset += len(first) + 1
        first = line
        pair = _line(line, offset)
        if not isinstance(pair, list) or len(pair) != 2:
            raise DamageError(offset, "a line of the header is no pair of task name and queue")
        kinds.append((_text(pair[0], offset, "task name"), _text(pair[1], offset, "queue")))
    return known, kinds


def _line(line: bytes, offset: int) -> Any:
    """Return the value that a line holds in JSON. All of it is ASCII: the writer escapes everything else."""
    try:
        return json.loads(line.decode("ascii"))
    except UnicodeDecodeError as error:
        raise DamageError(offset + error.start, "the header's text is not ASCII") from error
    except (ValueError, RecursionError) as error:
        raise DamageError(offset, f"the header's text cannot be read: {error}") from error


def _text(value: Any, offset: int, what: str) -> str:
    """Return `value` if it is a text that can be written as UTF-8: JSON can also hold half of a surrogate pair."""
    try:
        if isinstance(value, str):
            value.encode()
            return value
    except UnicodeEncodeError as error:
        raise DamageError(offset, f"the {what} in the header has half of a surrogate pair") from error
    raise DamageError(offset, f"the {what} in the header is no text")

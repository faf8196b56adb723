"""Reads ledger segments back, and reports every damage with its file and offset: nothing is skipped in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig.ledger import header, layout, sound
from rig.ledger.read_ahead import ahead
from rig.ledger.sound import Words

# One slot as it lies in the file; `w` holds words 5 to 15.
SLOT = np.dtype([("id", "S36"), ("kind", "<u2"), ("retries", "u1"), ("type", "u1"), ("w", "<i8", (11,))])
_HEAD = [("id", "S36"), ("kind", "<u2"), ("retries", "u1"), ("type", "u1")]
# The same 128 bytes by what they mean in the two kinds of record.
SEND_SLOT = np.dtype([
    *_HEAD, *((name, "<i8") for name in layout.SEND_STAMPS), ("parent", "S36"), ("_pad", "S4"), ("expires", "<i8"),
])  # fmt: skip
RUN_SLOT = np.dtype([
    *_HEAD, *((name, "<i8") for name in layout.RUN_STAMPS), ("outcome", "<i8"), ("_spare", "<i8", (3,)),
])  # fmt: skip
Slots = npt.NDArray[np.void]
NEAR = 4096  # slots that are looked at together: they are passed a dozen times, and fit into a processor's own cache


def as_words(slots: Slots) -> Words:
    """Return the same memory as an array of shape (slots, 16)."""
    return slots.view(np.uint64).reshape(len(slots), layout.SLOT_WORDS)


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
        # A file's name may hold bytes that are no UTF-8, which cannot be printed.
        name = self.path.name.encode(errors="backslashreplace").decode()
        return f"{name} at byte {self.offset}: {self.what}"


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
        slots = np.fromfile(self.path, SLOT, self.used, offset=layout.HEADER_BYTES)
        if len(slots) < self.used:
            raise OSError(f"{self.path} has become shorter while it was in use")
        return np.delete(slots, self.damaged) if self.damaged else slots


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """All segments below a directory, with everything that is wrong with them."""

    segments: list[Segment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_ledger(directory: Path) -> Ledger:
    """Read every segment below `directory`. Damaged parts become `problems`; what is sound is still returned."""
    ledger = Ledger()
    for path in sorted(directory.rglob(f"*{layout.STOPPED_SUFFIX}")):
        what = "recording stopped here: no room for a segment. Free disk space and run again"
        ledger.problems.append(Problem(path=path, offset=0, what=what))
    for segment, problems in ahead(read_segment, sorted(directory.rglob(f"*{layout.SUFFIX}"))):
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
    try:
        data = _bytes(path)
        head = header.parse(data[: layout.HEADER_BYTES].tobytes())
    except OSError as error:
        return None, [Problem(path=path, offset=0, what=f"cannot be read: {error.strerror}")]
    except header.DamageError as damage:
        return None, [Problem(path=path, offset=damage.offset, what=damage.what)]
    slots, problems = _whole_slots(path, data, head)
    faults = _faults(slots, len(head.kinds))
    problems += [
        Problem(path=path, offset=layout.HEADER_BYTES + index * layout.SLOT_BYTES, what=what) for index, what in faults
    ]
    segment = Segment(
        path=path, run=head.run, role=head.role, host=head.host, boot_id=head.boot_id, pid=head.pid,
        wall_ns=head.wall_ns, mono_ns=head.mono_ns, closed=head.closed, kinds=head.kinds, used=len(slots),
        damaged=sorted({index for index, _ in faults}),
    )  # fmt: skip
    return segment, problems


def _bytes(path: Path) -> npt.NDArray[np.uint8]:
    """Return what is in a file. Raises OSError, also for what is no file: to read a pipe would take for ever."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is no regular file")
    return np.fromfile(path, np.uint8)


def _whole_slots(path: Path, data: npt.NDArray[np.uint8], head: header.Header) -> tuple[Slots, list[Problem]]:
    """Return the used slots that lie in the file as a whole, and what is wrong with the file's length."""
    expected, problems = head.file_bytes, []
    if len(data) != expected:
        wrong = "truncated" if len(data) < expected else "longer than its header says"
        what = f"{wrong}: {len(data)} bytes of {expected}"
        problems.append(Problem(path=path, offset=min(len(data), expected), what=what))
    whole = (min(len(data), expected) - layout.HEADER_BYTES) // layout.SLOT_BYTES
    body = data[layout.HEADER_BYTES : layout.HEADER_BYTES + whole * layout.SLOT_BYTES]
    return _used(body.view(SLOT)), problems


def _used(slots: Slots) -> Slots:
    """Cut off the unused tail."""
    claimed = slots["type"].nonzero()[0]
    return slots[: int(claimed[-1]) + 1 if len(claimed) else 0]


def _faults(slots: Slots, kinds: int) -> list[tuple[int, str]]:
    """Return index and fault of every slot that cannot be true, in order."""
    words, found = as_words(slots), []
    for begin in range(0, len(words), NEAR):
        some = words[begin : begin + NEAR]
        suspects = (sound.unsound(some, kinds) | sound.unsound_sends(some)).nonzero()[0]
        if len(suspects):
            for what, where in sound.faults(some[suspects], kinds).items():
                found += [(begin + int(suspects[at]), what) for at in where.nonzero()[0]]
    return sorted(found)

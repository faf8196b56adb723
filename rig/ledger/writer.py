"""Writes a process's ledger: claims slots in memory-mapped segment files and hands them out to be stamped.

    slot = writer.claim_run(task_id, kind)      # once a task and process
    view, base = slot
    view[base + record.STARTED] = monotonic_ns()  # a stamp is one store into mapped memory

The kernel owns the pages, so what was stamped survives SIGKILL of the process and of its container.
Standard library only: this lives inside other people's workers. Nothing here raises into its caller once
the writer exists; what cannot be recorded is said once on stderr and marked for the reader.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import mmap
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rig.ledger import layout

Slot = tuple[memoryview, int]  # (the segment as 64-bit words, index of the slot's first word)

MADV_POPULATE_WRITE = 23  # Linux 5.14; Python has no name for it. Takes the page faults out of the hot path.
FIRST_SLOTS = 512  # a short-lived pool process shall not cost megabytes
GROWTH = 4
FACTS_ROOM = 1024  # bytes of the header's text kept for its first line
MOST_LETTERS = 255  # of a task's name and of a queue's: AMQP has none that are longer
MOST_RETRIES = 255  # what a slot has room for


class _Segment:
    """One mapped file; `next_slot()` hands out its slots, whose first words are `bases`, and ends in StopIteration.

    `zip` makes the slot in C and in one step, so threads need no lock and a claim compares nothing. `slots` is that
    iterator itself, for the compiled hooks.
    """

    __slots__ = ("buffer", "next_slot", "slots")

    def __init__(self, buffer: mmap.mmap | bytearray, bases: Iterable[int]) -> None:
        self.buffer = buffer
        self.slots: Iterator[Slot] = zip(itertools.repeat(memoryview(buffer).cast("q")), bases)
        self.next_slot: Callable[[], Slot] = self.slots.__next__

    def set_header(self, offset: int, value: int) -> None:
        self.buffer[offset : offset + 4] = value.to_bytes(4, "little")


def _unopened() -> _Segment:
    """A segment that is full from the start: the first claim opens a real one, in the process that makes it."""
    return _Segment(bytearray(), ())


def _scratch() -> _Segment:
    """One slot that everybody overwrites and nobody reads: where stamps go when recording has stopped."""
    buffer = bytearray(layout.HEADER_BYTES + layout.SLOT_BYTES)
    return _Segment(buffer, itertools.repeat(layout.HEADER_BYTES // 8))


def pack_id(task_id: Any) -> bytes:
    """Return the bytes that stand for `task_id` in a slot: its 1 to 36 letters of ASCII, or 36 hex digits of a hash.

    Whatever else an id is, it has a hash: empty, longer, of other letters, ending in NUL, with half of a surrogate pair
    (JSON can hold that, UTF-8 cannot), or no text at all. Anyone who can publish can make a message with such an id: it
    must not look like damage, nor raise in a worker.
    """
    if not isinstance(task_id, str):
        raw = _shown(task_id)
    else:
        raw = task_id.encode(errors="surrogatepass")
        if task_id.isascii() and len(raw) <= layout.ID_BYTES and raw.rstrip(b"\0") == raw != b"":
            return raw
    return hashlib.blake2b(raw, digest_size=layout.ID_BYTES // 2).hexdigest().encode()


def _shown(value: Any) -> bytes:
    """Return what tells a value from others that are no texts: the same in each process that gets the message."""
    try:
        return repr(value).encode(errors="surrogatepass")
    except Exception:  # of a class of the application's own, or nested too deep
        return type(value).__name__.encode(errors="surrogatepass")


def _plain(text: Any) -> str:
    """Return `text` as something that every reader can print, and not so long that it fills a header."""
    return str(text)[:MOST_LETTERS].encode(errors="backslashreplace").decode()


class Writer:
    """The ledger of one process; a fork gets its own files by itself.

    `directory` must exist and be writable. `role` (for example "short") and `run_id` go into each segment's header.
    Segments start at 512 slots and grow to `slots`; files are opened at the first claim.
    """

    def __init__(self, directory: Path, role: str, run_id: str = "", slots: int = 16384) -> None:
        self._directory = Path(directory)
        self._role = role
        self._run_id = run_id
        self._max_slots = slots
        self._slots = min(FIRST_SLOTS, slots)
        self._kinds: dict[tuple[str, str], int] = {}
        self._kind_lines = b""
        self._facts_bytes = 0
        self._count = itertools.count()
        self._lock = threading.RLock()
        self.segment = _unopened()
        self._claim_send = self._claimer(layout.SEND)
        self.claim_received = self._claimer(layout.RUN)
        os.register_at_fork(after_in_child=self._after_fork)

    def kind(self, name: str, queue: str) -> int:
        """Return the index that stands for (task name, queue) in this process's slots."""
        try:
            return self._kinds[name, queue]
        except KeyError:
            with self._lock:
                if not self._kinds:
                    self._add_kind("", "")  # index 0: what kinds that do not fit are filed under
                index = self._kinds.get((name, queue))
                return self._add_kind(name, queue) if index is None else index

    def claim_send(self, task_id: Any, kind: int, retries: Any = 0) -> Slot:
        """Claim the slot of one attempt to publish `task_id`, whatever a caller passes as id and retries."""
        return self._claim_send(task_id, kind, retries, 0)

    def claim_run(self, task_id: Any, kind: int, retries: Any = 0) -> Slot:
        """Claim the slot of one delivery of `task_id` in this process: of any that a message can have."""
        return self.claim_received(task_id, kind, retries, 0)

    def set_parent(self, slot: Slot, parent_id: Any) -> None:
        """Name the task that sent this one (SEND slots only)."""
        words, base = slot
        raw = pack_id(parent_id)
        end = base * 8 + layout.PARENT * 8 + len(raw)
        words.cast("B")[end - len(raw) : end] = raw

    def close(self) -> None:
        """End the ledger of this process in good order; later claims are not recorded."""
        with self._lock:
            segment, self.segment = self.segment, _scratch()
            self._retire(segment)

    def _claimer(self, record_type: int) -> Callable[[Any, int, Any, int], Slot]:
        """Return the function that claims slots of one type, with word 5 as its last argument (`received`, `planned`).

        A closure over locals and one call deep: each attribute on the way would be paid for with every task.
        """
        pack_into, longest = layout.CLAIM.pack_into, layout.ID_BYTES

        def claim(task_id: Any, kind: int, retries: Any, first_stamp: int) -> Slot:
            try:
                raw = task_id.encode()
                if len(raw) != len(task_id) or len(raw) > longest or not raw[-1]:
                    raise ValueError
            except (AttributeError, ValueError, IndexError):
                raw = pack_id(task_id)
            if retries != 0:
                retries = min(max(retries, 0), MOST_RETRIES) if isinstance(retries, int) else 0
            while True:
                segment = self.segment
                try:
                    slot = segment.next_slot()
                except StopIteration:
                    self._roll(segment)
                else:
                    pack_into(segment.buffer, slot[1] * 8, raw, kind, retries, record_type, first_stamp)
                    return slot

        return claim

    def _roll(self, full: _Segment) -> None:
        """Replace the full segment by a fresh one, or by scratch memory when there is no room for one."""
        with self._lock:
            if self.segment is not full:
                return  # another thread was faster
            path = self._next_path()
            try:
                self.segment = self._open(path)
            except (OSError, ValueError) as error:
                self._stop(path, error)
            else:
                self._slots = min(self._slots * GROWTH, self._max_slots)
            self._retire(full)

    def _next_path(self) -> Path:
        stem = f"{self._role}-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns():x}-{next(self._count)}"
        return self._directory / (stem.replace("/", "_") + layout.SUFFIX)

    def _open(self, path: Path) -> _Segment:
        size = layout.HEADER_BYTES + self._slots * layout.SLOT_BYTES
        # Filled under another name and then renamed, so that a reader never meets a file without a header.
        fresh = path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            # A store into a mapped hole of a full disk is SIGBUS, which would kill the worker: allocate first.
            os.posix_fallocate(fd, 0, size)
            # The lock tells followers that the writer lives. It belongs to the open file, which the mapping
            # below keeps open (mmap duplicates the descriptor), so it goes when the last slot is let go.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mapped = mmap.mmap(fd, size)
            with contextlib.suppress(OSError):
                mapped.madvise(MADV_POPULATE_WRITE)
            segment = _Segment(mapped, range(layout.HEADER_BYTES // 8, size // 8, layout.SLOT_WORDS))
            self._write_header(segment)
            fresh.rename(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return segment

    def _write_header(self, segment: _Segment) -> None:
        host = socket.gethostname()
        facts = {"run": self._run_id[:128], "role": self._role[:128], "host": host, "boot_id": _boot_id()}
        facts = {name: _plain(text) for name, text in facts.items()}
        line = json.dumps(facts).encode() + b"\n"
        text = line + self._kind_lines
        segment.buffer[layout.TEXT_OFFSET : layout.TEXT_OFFSET + len(text)] = text
        layout.HEADER.pack_into(
            segment.buffer, 0, layout.MAGIC, layout.VERSION, layout.SLOT_BYTES, self._slots,
            time.time_ns(), time.monotonic_ns(), os.getpid(), layout.STATE_OPEN, len(text),
        )  # fmt: skip
        self._facts_bytes = len(line)

    def _add_kind(self, name: str, queue: str) -> int:
        """Append the pair to the header's list; one that does not fit any more is filed under index 0."""
        line = json.dumps([_plain(name), _plain(queue)]).encode() + b"\n"
        if FACTS_ROOM + len(self._kind_lines) + len(line) > layout.HEADER_BYTES - layout.TEXT_OFFSET:
            _say(f"the header's list of task names is full: {name!r} on queue {queue!r} is recorded without its name")
            self._kinds[name, queue] = 0
            return 0
        index = self._kinds[name, queue] = self._kind_lines.count(b"\n")
        start = layout.TEXT_OFFSET + self._facts_bytes + len(self._kind_lines)
        self._kind_lines += line
        if isinstance(self.segment.buffer, mmap.mmap):
            self.segment.buffer[start : start + len(line)] = line
            self.segment.set_header(layout.TEXT_LENGTH_OFFSET, self._facts_bytes + len(self._kind_lines))
        return index

    def _retire(self, segment: _Segment) -> None:
        """Mark a segment as taking no more slots; those in it may still be stamped."""
        if isinstance(segment.buffer, mmap.mmap):
            segment.set_header(layout.STATE_OFFSET, layout.STATE_CLOSED)

    def _stop(self, path: Path, error: Exception) -> None:
        self.segment = _scratch()
        _say(f"RECORDING STOPPED: cannot open {path}: {error}. Tasks go on; what they do is no longer recorded.")
        # The reader turns this mark into an invalid run. An empty file often still fits on a full disk.
        with contextlib.suppress(OSError):
            path.with_suffix(layout.STOPPED_SUFFIX).touch()

    def _after_fork(self) -> None:
        """A child opens files of its own at its first claim; the parent's mapping is dropped untouched."""
        self._lock = threading.RLock()
        self._slots = min(FIRST_SLOTS, self._max_slots)
        if not self._is_scratch():
            self.segment = _unopened()

    def _is_scratch(self) -> bool:
        return isinstance(self.segment.buffer, bytearray) and bool(self.segment.buffer)


def _boot_id() -> str:
    """Return what tells this boot of this host from any other: monotonic stamps compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _say(line: str) -> None:
    print(f"celery-rig ledger: {line}", file=sys.stderr, flush=True)

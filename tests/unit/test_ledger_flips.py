"""One flipped byte anywhere in a sound segment: no reader raises, and what is found to be damaged has its place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from exporter.follow import Follower
from exporter.metrics import LedgerCollector
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from rig.ledger import layout
from rig.ledger.account import Account, account
from rig.ledger.parquet import write
from rig.ledger.parts import partitions
from rig.ledger.reader import Ledger, read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Writer

IDS = [f"00000007-0001-4001-8000-{number:012x}" for number in range(3)]
SLOTS = 3 * len(IDS)


def sound() -> bytes:
    """One segment with three tasks: of each the send, by a parent, the delivery and the execution."""
    with tempfile.TemporaryDirectory() as directory:
        writer = Writer(Path(directory), "short", "run-1", slots=SLOTS)
        for number, task_id in enumerate(IDS):
            kind, now = writer.kind("app.noop", f"queue-{number}"), 1000 * (number + 1)
            slots = [writer.claim_send(task_id, kind), writer.claim_run(task_id, kind), writer.claim_run(task_id, kind)]
            writer.set_parent(slots[0], IDS[0])
            stamps = [
                {layout.PLANNED: 1, layout.SENT: 2, layout.PUBLISHED: 3, layout.FETCHED: 9, layout.EXPIRES: 10**18},
                {layout.RECEIVED: 4, layout.ACKED: 8},
                {layout.STARTED: 5, layout.BODY_DONE: 6, layout.STORED: 7, layout.OUTCOME: 1, layout.FINISHED: 8},
            ]
            for (words, base), at in zip(slots, stamps, strict=True):
                for word, value in at.items():
                    words[base + word] = value + (now if word not in (layout.OUTCOME, layout.EXPIRES) else 0)
        writer.close()
        (path,) = Path(directory).glob("*.led")
        return path.read_bytes()


SOUND = sound()
USED_TEXT = layout.TEXT_OFFSET + layout.HEADER.unpack_from(SOUND)[-1]
ANYWHERE = st.one_of(st.integers(0, USED_TEXT - 1), st.integers(layout.HEADER_BYTES, len(SOUND) - 1))


def flipped(at: int, bits: int) -> bytes:
    return SOUND[:at] + bytes([SOUND[at] ^ bits]) + SOUND[at + 1 :]


def use(directory: Path) -> tuple[Ledger, Account]:
    """Do with a ledger all that a reader of it does."""
    ledger = read_ledger(directory)
    tasks = build(ledger)
    drawn = account(tasks, ledger)
    assert sum(map(len, partitions(ledger, directory, 2))) == len(tasks)
    assert write({"": ledger}, directory / "tasks.parquet") == len(tasks)
    table = pq.read_table(directory / "tasks.parquet")
    table.validate(full=True)
    assert table.num_rows == len(tasks)
    return ledger, drawn


def test_the_segment_is_sound_before_anything_is_flipped(tmp_path: Path) -> None:
    (tmp_path / "x.led").write_bytes(SOUND)
    ledger, drawn = use(tmp_path)
    assert ledger.problems == []
    assert (drawn.sent, drawn.succeeded, drawn.lost, drawn.foreign) == (3, 3, [], 0)


@settings(max_examples=100, deadline=None)
@given(at=ANYWHERE, bits=st.integers(1, 255))
@example(at=layout.HEADER_BYTES, bits=0x80)
@example(at=layout.HEADER_BYTES + layout.PARENT * 8, bits=0x80)
@example(at=layout.HEADER_BYTES + 2 * layout.SLOT_BYTES + layout.OUTCOME * 8, bits=0xFF)
@example(at=layout.TEXT_OFFSET + 10, bits=0x80)
def test_a_flipped_byte_ends_no_reader_and_damage_has_its_place(at: int, bits: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.led"
        path.write_bytes(flipped(at, bits))
        ledger, _ = use(Path(directory))
        for problem in ledger.problems:
            assert problem.path == path
            assert 0 <= problem.offset <= len(SOUND)
            if at >= layout.HEADER_BYTES:
                assert problem.offset == at - at % layout.SLOT_BYTES  # where the slot begins
            assert str(problem).isprintable()


@settings(max_examples=60, deadline=None)
@given(at=ANYWHERE, bits=st.integers(1, 255))
@example(at=layout.HEADER_BYTES, bits=0x80)
@example(at=layout.TEXT_OFFSET + 10, bits=0x80)
def test_both_readers_find_the_same_slots_sound(at: int, bits: int) -> None:
    with tempfile.TemporaryDirectory() as directory, contextlib.closing(Follower(Path(directory))) as follower:
        (Path(directory) / "x.led").write_bytes(flipped(at, bits))
        ledger = read_ledger(Path(directory))
        registry = CollectorRegistry()
        registry.register(LedgerCollector(follower))
        generate_latest(registry)
        follower.poll()
        bad = sum(follower.problems[name] for name in ("bad slot", "hole"))
        if not ledger.segments:
            assert follower.problems["unreadable segment"]
        elif "unreadable segment" not in follower.problems:
            damaged = ledger.segments[0].damaged
            unread = [slot for slot in damaged if not_of_the_exporter(ledger, slot)]
            assert bad == len(damaged) - len(unread)


def not_of_the_exporter(ledger: Ledger, slot: int) -> bool:
    """Whether all that is wrong with a slot lies in what the exporter does not read: parent and expires."""
    offset = layout.HEADER_BYTES + slot * layout.SLOT_BYTES
    whats = {problem.what for problem in ledger.problems if problem.offset == offset}
    return whats <= {"a parent's id that is not ASCII", "negative expires"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", b'"\\ud800"'), ("run", b"7"), ("role", b"null"), ("role", b'["short"]'), ("host", b"true"),
        ("host", b'"h\xc3\xb6st"'), ("boot_id", b"NaN"), ("boot_id", b"[" * 5000), ("boot_id", b"9" * 5000),
    ],
)  # fmt: skip
def test_each_text_of_the_header_is_a_text_or_damage(tmp_path: Path, field: str, value: bytes) -> None:
    fields = {"run": b'""', "role": b'"short"', "host": b'"h"', "boot_id": b'"b"'} | {field: value}
    facts = b"{" + b", ".join(b'"%s": %s' % (name.encode(), text) for name, text in fields.items()) + b"}\n"
    damaged_header(tmp_path, facts + b'["app.noop", "short"]\n', 0)


@pytest.mark.parametrize(
    "kind",
    [
        b'["\\ud800", "short"]', b'["app.noop", "\\udfff"]', b'["app.noop", 7]', b'[null, "short"]', b'["app.noop"]',
        b'["app.noop", "short", "more"]', b'"ab"', b"{}", b"7", b"NaN", b"[" * 5000, b'["\xff", "short"]',
        b'[["app.noop"], "short"]', b'{"a": 1, "b": 2}', b"",
    ],
)  # fmt: skip
def test_each_kind_of_the_header_is_two_texts_or_damage(tmp_path: Path, kind: bytes) -> None:
    facts = b'{"run": "", "role": "short", "host": "h", "boot_id": "b"}\n'
    damaged_header(tmp_path, facts + kind + b"\n", len(facts))


def damaged_header(directory: Path, text: bytes, line: int) -> None:
    """Demand that both readers report a header with this text, and where: at the beginning of the line or in it."""
    numbers = (layout.VERSION, layout.SLOT_BYTES, 0, 1, 1, 1, layout.STATE_CLOSED, len(text))
    header = (layout.HEADER.pack(layout.MAGIC, *numbers) + text).ljust(layout.HEADER_BYTES, b"\0")
    (directory / "x.led").write_bytes(header)
    ledger, drawn = use(directory)
    (problem,) = ledger.problems
    end = text.find(b"\n", line)
    assert layout.TEXT_OFFSET + line <= problem.offset <= layout.TEXT_OFFSET + end
    assert drawn.invalid == [str(problem)]
    with contextlib.closing(Follower(directory)) as follower:
        follower.poll()
        assert follower.problems == {"unreadable segment": 1}


def test_a_text_longer_than_the_header_is_damage(tmp_path: Path) -> None:
    numbers = (layout.VERSION, layout.SLOT_BYTES, 0, 1, 1, 1, layout.STATE_CLOSED, 1 << 31)
    (tmp_path / "x.led").write_bytes(layout.HEADER.pack(layout.MAGIC, *numbers).ljust(layout.HEADER_BYTES, b"\0"))
    (problem,) = read_ledger(tmp_path).problems
    assert problem.offset == layout.TEXT_LENGTH_OFFSET


@pytest.mark.parametrize("make", ["directory", "dangling link", "pipe"])
def test_what_cannot_be_read_as_a_file_is_damage(tmp_path: Path, make: str) -> None:
    path = tmp_path / "x.led"
    if make == "directory":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    (problem,) = read_ledger(tmp_path).problems
    assert (problem.path, problem.offset) == (path, 0)

"""The ledger on disk: what is written is what is read, and damage is always reported with its place."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.ledger import layout
from rig.ledger.parquet import write
from rig.ledger.reader import read_ledger, read_segment
from rig.ledger.writer import Writer, pack_id

ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
stamps = st.integers(min_value=1, max_value=2**62)
ONE_EXAMPLE_AT_A_TIME = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def only_segment(directory: Path) -> Path:
    (path,) = directory.glob("*" + layout.SUFFIX)
    return path


@ONE_EXAMPLE_AT_A_TIME
@given(rows=st.lists(st.tuples(ids, ids, ids, st.integers(0, 255), stamps, stamps), min_size=1, max_size=40))
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    directory = tmp_path_factory.mktemp("ledger")
    writer = Writer(directory, "short", "run-1", slots=8)
    for task_id, name, queue, retries, first, second in rows:
        words, base = writer.claim_run(task_id, writer.kind(name, queue), retries)
        words[base + layout.STARTED] = first
        words[base + layout.FINISHED] = second
    ledger = read_ledger(directory)
    assert ledger.problems == []
    read = [
        (bytes(slot["id"]), *segment.kinds[slot["kind"]], int(slot["retries"]), int(slot["w"][1]), int(slot["w"][4]))
        for segment in sorted(ledger.segments, key=lambda segment: int(segment.path.stem.rsplit("-", 1)[1]))
        for slot in segment.slots
    ]
    assert read == [(pack_id(row[0]), *row[1:]) for row in rows]


@ONE_EXAMPLE_AT_A_TIME
@given(cut=st.integers(min_value=0, max_value=layout.HEADER_BYTES + 8 * layout.SLOT_BYTES - 1))
def test_a_truncated_segment_is_reported_at_the_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    directory = tmp_path_factory.mktemp("ledger")
    fill(directory, 8)
    path = only_segment(directory)
    with path.open("r+b") as file:
        file.truncate(cut)
    segment, problems = read_segment(path)
    assert [problem.offset for problem in problems] == [cut]
    assert "truncated" in problems[0].what
    whole = max(0, cut - layout.HEADER_BYTES) // layout.SLOT_BYTES
    assert segment is None if cut < layout.HEADER_BYTES else len(segment.slots) == whole


@ONE_EXAMPLE_AT_A_TIME
@given(index=st.integers(0, 6), length=st.integers(1, 6))
def test_a_zeroed_stretch_is_reported_slot_by_slot(
    tmp_path_factory: pytest.TempPathFactory, index: int, length: int
) -> None:
    directory = tmp_path_factory.mktemp("ledger")
    fill(directory, 8)
    last = min(index + length, 7)  # slot 7 stays, so that the hole lies before a used slot
    overwrite(only_segment(directory), index, bytes((last - index) * layout.SLOT_BYTES))
    _, problems = read_segment(only_segment(directory))
    expected = [layout.HEADER_BYTES + slot * layout.SLOT_BYTES for slot in range(index, last)]
    assert [problem.offset for problem in problems] == expected


@pytest.mark.parametrize(
    ("garbage", "what"),
    [
        (layout.CLAIM.pack(b"x", 99, 0, layout.RUN, 0), "kind"),
        (layout.CLAIM.pack(b"x", 1, 0, 7, 0), "record type"),
        (layout.CLAIM.pack(b"", 1, 0, layout.RUN, 0), "no task id"),
        (layout.CLAIM.pack(b"x", 1, 0, 0, 0), "without a claim"),
        (layout.CLAIM.pack(b"x", 1, 0, layout.RUN, -5), "negative"),
    ],
)
def test_a_slot_that_cannot_be_true_is_reported_and_left_out(tmp_path: Path, garbage: bytes, what: str) -> None:
    fill(tmp_path, 8)
    overwrite(only_segment(tmp_path), 3, garbage)
    segment, problems = read_segment(only_segment(tmp_path))
    assert segment is not None
    assert len(segment.slots) == 7
    assert [problem.offset for problem in problems] == [layout.HEADER_BYTES + 3 * layout.SLOT_BYTES]
    assert what in problems[0].what


@pytest.mark.parametrize("text", ["\ud800", "n" * 5000, "é" * 5000, 7, None, ("a", "b")])
def test_any_name_that_a_message_can_have_makes_a_header_that_can_be_read(tmp_path: Path, text: Any) -> None:
    writer = Writer(tmp_path, "short\udcff", "run\udcff")
    for number, (name, queue) in enumerate([(text, "q"), ("a", text), ("a", "q"), (text, "q")]):
        writer.claim_run(f"id-{number}", writer.kind(name, queue))
    ledger = read_ledger(tmp_path)
    assert ledger.problems == []
    (segment,) = ledger.segments
    assert len(segment.kinds) == 4  # with that of those for whose names there is no room
    kinds = [segment.kinds[kind] for kind in segment.slots["kind"]]
    assert kinds[2] == ("a", "q")
    assert kinds[0] == kinds[3] == (kinds[1][1], "q")
    assert write({"": ledger}, tmp_path / "tasks.parquet") == 4


def test_a_foreign_file_is_no_segment(tmp_path: Path) -> None:
    (tmp_path / "x.led").write_bytes(b"PK" + bytes(layout.HEADER_BYTES))
    ledger = read_ledger(tmp_path)
    assert ledger.segments == []
    assert "not a ledger segment" in ledger.problems[0].what


def test_a_full_disk_stops_recording_and_not_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    writer = Writer(tmp_path, "short")
    for number in range(2000):
        words, base = writer.claim_run(f"id-{number}", writer.kind("a", "q"))
        words[base + layout.STARTED] = 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "RECORDING STOPPED" in lines[0]
    assert "No space left" in lines[0]
    problems = read_ledger(tmp_path).problems
    assert len(problems) == 1
    assert "recording stopped" in problems[0].what


def test_more_kinds_than_the_header_holds_share_one_without_a_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = Writer(tmp_path, "short")
    for number in range(400):
        writer.claim_run("x", writer.kind(f"{'n' * 60}{number}", "queue"))
    ledger = read_ledger(tmp_path)
    assert ledger.problems == []
    (segment,) = ledger.segments
    assert segment.kinds[segment.slots["kind"][0]] == ("n" * 60 + "0", "queue")
    assert segment.kinds[segment.slots["kind"][-1]] == ("", "")
    assert "list of task names is full" in capfd.readouterr().err


def test_what_a_killed_process_and_its_forks_wrote_is_there(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from rig.ledger import layout
        from rig.ledger.writer import Writer
        writer = Writer(Path({str(tmp_path)!r}), "short")
        def write(name):
            words, base = writer.claim_run(name, writer.kind("a", "q"))
            words[base + layout.STARTED] = 7
        write("parent")
        child = os.fork()
        write("child" if child == 0 else "parent again")
        if child:
            os.waitpid(child, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -9
    ledger = read_ledger(tmp_path)
    assert ledger.problems == []
    assert not any(segment.closed for segment in ledger.segments)
    assert sorted(bytes(slot) for segment in ledger.segments for slot in segment.slots["id"]) == [
        b"child", b"parent", b"parent again",
    ]  # fmt: skip
    assert len({segment.pid for segment in ledger.segments}) == 2


def fill(directory: Path, slots: int) -> None:
    writer = Writer(directory, "short", slots=slots)
    kind = writer.kind("a", "q")
    for number in range(slots):
        words, base = writer.claim_run(f"id-{number}", kind)
        words[base + layout.STARTED] = number + 1
    writer.close()


def overwrite(path: Path, slot: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(layout.HEADER_BYTES + slot * layout.SLOT_BYTES)
        file.write(data)

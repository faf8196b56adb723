"""A recording is sent again at the distances it was recorded with, from whatever it was kept in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import BadInput
from rig.ledger import layout, parquet
from rig.ledger.reader import read_ledger
from rig.ledger.writer import Writer
from rig.load.schedule import trace
from rig.load.schedule.arrivals import SECOND_NS
from rig.load.schedule.read_arrivals import parse

MS = 1_000_000
SENT = [5_000 * MS, 5_250 * MS, 5_020 * MS]  # not in order: as several publishers leave them


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A ledger of three tasks, one that a task sent, and one whose sender was not recorded."""
    directory = tmp_path / "ledger"
    directory.mkdir()
    writer = Writer(directory, "web", "r")
    kind = writer.kind("shop.order", "orders")
    for number, sent in enumerate(SENT):
        words, base = writer.claim_send(f"order-{number}", kind)
        words[base + layout.SENT] = sent
    words, base = child = writer.claim_send("child", kind)
    writer.set_parent(child, "order-0")
    words[base + layout.SENT] = 5_900 * MS
    words, base = writer.claim_run("from elsewhere", kind, 0)
    words[base + layout.STARTED] = 4_000 * MS
    writer.close()
    return directory


def test_a_ledger_and_its_parquet_give_the_times_of_what_no_task_sent(recording: Path, tmp_path: Path) -> None:
    assert trace.read(recording) == [0, 20 * MS, 250 * MS]
    table = tmp_path / "tasks.parquet"
    parquet.write({"": read_ledger(recording)}, table)
    assert trace.read(table) == [0, 20 * MS, 250 * MS]


def test_a_replay_may_be_faster(recording: Path) -> None:
    replay = parse({"kind": "trace", "file": str(recording), "speed": 2})
    assert list(replay.times()) == [0, 10 * MS, 125 * MS]
    assert replay.seconds == 0.125
    assert replay.planned


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=50))
def test_seconds_in_a_text_are_read_to_the_nanosecond(tmp_path_factory: pytest.TempPathFactory, ns: list[int]) -> None:
    path = tmp_path_factory.mktemp("trace") / "times.csv"
    path.write_text("\n".join(f"{each // SECOND_NS}.{each % SECOND_NS:09d},app.noop" for each in ns))
    assert trace.read(path) == sorted(each - min(ns) for each in ns)


def test_titles_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("# from the shop\n\nseconds,task\n1.5,a\n\n1.25,b\n2e0\n")
    assert trace.read(path) == [0, 250 * MS, 750 * MS]


def test_every_line_that_is_no_time_is_named(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("seconds\n1\nsoon\n2\nnan\n1;5\n")
    with pytest.raises(BadInput) as refused:
        trace.read(path)
    assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
        f"{path}:{line}" for line in (3, 5, 6)
    ]


@pytest.mark.parametrize("name", ["empty.csv", "broken.parquet", "missing.parquet", "binary.csv", "nothing"])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "broken.parquet").write_text("PAR1 it is not")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe1")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput) as refused:
        trace.read(tmp_path / name)
    (problem,) = refused.value.problems
    assert name in problem
    assert "\n" not in problem

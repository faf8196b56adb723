"""The wrapper around a strategy: takes any message that a broker can hold, never keeps it from the strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kombu.message import Message

from rig.instrument import hot
from rig.ledger.reader import read_ledger
from rig.ledger.writer import Writer, pack_id

ID = "0b5e7c3a-6f1d-4a52-8000-000000000001"
DELAYED = "0." * 27 + "1.short"  # the routing key of native delayed delivery


def deliver(directory: Path, *messages: tuple[dict[str, Any], dict[str, Any]], pool: str = "solo") -> list[Any]:
    """Pass (headers, delivery info) through one wrapped strategy; the messages that the strategy got."""
    writer, running, got = Writer(directory, "short"), hot.Running(), []
    running.serve(f"celery.concurrency.{pool}")
    received = hot.stamp_received(lambda message, *_: got.append(message), "app.noop", writer, running)
    Message.rig_slot = None
    for headers, info in messages:
        received(Message(headers=headers, delivery_info=info), None, None, None, [])
    return got


def rows(directory: Path) -> list[tuple[bytes, int, tuple[str, str]]]:
    (segment,) = read_ledger(directory).segments
    return [(bytes(slot["id"]), int(slot["retries"]), segment.kinds[slot["kind"]]) for slot in segment.slots]


@pytest.mark.parametrize(
    ("headers", "info", "row"),
    [
        ({"id": ID, "retries": 0}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": 3}, {"routing_key": "short"}, (ID.encode(), 3, ("app.noop", "short"))),
        ({"id": ID, "retries": 999}, {"routing_key": "short"}, (ID.encode(), 255, ("app.noop", "short"))),
        ({"id": ID, "retries": None}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": 0}, {}, (ID.encode(), 0, ("app.noop", ""))),
        ({"id": ID, "retries": 0}, {"routing_key": DELAYED}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": "x" * 40, "retries": 0}, {"routing_key": "short"}, (pack_id("x" * 40), 0, ("app.noop", "short"))),
    ],
)
def test_each_message_has_its_row_the_first_time_and_the_second(
    tmp_path: Path, headers: dict[str, Any], info: dict[str, Any], row: tuple[bytes, int, tuple[str, str]]
) -> None:
    assert len(deliver(tmp_path, (headers, info), (headers, info))) == 2
    assert rows(tmp_path) == [row, row]


@pytest.mark.parametrize("headers", [{}, {"id": None}, {"id": 7, "retries": 0}])
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_a_message_without_a_usable_id_reaches_the_strategy_unrecorded(
    tmp_path: Path, headers: dict[str, Any], pool: str
) -> None:
    info = {"routing_key": "short"}
    good = ({"id": ID, "retries": 0}, info)
    assert len(deliver(tmp_path, good, (headers, info), good, pool=pool)) == 3
    assert len(rows(tmp_path)) == 2


def test_segments_rotate_under_the_fast_path(tmp_path: Path) -> None:
    deliver(tmp_path, *[({"id": f"{number:036}", "retries": 0}, {"routing_key": "short"}) for number in range(3000)])
    segments = sorted(read_ledger(tmp_path).segments, key=lambda segment: segment.mono_ns)
    assert [len(segment.slots) for segment in segments] == [512, 2048, 440]
    ids = [int(slot) for segment in segments for slot in segment.slots["id"]]
    assert ids == list(range(3000))

"""The wrappers that every task passes: any message that a broker can hold, any signature that a task can have."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import amqp
import pytest
from kombu.message import Message
from kombu.transport import pyamqp

from rig.instrument import hot, worker
from rig.ledger import record
from rig.ledger.reader import read_ledger
from rig.ledger.writer import Writer, pack_id

ID = "0b5e7c3a-6f1d-4a52-8000-000000000001"
DELAYED = "0." * 27 + "1.short"  # the routing key of native delayed delivery


def deliver(directory: Path, *messages: tuple[dict[str, Any], dict[str, Any]], pool: str = "solo") -> list[Any]:
    """Pass (headers, delivery info) through one wrapped strategy; the messages that the strategy got."""
    writer, running, got = Writer(directory, "short"), hot.Running(), []
    running.serve(f"celery.concurrency.{pool}")
    received = hot.stamp_received(lambda message, *_: got.append(message), "app.noop", writer, running)
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


def plain() -> str:
    return "plain"


def taking(*numbers: int, word: str = "") -> tuple[tuple[int, ...], str]:
    return numbers, word


@functools.wraps(plain)
def decorated(*numbers: int) -> int:  # says that it takes nothing, as Celery's autoretry and users' decorators do
    return len(numbers)


class Bound:
    def nothing(self) -> str:
        return "bound"

    def one(self, number: int = 1) -> int:
        return number


@pytest.mark.parametrize(
    ("run", "args", "kwargs", "result", "bare"),
    [
        (plain, (), {}, "plain", True),
        (Bound().nothing, (), {}, "bound", True),
        (Bound().one, (2,), {}, 2, False),
        (Bound().one, (), {"number": 3}, 3, False),
        (taking, (1, 2), {"word": "x"}, ((1, 2), "x"), False),
        (decorated, (1, 2), {}, 2, False),
        (len, ("abc",), {}, 3, False),
    ],
)
def test_a_body_gets_its_arguments_and_its_stamp(
    tmp_path: Path, run: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, bare: bool
) -> None:
    writer, running = Writer(tmp_path, "short"), hot.Running()
    words, base = running.current.slot = writer.claim_run(ID, writer.kind("app.noop", "short"))
    assert hot.takes_nothing(run) is bare
    assert hot.stamp_body(run, running)(*args, **kwargs) == result
    assert words[base + record.BODY_DONE] > 0


def delivered() -> amqp.Message:
    message = amqp.Message("")
    message.delivery_info = {"delivery_tag": 1}
    return message


@pytest.mark.parametrize("roomy", [False, True])
def test_an_ack_stamps_the_message_of_a_task_and_passes_any_other(tmp_path: Path, roomy: bool) -> None:
    writer, acks = Writer(tmp_path, "short"), []
    kind = worker.roomy(pyamqp.Message) if roomy else pyamqp.Message
    message, other = (kind(delivered()) for _ in range(2))
    words, base = message.rig_slot = writer.claim_run(ID, writer.kind("app.noop", "short"))
    acked = hot.stamp_ack(lambda message, _: acks.append(message))
    acked(message)
    acked(other)
    assert acks == [message, other]
    assert words[base + record.ACKED] > 0
    assert ("rig_slot" in message.__dict__) is not roomy

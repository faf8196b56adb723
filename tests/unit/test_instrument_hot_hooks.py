"""The wrappers that every task passes: any message that a broker can hold, any signature that a task can have.

Each test runs on the Python functions and on the compiled objects. What only these can do wrong: test_instrument_fast.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from celery import states
from celery.exceptions import Reject
from kombu.message import Message
from kombu.transport import pyamqp

from rig.instrument import hot_hooks, worker
from rig.instrument.running import Running
from rig.ledger import layout
from rig.ledger.account import account
from rig.ledger.reader import as_words, read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Writer, pack_id

ID = "0b5e7c3a-6f1d-4a52-8000-000000000001"
DELAYED = "0." * 27 + "1.short"  # the routing key of native delayed delivery


@pytest.fixture(params=["python", "compiled"], autouse=True)
def _implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_hooks, "fast", request.getfixturevalue("rig_fast") if request.param == "compiled" else None)


class OddDict(dict[str, Any]):
    """Not the type that kombu makes, with the same contents."""


class OddStr(str):
    __slots__ = ()


def deliver(directory: Path, *messages: tuple[dict[str, Any], dict[str, Any]], pool: str = "solo") -> list[Any]:
    """Pass (headers, delivery info) through one wrapped strategy; the messages that the strategy got."""
    writer, running, got = Writer(directory, "short"), Running(), []
    running.serve(f"celery.concurrency.{pool}")
    received = hot_hooks.stamp_received(lambda message, *_: got.append(message), "app.noop", writer, running)
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
        ({"id": "x" * 37, "retries": 0}, {"routing_key": "short"}, (pack_id("x" * 37), 0, ("app.noop", "short"))),
        ({"id": "é" * 18, "retries": 0}, {"routing_key": "short"}, (pack_id("é" * 18), 0, ("app.noop", "short"))),
        ({"id": "é" * 19, "retries": 0}, {"routing_key": "short"}, (pack_id("é" * 19), 0, ("app.noop", "short"))),
        ({"id": "7", "retries": 0}, {"routing_key": "short"}, (b"7", 0, ("app.noop", "short"))),
        ({"id": "\ud800", "retries": 0}, {"routing_key": "short"}, (pack_id("\ud800"), 0, ("app.noop", "short"))),
        ({"id": "x" * 5000, "retries": 0}, {"routing_key": "short"}, (pack_id("x" * 5000), 0, ("app.noop", "short"))),
        ({"id": "", "retries": 0}, {"routing_key": "short"}, (pack_id(""), 0, ("app.noop", "short"))),
        ({"id": "\0" * 36, "retries": 0}, {"routing_key": "short"}, (pack_id("\0" * 36), 0, ("app.noop", "short"))),
        ({"id": "7\0", "retries": 0}, {"routing_key": "short"}, (pack_id("7\0"), 0, ("app.noop", "short"))),
        ({"id": 7, "retries": 0}, {"routing_key": "short"}, (pack_id(7), 0, ("app.noop", "short"))),
        ({"id": None, "retries": 0}, {"routing_key": "short"}, (pack_id(None), 0, ("app.noop", "short"))),
        ({"id": [ID], "retries": 0}, {"routing_key": "short"}, (pack_id([ID]), 0, ("app.noop", "short"))),
        ({"task": "app.noop", "retries": 0}, {"routing_key": "short"}, (pack_id(None), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": -1}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": 2.5}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": "many"}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": [1]}, {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": ID, "retries": 0}, {"routing_key": ["short"]}, (ID.encode(), 0, ("app.noop", ""))),
        ({"id": ID, "retries": 0}, {"routing_key": 7}, (ID.encode(), 0, ("app.noop", ""))),
        ({"id": ID, "retries": True}, {"routing_key": "short"}, (ID.encode(), 1, ("app.noop", "short"))),
        ({"id": ID, "retries": 0}, {"routing_key": None}, (ID.encode(), 0, ("app.noop", ""))),
        (OddDict(id=ID, retries=0), {"routing_key": "short"}, (ID.encode(), 0, ("app.noop", "short"))),
        ({"id": OddStr(ID), "retries": 0}, OddDict(routing_key="short"), (ID.encode(), 0, ("app.noop", "short"))),
    ],
)
def test_each_message_has_its_row_the_first_time_and_the_second(
    tmp_path: Path, headers: dict[str, Any], info: dict[str, Any], row: tuple[bytes, int, tuple[str, str]]
) -> None:
    assert len(deliver(tmp_path, (headers, info), (headers, info))) == 2
    assert rows(tmp_path) == [row, row]


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_a_message_of_protocol_1_reaches_the_strategy_unrecorded(tmp_path: Path, pool: str) -> None:
    info = {"routing_key": "short"}
    good = ({"id": ID, "retries": 0}, info)
    assert len(deliver(tmp_path, good, ({}, info), good, pool=pool)) == 3
    assert len(rows(tmp_path)) == 2


FOREIGN = ["", "\0" * 36, 7, 2.5, None, True, [], {}, [[ID]], "x" * 5000, "é" * 18, "\ud800", b"raw"]


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_what_a_stranger_sends_is_counted_and_is_no_damage(tmp_path: Path, pool: str) -> None:
    info = {"routing_key": "short"}
    odd = [({"id": task_id, "task": "app.noop", "retries": 0}, info) for task_id in FOREIGN]
    got = deliver(tmp_path, *odd, *odd, pool=pool)
    assert len(got) == 2 * len(FOREIGN)
    ledger = read_ledger(tmp_path)
    drawn = account(build(ledger), ledger)
    assert (drawn.invalid, drawn.foreign, drawn.unexpected) == ([], 2 * len(FOREIGN), [])
    assert all(message.rig_slot for message in got)  # for what befalls it: ack, reject, outcome


@pytest.mark.parametrize("task_id", [each for each in FOREIGN if not isinstance(each, list | dict)])
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_what_a_stranger_has_executed_is_one_unexpected_task(tmp_path: Path, pool: str, task_id: Any) -> None:
    writer, running = Writer(tmp_path, "short"), Running()
    running.serve(f"celery.concurrency.{pool}")
    trace = hot_hooks.stamp_trace(lambda *_: (None, None), "app.noop", writer, running)
    received = hot_hooks.stamp_received(lambda message, *_: message, "app.noop", writer, running)
    for _ in range(2):
        received(Message(headers={"id": task_id, "retries": 0}, delivery_info={"routing_key": "short"}), *[None] * 4)
    trace(task_id, (), {}, {"retries": "no number", "delivery_info": {"routing_key": 7}})
    ledger = read_ledger(tmp_path)
    drawn = account(build(ledger), ledger)
    assert (drawn.invalid, drawn.foreign, drawn.unexpected) == ([], 0, [pack_id(task_id).decode()])


@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_every_delivery_is_stamped_and_left_where_ack_and_tracer_look(tmp_path: Path, pool: str, roomy: bool) -> None:
    kind = worker.roomy(Message) if roomy else Message
    running, writer = Running(), Writer(tmp_path, "short")
    running.serve(f"celery.concurrency.{pool}")
    received = hot_hooks.stamp_received(lambda *five: five, "app.noop", writer, running)
    stamps = []
    for number in range(3):  # the first claims in the careful way, the others in the fast one
        task_id = f"{number:036}"
        message = kind(headers={"id": task_id, "retries": 0}, delivery_info={"routing_key": "short"})
        assert received(message, 1, 2, 3, 4) == (message, 1, 2, 3, 4)
        assert (running.take(task_id) is message.rig_slot) is (pool != "prefork")
        assert not running.waiting
        assert running.next_slot is (message.rig_slot if pool == "solo" else None)
        words, base = message.rig_slot
        stamps.append(words[base + layout.RECEIVED])
    assert 0 < stamps[0] < stamps[1] < stamps[2]


def test_a_short_id_leaves_nothing_of_the_one_before_in_its_slot(tmp_path: Path) -> None:
    writer, messages = Writer(tmp_path, "short"), []
    received = hot_hooks.stamp_received(lambda message, *_: messages.append(message), "app.noop", writer, Running())
    writer.close()  # from here on all slots are one
    for task_id in (ID, ID, "7"):
        received(Message(headers={"id": task_id, "retries": 0}, delivery_info={"routing_key": "short"}), *[None] * 4)
    words, base = messages[-1].rig_slot
    assert bytes(words.cast("B")[base * 8 : base * 8 + layout.ID_BYTES]) == b"7".ljust(layout.ID_BYTES, b"\0")


def test_a_strategy_takes_its_arguments_by_name_and_its_exception_passes(tmp_path: Path) -> None:
    def strategy(_: Any, body: Any, *__: Any, **___: Any) -> None:
        raise KeyError(body)

    received = hot_hooks.stamp_received(strategy, "app.noop", Writer(tmp_path, "short"), Running())
    for _ in range(2):
        message = Message(headers={"id": ID, "retries": 0}, delivery_info={"routing_key": "short"})
        with pytest.raises(KeyError, match="word"):
            received(message, "word", None, None, callbacks=[])
        with pytest.raises(KeyError, match="word"):
            received(message, "word", None, None, [])
    assert len(rows(tmp_path)) == 4
    with pytest.raises(TypeError):
        received()
    with pytest.raises(TypeError):
        received(Message(headers={"id": ID, "retries": 0}, delivery_info={"routing_key": "short"}))
    assert len(rows(tmp_path)) == 4


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
    writer, running = Writer(tmp_path, "short"), Running()
    words, base = running.current.slot = writer.claim_run(ID, writer.kind("app.noop", "short"))
    assert hot_hooks.takes_nothing(run) is bare
    assert hot_hooks.stamp_body(run, running)(*args, **kwargs) == result
    assert words[base + layout.BODY_DONE] > 0


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
    acked = hot_hooks.stamp_ack(lambda message, *_: acks.append(message))
    acked(message)
    acked(other)
    assert acks == [message, other]
    assert words[base + layout.ACKED] > 0
    assert ("rig_slot" in message.__dict__) is not roomy


@pytest.mark.parametrize("multiple", [{}, {"multiple": True}])
def test_an_ack_is_bound_like_a_method_and_gets_its_arguments(multiple: dict[str, bool]) -> None:
    got: list[Any] = []

    class Bound:
        ack = hot_hooks.stamp_ack(lambda message, multiple=False: got.append((message, multiple)))

    message, expected = Bound(), (multiple.get("multiple", False))
    message.ack(**multiple)
    Bound.ack(message, **multiple)
    later = message.ack
    later(**multiple)
    assert got == [(message, expected)] * 3
    assert Bound.ack.__wrapped__ is Bound.__dict__["ack"].__wrapped__


def test_an_ack_that_fails_is_not_stamped(tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise OSError("gone")

    writer = Writer(tmp_path, "short")
    message = SimpleNamespace(rig_slot=writer.claim_run(ID, writer.kind("app.noop", "short")))
    with pytest.raises(OSError, match="gone"):
        hot_hooks.stamp_ack(fail)(message)
    words, base = message.rig_slot
    assert words[base + layout.ACKED] == 0


Stage = tuple[Writer, Running, Callable[[Callable[..., Any]], Callable[..., Any]]]


@pytest.fixture(params=["solo", "threads", "prefork"])
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    """A process of that pool which has received ID (a prefork child has not), and what wraps tracers in it."""
    writer, running = Writer(tmp_path, "short"), Running()
    running.serve(f"celery.concurrency.{request.param}")
    slot = writer.claim_run(ID, writer.kind("app.noop", "short"))
    if running.one_by_one:
        running.next_id, running.next_slot = ID, slot
    elif running.waiting is not None:
        running.waiting[ID] = slot
    return writer, running, lambda trace: hot_hooks.stamp_trace(trace, "app.noop", writer, running)


def last_words(directory: Path) -> dict[str, int]:
    (segment,) = read_ledger(directory).segments
    words = as_words(segment.slots)[-1]
    names = {**layout.RUN_STAMPS, "outcome": layout.OUTCOME}
    return {name: int(words[at]) for name, at in names.items() if words[at]}


def equal(task_id: str) -> str:
    """The same text as another object: what a message decoded once more would bring."""
    return "".join(list(task_id))


@pytest.mark.parametrize("call", ["positional", "named", "missing"])
@pytest.mark.parametrize(
    ("state", "outcome"),
    [(None, "succeeded"), (states.FAILURE, "failed"), (states.RETRY, "retried"), (states.IGNORED, "ignored"),
     (states.REJECTED, "rejected"), ("CUSTOM", "failed")],
)
def test_a_tracer_has_its_slot_and_leaves_its_stamps(
    tmp_path: Path, stage: Stage, state: str | None, outcome: str, call: str
) -> None:
    _, running, wrap = stage
    result = ("value", None if state is None else SimpleNamespace(state=state), 0.0, "'value'")
    got: list[Any] = []

    def trace(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        got.append((uuid, args, kwargs, request, running.current.slot is not None))
        return result

    request = {"delivery_info": {"routing_key": "short"}, "retries": 0}
    if call == "positional":
        assert wrap(trace)(equal(ID), (1,), {"a": 2}, request) is result
    elif call == "named":
        assert wrap(trace)(equal(ID), (1,), {"a": 2}, request=request) is result
    else:
        assert wrap(trace)(equal(ID), (1,), {"a": 2}) is result
    assert got == [(ID, (1,), {"a": 2}, None if call == "missing" else request, True)]
    assert running.current.slot is None
    words = last_words(tmp_path)
    assert words["outcome"] == layout.OUTCOME_CODE[outcome]
    assert 0 < words["started"] < words["finished"]


def test_a_task_of_another_process_gets_a_slot_of_its_own(tmp_path: Path, stage: Stage) -> None:
    _, _, wrap = stage
    other = ID.replace("0001", "0002")
    request = {"delivery_info": {"routing_key": DELAYED}, "retries": 2}
    wrap(lambda *_: (None, None))(other, (), {}, request)
    assert rows(tmp_path)[-1] == (other.encode(), 2, ("app.noop", "short"))
    assert set(last_words(tmp_path)) == {"started", "outcome", "finished"}


@pytest.mark.parametrize(
    ("error", "outcome"), [(Reject("no"), "rejected"), (KeyError("k"), None), (SystemExit(3), None)]
)
def test_what_a_tracer_raises_passes_unchanged(
    tmp_path: Path, stage: Stage, error: BaseException, outcome: str | None
) -> None:
    _, running, wrap = stage

    def trace(*_: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        wrap(trace)(ID, (), {}, None)
    assert caught.value is error
    assert running.current.slot is None
    words = last_words(tmp_path)
    assert words.pop("started") > 0
    assert words == ({"outcome": layout.OUTCOME_CODE[outcome]} if outcome else {})


def test_an_exception_of_a_signal_handler_passes_through_a_claim(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, _, wrap = stage

    def interrupted(*_: Any) -> None:
        raise SystemExit(3)  # as a soft time limit comes: at any bytecode

    monkeypatch.setattr(writer, "claim_run", interrupted)
    with pytest.raises(SystemExit):
        wrap(lambda *_: (None, None))("of another process", (), {}, None)


def test_a_body_that_raises_is_stamped_and_its_exception_passes_unchanged(tmp_path: Path, stage: Stage) -> None:
    _, running, wrap = stage
    error = ValueError("from the task")

    def run(**_: int) -> None:
        raise error

    body = hot_hooks.stamp_body(run, running)
    with pytest.raises(ValueError, match="from the task") as caught:
        wrap(lambda _, args, kwargs, __: body(*args, **kwargs))(ID, (), {"number": 1}, None)
    assert caught.value is error
    words = last_words(tmp_path)
    assert words["body_done"] > words["started"] > 0


def test_a_body_outside_of_a_task_is_just_called() -> None:
    assert hot_hooks.stamp_body(taking, Running())(1, word="x") == ((1,), "x")


def test_each_wrapper_says_what_it_wraps(tmp_path: Path) -> None:
    def wrapped(*_: Any) -> None:
        """Says this."""

    wrapped.mark = 7  # type: ignore[attr-defined]
    writer, running = Writer(tmp_path, "short"), Running()
    for hook in (
        hot_hooks.stamp_received(wrapped, "app.noop", writer, running),
        hot_hooks.stamp_trace(wrapped, "app.noop", writer, running),
        hot_hooks.stamp_body(wrapped, running), hot_hooks.stamp_ack(wrapped),
    ):  # fmt: skip
        assert hook.__wrapped__ is wrapped  # type: ignore[attr-defined]
        assert (hook.__name__, hook.__doc__, hook.mark) == ("wrapped", "Says this.", 7)  # type: ignore[attr-defined]

"""The compiled wrappers: what C can do wrong and Python cannot. What they do: test_instrument_hot_hooks."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject
from kombu.message import Message

from rig.instrument import hot_hooks, native, worker
from rig.instrument.running import Running
from rig.ledger import layout
from rig.ledger.writer import Writer

ID = "0b5e7c3a-6f1d-4a52-8000-000000000001"
CALLS = 10_000


class Held:
    """What the wrappers of one process work with, and the objects that stay the same at each call."""

    def __init__(self, directory: Path, pool: str, *, roomy: bool) -> None:
        self.writer, self.running = Writer(directory, "short"), Running()
        self.running.serve(f"celery.concurrency.{pool}")
        self.writer.kind("app.noop", "short")
        self.writer.close()  # all slots are one from here on: whatever grows is a leak
        self.kind = worker.roomy(Message) if roomy else Message
        self.headers = {"id": ID, "retries": 0}
        self.info = {"routing_key": "short"}
        self.request: dict[str, Any] = {"retries": 0}
        self.result: tuple[Any, ...] = (None, None, 0.0, "")
        self.error: BaseException | None = None
        self.args = (1,)

    def task(self, *, odd: bool) -> Callable[[], None]:
        """One task's way through all four wrappers; `odd`: by all the ways around the fast one."""
        run = hot_hooks.stamp_body(self.run, self.running)
        trace = hot_hooks.stamp_trace(lambda _, args, kwargs, __: run(*args, **kwargs), "t", self.writer, self.running)
        ack = hot_hooks.stamp_ack(lambda *_, **__: None)

        def strategy(message: Any, *_: Any, **__: Any) -> None:
            ack(message)
            ack(self, multiple=True)
            with contextlib.suppress(Reject, KeyError):
                trace(message.headers["id"], self.args, {}, request=self.request)

        received = hot_hooks.stamp_received(strategy, "t", self.writer, self.running)

        def pass_through() -> None:
            received(self.kind(headers=self.headers, delivery_info=self.info), None, None, None, [])
            if odd:
                received(self.kind(headers={}, delivery_info={}), None, None, None, callbacks=[])
                received(self.kind(headers={"id": ID * 2}, delivery_info=self.info), None, None, None, [])
                with contextlib.suppress(Reject, KeyError):
                    trace("of another process", self.args, {})

        return pass_through

    def run(self, _: int) -> Any:
        if self.error is not None:
            raise self.error.with_traceback(None)  # which would grow by the frames of each call
        return self.result


@pytest.fixture(autouse=True)
def _compiled(rig_fast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_hooks, "fast", rig_fast)


@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
@pytest.mark.parametrize("end", ["succeeded", "failed", "rejected", "raised"])
@pytest.mark.parametrize("odd", [False, True])
def test_nothing_is_left_behind_by_ten_thousand_tasks(
    tmp_path: Path, pool: str, end: str, odd: bool, roomy: bool
) -> None:
    held = Held(tmp_path, pool, roomy=roomy)
    if end == "failed":
        held.result = (None, SimpleNamespace(state="FAILURE"), 0.0, "")
    held.error = {"rejected": Reject("no"), "raised": KeyError("k")}.get(end)
    task = held.task(odd=odd)
    watched = [held, held.writer, held.writer.segment, held.running, held.running.current, held.headers, held.info,
               held.request, held.result, held.args, held.error or held, held.kind, held.headers["id"]]  # fmt: skip
    for _ in range(200):
        task()
    gc.collect()
    before, blocks = [sys.getrefcount(each) for each in watched], sys.getallocatedblocks()
    for _ in range(CALLS):
        task()
    gc.collect()
    assert [sys.getrefcount(each) for each in watched] == before
    assert abs(sys.getallocatedblocks() - blocks) < CALLS / 10


@pytest.mark.parametrize("through", ["what it says", "what it wraps"])
def test_a_wrapper_in_a_cycle_is_collected(rig_fast: Any, through: str) -> None:
    def ack(message: Any) -> None:
        """Refer to nothing."""

    wrapper = rig_fast.Acked(ack)
    if through == "what it says":
        wrapper.itself = wrapper
    else:
        ack.wrapper = wrapper  # type: ignore[attr-defined]
    gone = weakref.ref(ack)
    del ack, wrapper
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("base", [-1, 1 << 70, 48 // 8, "0", None])
def test_no_stamp_outside_of_its_segment(rig_fast: Any, base: Any) -> None:
    beside = bytearray(layout.SLOT_BYTES + 40)
    words = memoryview(beside).cast("q")
    rig_fast.Acked(lambda _: None)(SimpleNamespace(rig_slot=(words, base)))
    assert not any(beside)
    rig_fast.Acked(lambda _: None)(SimpleNamespace(rig_slot=(words, 5)))
    assert words[5 + layout.ACKED] > 0


@pytest.mark.parametrize("words", [b"\0" * 256, memoryview(b"\0" * 256).cast("q"), memoryview(bytearray(256)), 7])
def test_no_stamp_into_what_is_no_segment(rig_fast: Any, words: Any) -> None:
    for slot in ((words, 0), (words,), words):
        rig_fast.Acked(lambda _: None)(SimpleNamespace(rig_slot=slot))
    assert not isinstance(words, memoryview) or not any(words.tobytes())


def test_a_tracer_called_in_no_way_that_celery_calls_it(rig_fast: Any) -> None:
    trace = rig_fast.Traced(*[None] * 6)
    for args, named in [((), {}), ((1, 2), {"request": 3}), ((1, 2, 3), {"word": 4}), ((1, 2, 3, 4, 5), {})]:
        with pytest.raises(TypeError, match="tracer takes"):
            trace(*args, **named)


@pytest.mark.parametrize(("name", "count"), [("Received", 5), ("Traced", 6), ("Body", 2), ("Acked", 1)])
def test_a_wrapper_is_made_of_all_its_parts(rig_fast: Any, name: str, count: int) -> None:
    for wrong in (count - 1, count + 1):
        with pytest.raises(TypeError, match="number of arguments"):
            getattr(rig_fast, name)(*[None] * wrong)


def test_the_classes_of_messages_may_change_from_call_to_call(rig_fast: Any) -> None:
    words = memoryview(bytearray(layout.SLOT_BYTES)).cast("q")
    acked = rig_fast.Acked(lambda _: None)
    for kind in (Message, worker.roomy(Message), worker.roomy(Message), SimpleNamespace, object, Message):
        message, words[layout.ACKED] = kind(), 0
        if kind is not object:
            message.rig_slot = (words, 0)
        acked(message)
        assert bool(words[layout.ACKED]) is (kind is not object)


def test_it_is_used_only_if_it_is_of_this_version(
    rig_fast: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rig_fast", rig_fast)
    monkeypatch.delenv("RIG_FAST", raising=False)
    assert rig_fast.CONTRACT == native.CONTRACT
    assert native.load() is rig_fast
    for entry in native.CONTRACT:
        other = ModuleType("rig_fast")
        other.CONTRACT = {**rig_fast.CONTRACT, entry: "another"}  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "rig_fast", other)
        assert native.load() is None
        assert "another version" in capsys.readouterr().err


def test_it_can_be_turned_off_and_need_not_be_there(
    rig_fast: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "rig_fast", rig_fast)
    monkeypatch.setenv("RIG_FAST", "0")
    assert native.load() is None
    monkeypatch.delenv("RIG_FAST")
    monkeypatch.delitem(sys.modules, "rig_fast")
    assert native.load() is None
    assert capsys.readouterr().err == ""
    (tmp_path / "rig_fast.so").write_bytes(b"of another Python")
    monkeypatch.syspath_prepend(tmp_path)
    assert native.load() is None
    assert "not used" in capsys.readouterr().err

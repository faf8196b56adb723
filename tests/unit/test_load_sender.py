"""Each send is one slot of the ledger and one request of Locust's, whatever becomes of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from celery.exceptions import TimeoutError as NoResultYet

from rig.errors import BadInput
from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.ledger.writer import Writer
from rig.load import ids
from rig.load.send import sender
from rig.load.send.client import make_app
from rig.load.send.sender import Sender
from rig.load.send.target import Target


class Result:
    """What a task's result looks like to a sender."""

    def __init__(self, value: Any, status: str = "SUCCESS") -> None:
        self.value, self.status = value, status

    def get(self, timeout: float, propagate: bool) -> Any:
        assert (timeout > 0, propagate) == (True, False)
        if isinstance(self.value, NoResultYet | OSError | gevent.GreenletExit):
            raise self.value
        return self.value

    def successful(self) -> bool:
        return self.status == "SUCCESS"


class Dropped:
    """A result that notes when it is gone."""

    def __init__(self, happened: list[str]) -> None:
        self._happened = happened

    def __del__(self) -> None:
        self._happened.append("dropped")


class Producer:
    """What Celery's pool hands out; `ended` says whether it went back with an exception."""

    def __init__(self) -> None:
        self.ended: type[BaseException] | None = None

    def __exit__(self, kind: type[BaseException], *_: object) -> None:
        self.ended = kind


class Pool:
    """Celery's pool of producers: makes one for each that is asked for."""

    def __init__(self) -> None:
        self.made: list[Producer] = []

    def acquire(self, block: bool) -> Producer:
        assert block
        self.made.append(Producer())
        return self.made[-1]


class Bench:
    """A sender with a real ledger, an application that does as it is told, and a list in place of Locust."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answer: Any = None
        self.calls: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.during: Callable[[], None] = lambda: None
        self.pool = Pool()
        app = application(self.send_task, self.pool)
        self.writer = Writer(directory, "locust", "r")
        self.sender = Sender(app, self.writer, lambda **request: self.requests.append(request))
        self.sender.begin(ids.task_ids("0badcafe", 7, 3))

    def send_task(self, name: str, args: Any, kwargs: Any, **options: Any) -> Any:
        self.calls.append({"name": name, "args": args, "kwargs": kwargs, **options})
        self.during()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def slots(self) -> list[dict[str, int]]:
        """Every SEND slot in the files: its stamps by name, 0 for never."""
        self.writer.close()
        ledger = read_ledger(self.directory)
        assert ledger.problems == []
        words = layout.SEND_STAMPS | {"expires": layout.EXPIRES}
        return [
            {"id": slot["id"].decode(), "queue": segment.kinds[slot["kind"]][1]}
            | {name: int(slot["w"][word - 5]) for name, word in words.items()}
            for segment in ledger.segments
            for slot in segment.slots
        ]


def application(send_task: Any, pool: Any = None, limit: int = 10) -> Any:
    conf = SimpleNamespace(task_default_queue="celery", task_ignore_result=True, broker_pool_limit=limit)
    return SimpleNamespace(send_task=send_task, conf=conf, amqp=SimpleNamespace(producer_pool=pool, queues={}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_send_is_claimed_stamped_and_counted(bench: Bench) -> None:
    task_id = bench.sender.send("app.noop", (1,), {"a": 2}, queue="short", priority=3)
    (call,), (request,), (slot,) = bench.calls, bench.requests, bench.slots()
    assert call == {
        "name": "app.noop", "args": (1,), "kwargs": {"a": 2}, "task_id": task_id, "queue": "short", "priority": 3,
        "ignore_result": True, "producer": bench.pool.made[0], "result_cls": sender.Unread,
    }  # fmt: skip
    assert (slot["id"], slot["queue"]) == (task_id, "short")
    assert 0 < slot["sent"] <= slot["published"]
    assert (slot["planned"], slot["send_failed"], slot["fetched"], slot["expires"]) == (0, 0, 0, 0)
    assert (request["request_type"], request["name"], request["exception"]) == ("send", "app.noop on short", None)
    assert request["response_time"] == (slot["published"] - slot["sent"]) / 1e6
    assert (bench.sender.tally.sent, bench.sender.tally.published, bench.sender.tally.failed) == (1, 1, 0)


def test_the_slot_is_there_before_the_broker_has_the_task(bench: Bench) -> None:
    seen: list[Any] = []
    bench.during = lambda: seen.extend(read_ledger(bench.directory).segments[0].slots.copy())
    bench.sender.send("app.noop")
    assert [(slot["id"], slot["w"][layout.SENT - 5] > 0, slot["w"][layout.PUBLISHED - 5]) for slot in seen] == [
        (b"0badcafe-0007-4003-8000-000000000000", True, 0)
    ]
    assert bench.slots()[0]["queue"] == "celery"


def test_response_time_counts_from_the_plan(bench: Bench) -> None:
    planned = sender.monotonic_ns() - 25_000_000
    bench.sender.send("app.noop", planned_ns=planned)
    bench.sender.send("app.noop", planned_ns=sender.monotonic_ns())
    late, prompt = bench.slots()
    assert late["planned"] == planned
    assert bench.requests[0]["response_time"] == (late["published"] - planned) / 1e6 >= 25
    assert list(bench.sender.tally.lag_ns) == [slot["sent"] - slot["planned"] for slot in (late, prompt)]
    assert bench.sender.tally.late == 1


def test_what_goes_wrong_is_a_failure_in_words_and_in_the_ledger(bench: Bench) -> None:
    wrapped = RuntimeError("wrapper")
    wrapped.__cause__ = ConnectionRefusedError(111, "Connection refused")
    bench.answer = wrapped
    bench.sender.send("app.noop", queue="short")
    (slot,), (request,) = bench.slots(), bench.requests
    assert (slot["published"], slot["send_failed"] >= slot["sent"]) == (0, True)
    assert str(request["exception"]) == repr(request["exception"])
    assert "ConnectionRefusedError: [Errno 111] Connection refused" in str(request["exception"])
    assert (bench.sender.tally.sent, bench.sender.tally.send_failed, bench.sender.tally.failed) == (1, 1, 1)
    assert not bench.sender.tainted


def test_a_user_killed_while_it_sends_is_counted_and_its_connection_not_used_again(bench: Bench) -> None:
    bench.answer = gevent.GreenletExit()
    with pytest.raises(gevent.GreenletExit):
        bench.sender.send("app.noop", queue="short")
    (slot,), (request,) = bench.slots(), bench.requests
    assert slot["send_failed"] > 0
    assert "cut off" in str(request["exception"])
    assert bench.sender.tainted


def test_sends_one_after_the_other_share_a_producer_until_one_fails(bench: Bench) -> None:
    bench.sender.send("app.noop")
    bench.sender.send("app.noop")
    bench.answer = ConnectionResetError(104, "reset")
    bench.sender.send("app.noop")
    bench.answer = None
    bench.sender.send("app.noop")
    first, second = bench.pool.made
    assert [call["producer"] for call in bench.calls] == [first, first, first, second]
    assert (first.ended, second.ended) == (ConnectionResetError, None)


def test_a_killed_user_leaves_no_producer_in_the_middle_of_a_frame(bench: Bench) -> None:
    bench.answer = gevent.GreenletExit()
    with pytest.raises(gevent.GreenletExit):
        bench.sender.send("app.noop")
    assert bench.pool.made[0].ended is gevent.GreenletExit


def test_users_at_the_same_time_have_producers_of_their_own_and_wait_for_the_last(tmp_path: Path) -> None:
    using: list[Any] = []
    most: list[int] = []

    def send_task(*_: Any, producer: Any, **__: Any) -> None:
        assert producer not in using
        using.append(producer)
        most.append(len(using))
        gevent.sleep(0)
        using.remove(producer)

    pool = Pool()
    sending = Sender(application(send_task, pool, limit=2), Writer(tmp_path, "locust"), lambda **_: None)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    gevent.joinall([gevent.spawn(sending.send, "app.noop") for _ in range(6)], raise_error=True)
    assert (sending.tally.published, len(pool.made), max(most)) == (6, 2, 2)


def test_without_a_pool_celery_connects_for_each_send(tmp_path: Path) -> None:
    seen: list[Any] = []
    app = application(lambda *_, producer, **__: seen.append(producer), limit=0)
    app.producer_or_acquire = lambda: contextlib.nullcontext(f"producer {len(seen)}")
    sending = Sender(app, Writer(tmp_path, "locust"), lambda **_: None)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    sending.send("app.noop")
    sending.send("app.noop")
    assert seen == ["producer 0", "producer 1"]


def test_a_plain_sender_leaves_everything_to_celery(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    app = application(lambda *_, **options: seen.append(options))
    app.producer_or_acquire = None
    sending = Sender(app, Writer(tmp_path, "locust"), lambda **_: None, plain=True)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    for ignored in (True, False):
        task_id = sending.send("app.noop", queue="short", ignore_result=ignored, priority=3)
        assert seen.pop() == {"task_id": task_id, "queue": "short", "ignore_result": ignored, "priority": 3}


@pytest.mark.parametrize("plain", [False, True])
def test_a_result_that_is_stored_is_made_and_dropped_at_once(tmp_path: Path, plain: bool) -> None:
    happened: list[str] = []

    def send_task(*_: Any, **options: Any) -> Dropped:
        assert "result_cls" not in options
        return Dropped(happened)

    app = application(send_task, Pool())
    app.producer_or_acquire = None
    sending = Sender(app, Writer(tmp_path, "locust"), lambda **_: happened.append("reported"), plain=plain)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    sending.send("app.noop", ignore_result=False)
    assert happened == ["dropped", "reported"]


def test_a_pool_that_fails_is_asked_again(tmp_path: Path) -> None:
    pool = Pool()
    pool.acquire, acquire = (lambda **_: 1 / 0), pool.acquire  # type: ignore[method-assign]
    sending = Sender(application(lambda *_, **__: None, pool, limit=1), Writer(tmp_path, "l"), lambda **_: None)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    sending.send("app.noop")
    pool.acquire = acquire  # type: ignore[method-assign]
    sending.send("app.noop")
    assert (sending.tally.send_failed, sending.tally.published) == (1, 1)


def test_a_result_ends_the_request(bench: Bench) -> None:
    bench.answer = Result(42)
    bench.sender.send("app.echo", (42,), queue="short", wait=True, expect=42)
    (slot,), (request,) = bench.slots(), bench.requests
    assert bench.calls[0]["ignore_result"] is False
    assert "result_cls" not in bench.calls[0]
    assert slot["sent"] <= slot["published"] <= slot["fetched"]
    assert (request["request_type"], request["exception"]) == ("result", None)
    assert request["response_time"] == (slot["fetched"] - slot["sent"]) / 1e6
    assert bench.sender.tally.fetched == 1


@pytest.mark.parametrize(
    ("result", "words", "fetched"),
    [
        (Result(41), "not the one that was expected", True),
        (Result(ValueError("no"), "FAILURE"), "the task ended as FAILURE: ValueError", True),
        (Result(NoResultYet()), "no result in 3 s", False),
        (Result(ConnectionResetError(104, "reset")), "ConnectionResetError", False),
    ],
)
def test_a_result_that_is_wrong_or_missing_is_a_failure(
    bench: Bench, result: Result, words: str, fetched: bool
) -> None:
    bench.answer = result
    bench.sender.send("app.echo", (42,), wait=True, expect=42, timeout=3)
    (slot,), (request,) = bench.slots(), bench.requests
    assert words in str(request["exception"])
    assert slot["published"] > 0
    assert bool(slot["fetched"]) is fetched
    assert (bench.sender.tally.failed, bench.sender.tally.send_failed) == (1, 0)


def test_a_user_killed_while_it_waits_has_published_all_the_same(bench: Bench) -> None:
    bench.answer = Result(gevent.GreenletExit())
    with pytest.raises(gevent.GreenletExit):
        bench.sender.send("app.echo", wait=True)
    (slot,), (request,) = bench.slots(), bench.requests
    assert (slot["published"] > 0, slot["send_failed"], slot["fetched"]) == (True, 0, 0)
    assert "cut off" in str(request["exception"])
    assert not bench.sender.tainted


def test_when_a_task_expires_is_in_its_slot(bench: Bench) -> None:
    bench.sender.send("app.noop", expires=30)
    (slot,) = bench.slots()
    assert slot["expires"] - slot["sent"] == 30_000_000_000
    assert bench.calls[0]["expires"] == 30


def test_locust_keeps_a_bounded_number_of_failure_texts(bench: Bench) -> None:
    for number in range(200):
        bench.answer = OSError(f"port {number}")
        bench.sender.send("app.noop")
    texts = {str(request["exception"]) for request in bench.requests}
    assert len(texts) <= sender.MAX_FAILURE_TEXTS + 1
    assert "OSError" in texts


def test_nothing_is_sent_before_a_turn_begins(tmp_path: Path) -> None:
    idle = Sender(application(None), Writer(tmp_path, "locust"), lambda **_: None)
    with pytest.raises(RuntimeError):
        idle.send("app.noop")
    assert list(tmp_path.iterdir()) == []


def test_the_client_asks_for_confirms_and_lets_settings_be_overridden(tmp_path: Path) -> None:
    settings = {"task_compression": "gzip", "broker_transport_options": {"login_method": "PLAIN"}}
    app = make_app(Target(topology="", broker_url="amqp://b", result_url="", ledger=tmp_path, settings=settings), ["q"])
    assert app.conf.broker_transport_options == {"confirm_publish": True, "login_method": "PLAIN"}
    assert app.conf.task_compression == "gzip"
    assert (app.amqp.queues["q"].no_declare, app.amqp.queues["other"].no_declare) == (True, None)
    told = []
    app.send_task = lambda *_, queue, **options: told.append((queue, options.get("declare")))
    sending = Sender(app, Writer(tmp_path, "locust"), lambda **_: None)
    sending.begin(iter(map(str, range(9))).__next__)
    for queue in ("q", "other", "unheard of"):
        sending.send("app.noop", queue=queue)
    assert told == [("q", ()), ("other", None), ("unheard of", None)]
    assert app.conf.task_serializer == "json"


LISTENER = """
from celery.signals import before_task_publish

heard = []

@before_task_publish.connect
def hear(sender, **_):
    heard.append(sender)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, from which modules can be imported."""
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_modules_that_the_settings_name_hear_of_what_is_published(modules: Path) -> None:
    (modules / "heard_by.py").write_text(LISTENER)
    settings = {"imports": ["heard_by"]}
    app = make_app(Target(topology="", broker_url="memory://", result_url="", ledger=modules, settings=settings))
    sending = Sender(app, Writer(modules, "locust"), lambda **_: None)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    sending.send("app.noop", queue="short")
    assert sys.modules["heard_by"].heard == ["app.noop"]


def test_a_module_that_cannot_be_imported_is_one_line(modules: Path) -> None:
    (modules / "broken_one.py").write_text('raise OSError("""no\nsuch\nfile""")\n')
    settings = {"imports": ["not.there", "broken_one"]}
    with pytest.raises(BadInput) as refused:
        make_app(Target(topology="", broker_url="memory://", result_url="", ledger=modules, settings=settings))
    assert refused.value.problems == [
        "imports: the module 'not.there' cannot be imported: ModuleNotFoundError: No module named 'not'",
        "imports: the module 'broken_one' cannot be imported: OSError: no such file",
    ]


def test_the_rigs_own_loader_does_not_record_what_the_sender_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_LOADER", "rig.instrument.loader:Loader")
    monkeypatch.setenv("RIG_LEDGER_DIR", str(tmp_path))
    app = make_app(Target(topology="", broker_url="memory://", result_url="", ledger=tmp_path))
    assert app.loader is not None  # a loader attaches itself when it is first asked for
    writer = Writer(tmp_path, "locust")
    sending = Sender(app, writer, lambda **_: None)
    sending.begin(ids.task_ids("0badcafe", 1, 0))
    sending.send("app.noop", queue="short")
    writer.close()
    assert [len(segment.slots) for segment in read_ledger(tmp_path).segments] == [1]

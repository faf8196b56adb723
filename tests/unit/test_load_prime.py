"""After `prime` a user's sends open no connection, and what they say to Redis is what an application says."""

from __future__ import annotations

import gc
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from fake_redis import FakeRedis, fake_redis
from gevent.local import local
from kombu import pools

from rig.ledger.writer import Writer
from rig.load import ids
from rig.load.send.calls import APPLY_ASYNC, CALLS, DELAY, SEND_TASK
from rig.load.send.client import make_app
from rig.load.send.send_cache import Settled
from rig.load.send.sender import Sender
from rig.load.send.session import Session
from rig.load.send.target import Target

USERS, SENDS = 12, 5  # more users than the pool has connections
POOL = 2 * 10  # kombu opens a channel on one connection to Redis and publishes on another


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    with fake_redis() as server:
        yield server
        # While it is there: results that were waited for unsubscribe when they go, and would try to reconnect for long.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            pools.reset()
            gc.collect()


def target_of(redis: FakeRedis, directory: Path, **settings: Any) -> Target:
    return Target(
        topology="", ledger=directory, settings=settings, broker_url=f"{redis.url}/0", result_url=f"{redis.url}/1"
    )


def sender_of(redis: FakeRedis, directory: Path, call: str, **settings: Any) -> Sender:
    app = make_app(target_of(redis, directory, **settings), ["q"])
    app._local = local()  # as under Locust, where gevent makes a thread's own a greenlet's own
    sender = Sender(app, Writer(directory, "locust"), lambda **_: None, plain=call != SEND_TASK, queues=["q"])
    sender.begin(ids.task_ids("0badcafe", 1, 0), call)
    return sender


def in_greenlets(users: int, *steps: Any) -> None:
    """Take each step in all greenlets before the next one is taken in any."""

    def live() -> None:
        for place, step in enumerate(steps):
            step()
            arrived[place] += 1
            while arrived[place] < users:
                gevent.sleep(0)

    arrived = Counter[int]()
    gevent.joinall([gevent.spawn(live) for _ in range(users)], raise_error=True)


def wait_until(look: Callable[[], Any], expected: Any) -> None:
    """Nobody waits for the answer to an UNSUBSCRIBE, so the last one may still be on its way."""
    deadline = time.monotonic() + 5
    while look() != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert look() == expected


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("stored", [False, True])
def test_sends_of_primed_users_open_no_connection(redis: FakeRedis, tmp_path: Path, call: str, stored: bool) -> None:
    sender = sender_of(redis, tmp_path, call)
    seen: list[tuple[int, int]] = []
    look = lambda: seen.append((redis.connections, redis.commands["LPUSH"]))  # noqa: E731
    send = lambda: [sender.send("app.noop", queue="q", ignore_result=not stored) for _ in range(SENDS)]  # noqa: E731
    in_greenlets(USERS, lambda: sender.prime(ignore_result=not stored), look, send)
    assert sender.tally.published == USERS * SENDS
    assert seen[-1] == (POOL + USERS * stored, 0)
    subscribed = (SENDS + 1) * USERS * stored
    wait_until(
        lambda: +redis.commands,
        +Counter(LPUSH=USERS * SENDS, SUBSCRIBE=subscribed, UNSUBSCRIBE=subscribed),
    )
    assert redis.connections == seen[-1][0]


def test_without_it_each_user_connects_with_the_first_send(redis: FakeRedis, tmp_path: Path) -> None:
    sender = sender_of(redis, tmp_path, SEND_TASK, task_ignore_result=False)
    in_greenlets(3, lambda: sender.send("app.noop", queue="q"))
    assert redis.connections >= 1 + 3


def test_a_user_who_waits_for_results_has_asked_before(redis: FakeRedis, tmp_path: Path) -> None:
    sender = sender_of(redis, tmp_path, SEND_TASK)
    seen: list[int] = []
    steps = [
        lambda: sender.prime(wait=True),
        lambda: seen.append(redis.connections),
        lambda: sender.send("app.noop", queue="q", wait=True, timeout=0),
    ]
    in_greenlets(3, *steps)
    assert redis.connections == seen[-1] == POOL + 2 * 3  # one to subscribe and one to ask, for each user
    wait_until(lambda: (redis.commands["SUBSCRIBE"], redis.commands["GET"]), (2 * 3, 2 * 3))
    assert not any(waiting for waiting in sender.app.backend._pending_results)


def test_a_pool_that_cannot_connect_is_tried_again(redis: FakeRedis, tmp_path: Path) -> None:
    sender = sender_of(redis, tmp_path, SEND_TASK)
    acquire, sender.app.amqp.producer_pool.acquire = sender.app.amqp.producer_pool.acquire, lambda **_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        sender.prime()
    sender.app.amqp.producer_pool.acquire = acquire
    sender.prime()
    assert redis.connections == POOL


@pytest.mark.parametrize("call", CALLS)
def test_with_rpc_each_user_has_its_reply_queue_before_the_first_send(tmp_path: Path, call: str) -> None:
    app = make_app(Target(topology="", broker_url="memory://", result_url="rpc://", ledger=tmp_path), ["q"])
    app._local = local()
    sender = Sender(app, Writer(tmp_path, "locust"), lambda **_: None, plain=call != SEND_TASK, queues=["q"])
    sender.begin(ids.task_ids("0badcafe", 1, 0), call)
    seen: list[tuple[str, set[str]]] = []

    def look() -> None:
        with app.connection_for_write() as connection:
            seen.append((app.thread_oid, set(connection.default_channel.queues)))

    send = lambda: sender.send("app.noop", queue="q", ignore_result=False)  # noqa: E731
    in_greenlets(3, lambda: sender.prime(ignore_result=False), look, send, look)
    assert [own for own, queues in seen if own not in queues] == []
    assert seen[-1][1] - {"q"} == seen[2][1] - {"q"}
    assert sender.tally.published == 3
    sender.close()  # all apps for one broker share Celery's pool


def test_a_load_without_a_result_store_has_nothing_to_subscribe_to(redis: FakeRedis, tmp_path: Path) -> None:
    sender = sender_of(redis, tmp_path, SEND_TASK, result_backend=None)
    sender.prime(ignore_result=False)
    sender.prime(wait=True)
    assert (redis.connections, +redis.commands) == (POOL, Counter())


def settled(app: Any) -> bool:
    return isinstance(app.amqp.create_task_message.__self__, Settled)


def test_a_sender_is_plain_where_the_call_is_the_applications_own(redis: FakeRedis, tmp_path: Path) -> None:
    session = Session(target_of(redis, tmp_path), lambda **_: None)
    cheap = session.begin(1, queues=["q"])
    plain = session.begin(2, queues=["q"], call=APPLY_ASYNC)
    assert (cheap.plain, plain.plain, plain.app is cheap.app) == (False, True, False)
    assert session.begin(3, queues=["q"], call=DELAY) is plain
    assert (settled(cheap.app), settled(plain.app)) == (True, False)
    assert not session.begin(4, queues=["q"]).plain
    session.close()


def test_the_next_sender_of_a_session_gets_the_connections(redis: FakeRedis, tmp_path: Path) -> None:
    session = Session(target_of(redis, tmp_path), lambda **_: None)
    first = session.begin(1, queues=["q"])
    first.prime()
    first.send("app.noop", queue="q")
    connections = redis.connections
    second = session.begin(2, queues=["q", "r"])
    assert second is not first
    for connection in [second.app.pool.acquire(block=True, timeout=1) for _ in range(10)]:  # the first kept none
        connection.release()
    second.prime()
    checked = 2  # whether broker and result store are there, and of the broker which queues it has
    assert redis.connections - connections <= checked + 2
    session.close()

"""What the rig says to broker and result store is what an application says, by the servers' own counters.

An application's loop and the rig's sender, in one container, each with its connections there before the counting
begins. The stack is quiet meanwhile: nobody consumes the queue, and nobody else asks the servers but health checks.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from rig.load.send.calls import APPLY_ASYNC, CALLS, SEND_TASK
from tests.stack.conftest import Stack
from tests.stack.test_topologies import redis_cli

SCRIPT = (Path(__file__).parent / "apps" / "publishing.py").read_text()
APPLICATION = "application"
SENDS = 200
USERS = 15  # more than the pool has connections
# What a connection begins with, and what whoever asks for counters and health says.
NOT_COUNTED = {"auth", "hello", "ping", "select", "client", "info", "command", "latency", "slowlog", "config"}
BYTES = ("bytes in", "bytes out")
SAME_BYTES = 3.0  # a send: the number of the process is in each message, and may have digits more

pytestmark = pytest.mark.parametrize("stack", ["rabbitmq", "redis"], indirect=True)
Seen = TypeVar("Seen")


@pytest.fixture(scope="module")
def quiet(stack: Stack) -> Iterator[Stack]:
    """The stack without those who speak to broker and result store by themselves."""
    others = [
        container.service
        for container in stack.compose.ps()
        if container.service.startswith("worker-") or container.service in ("beat", "flower", "redis-exporter")
    ]
    stack.compose.run("stop", *others)
    yield stack
    stack.compose.run("start", *others)


@contextmanager
def publishing(stack: Stack, way: str, stored: bool, users: int, sends: int) -> Iterator[Callable[[], None]]:
    """Run the script up to where its connections are there; what it yields lets it do the next step and waits."""
    words = ["exec", "-T", "-e", "RIG_LEDGER_DIR=/tmp/publishing", "locust", "python3", "-c", SCRIPT]
    command = stack.compose.command(*words, way, str(int(stored)), str(users), str(sends))
    with subprocess.Popen(
        ["docker", *command], env=stack.compose.environment, cwd=stack.compose.directory, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        stdin, stdout = process.stdin, process.stdout

        def ready() -> None:
            said = stdout.readline()
            assert said == "ready\n", said + process.stderr.read()  # type: ignore[union-attr]

        def step() -> None:
            stdin.write("\n")
            stdin.flush()
            ready()

        ready()
        yield step
        stdin.write("\n")
        stdin.flush()
        assert process.wait(60) == 0, process.stderr.read()


def before_and_after(
    stack: Stack, way: str, stored: bool, look: Callable[[Stack], Seen], users: int = 1, sends: int = SENDS
) -> tuple[Seen, Seen]:
    with publishing(stack, way, stored, users, sends) as send:
        before = look(stack)
        send()
        return before, look(stack)


def stores(stack: Stack) -> list[str]:
    return ["redis-results"] + (["redis"] if stack.topology == "redis" else [])


def commands(stack: Stack) -> Counter[str]:
    """Calls of each command that each Redis counts, by "service command"."""
    counted: Counter[str] = Counter()
    for service in stores(stack):
        for name, calls in re.findall(r"cmdstat_(\S+?):calls=(\d+)", redis_cli(stack, service, "info", "commandstats")):
            if name.partition("|")[0] not in NOT_COUNTED:
                counted[f"{service} {name}"] = int(calls)
    return counted


def rabbitmqctl(stack: Stack, *words: str) -> str:
    return stack.compose.run("exec", "-T", "rabbitmq", "rabbitmqctl", "--silent", *words)


def frames(stack: Stack) -> Counter[str]:
    """RabbitMQ's counters of messages, and the bytes of all connections in either direction."""
    if stack.topology != "rabbitmq":
        return Counter()
    counted: Counter[str] = Counter()
    overview = rabbitmqctl(stack, "eval", "rabbit_global_counters:overview().")
    for name, count in re.findall(r"(\w+_total) => (\d+)", overview):
        counted[name] += int(count)
    for line in rabbitmqctl(stack, "list_connections", "recv_oct", "send_oct").splitlines():
        got, gave = line.split()
        counted.update({BYTES[0]: int(got), BYTES[1]: int(gave)})
    return counted


def said(stack: Stack, way: str, stored: bool) -> tuple[Counter[str], Counter[str]]:
    """What the counters rise by: the commands to Redis, and RabbitMQ's messages and bytes."""
    (redis, rabbitmq), (redis_then, rabbitmq_then) = before_and_after(
        stack, way, stored, lambda stack: (commands(stack), frames(stack))
    )
    return redis_then - redis, rabbitmq_then - rabbitmq


@pytest.mark.parametrize("stored", [False, True], ids=["ignored", "stored"])
def test_the_rig_says_what_an_application_says(quiet: Stack, stored: bool) -> None:
    redis, rabbitmq = said(quiet, APPLICATION, stored)
    pushes = {"redis lpush": SENDS} if quiet.topology == "redis" else {}
    listens = {"redis-results subscribe": SENDS, "redis-results unsubscribe": SENDS} if stored else {}
    assert redis == Counter(pushes | listens)  # and not nothing
    assert rabbitmq["messages_confirmed_total"] == (SENDS if quiet.topology == "rabbitmq" else 0)
    for call in CALLS:
        by_rig, frames_by_rig = said(quiet, call, stored)
        assert by_rig == redis, call
        for name in rabbitmq | frames_by_rig:
            differ = abs(frames_by_rig[name] - rabbitmq[name]) / SENDS
            assert differ <= (SAME_BYTES if name in BYTES else 0), (call, name, rabbitmq, frames_by_rig)


def connections(stack: Stack) -> set[str]:
    """Every connection of the application's user, by the server's own name for it."""
    found = {
        f"{service} {number}"
        for service in stores(stack)
        for number in re.findall(r"^id=(\d+) .*\buser=app\b", redis_cli(stack, service, "client", "list"), re.MULTILINE)
    }
    if stack.topology == "rabbitmq":
        found |= set(rabbitmqctl(stack, "list_connections", "pid").splitlines())
    return found


@pytest.mark.parametrize("call", [SEND_TASK, APPLY_ASYNC])
def test_users_who_are_warm_open_no_connection(quiet: Stack, call: str) -> None:
    warm, after = before_and_after(quiet, call, True, connections, users=USERS, sends=20)
    assert after == warm
    assert len(warm) >= 10 + USERS  # the pool of the broker's, and each user's own to the result store

"""What the ledger says about tasks that end in every way a task can end: on every pool, acknowledged early and late."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rig.ledger import layout
from rig.ledger.account import account
from rig.ledger.reader import Segment, as_words, read_ledger
from rig.ledger.tasks import Tasks, build
from tests.stack.conftest import Stack

APPS = Path(__file__).parent / "apps"
POOLS = ["prefork", "solo", "threads", "gevent", "eventlet"]
EVENTLET = ("eventlet", "dns")  # pure Python and in no image of ours: lent to the container from this environment
STAMPS = {
    "sent": "s", "published": "p", "received": "r", "started": "b", "body_done": "d", "stored": "w", "finished": "f",
    "acked": "a",
}  # fmt: skip
Row = tuple[str, str | None, int, str]  # name, outcome, attempts to publish it, stamps that it has


def expected(pool: str, late: bool) -> Counter[Row]:
    """The rows of one worker's ledger."""
    end = "a"  # whoever may give a message back has not acknowledged it
    rows: Counter[Row] = Counter(
        {
            ("pools.add", "succeeded", 1, "sprbdwf" + end): 20 + 7,  # seven in chain, group and chord
            ("celery.starmap", "succeeded", 1, "sprbdf" + end): 2,
            ("pools.family", "succeeded", 1, "sprbdf" + end): 1,
            ("pools.fail", "failed", 1, "sprbdf" + end): 1,
            ("pools.again", "succeeded", 2, "sprbdf" + end): 1,
            ("pools.ignore", "ignored", 1, "sprbdf" + end): 1,
            ("pools.reject", "rejected", 1, "sprbdf" + ("" if late else "a")): 1,
            ("pools.later", "revoked", 1, "spr" + end): 1,
            ("pools.later", "expired", 1, "spr" + end): 1,
            ("pools.nobody_knows_it", "unknown", 1, "spr"): 1,
        }
    )
    if pool == "prefork":
        rows["pools.die", "lost", 1, "sprb" + end] = 1
        rows["pools.hang", "lost", 1, "sprbd" + end] = 1  # killed by SIGTERM first, which ends the body as an exception
    return rows


def rows_of(tasks: Tasks) -> Counter[Row]:
    return Counter(
        (
            tasks.kinds[tasks.kind[index]][0],
            layout.OUTCOMES.get(int(tasks.outcome[index])),
            int(tasks.sends[index]),
            "".join(letter for stamp, letter in STAMPS.items() if getattr(tasks, stamp)[index]),
        )
        for index in range(len(tasks))
    )


@contextmanager
def worker(stack: Stack, pool: str, late: bool, ledger: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A container with a worker of that pool; its name, its node and the environment of its client."""
    queue = f"pools-{pool}-{'late' if late else 'early'}"
    environment = {
        "POOLS_QUEUE": queue, "PYTHONPATH": "/srv:/opt/rig:/apps:/lent", "RIG_LEDGER_DIR": "/pools",
        "RIG_ROLE": "worker", "RIG_SETTINGS": json.dumps({"task_acks_late": late}),
    }  # fmt: skip
    options = [f"--env={name}={value}" for name, value in environment.items()]
    options += [f"--volume={APPS}:/apps:ro", f"--volume={ledger}:/pools"]
    if pool == "eventlet":
        options += [f"--volume={Path(find_spec(name).origin).parent}:/lent/{name}:ro" for name in EVENTLET]
    command = ["celery", "-A", "pools", "worker", "-P", pool, "-c", "2", "-Q", queue, "-n", f"{queue}@test"]
    # The image of Locust, since that of the application has no gevent.
    name = stack.compose.run("run", "--rm", "--detach", *options, "locust", *command, timeout=120).split()[-1]
    try:
        yield name, f"{queue}@test", {**environment, "RIG_ROLE": "client"}
    finally:
        subprocess.run(["docker", "stop", "--time=20", name], check=False, capture_output=True)


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stack", ["rabbitmq"], indirect=True)
def test_the_ledger_has_the_exact_rows(stack: Stack, pool: str, late: bool, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with worker(stack, pool, late, tmp_path) as (container, node, environment):
        assert_compiled(container)
        drive(container, environment, node, pool)
        tasks = settled(tmp_path, expected(pool, late))
        if rows_of(tasks) != expected(pool, late):
            print(subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False).stderr)
    assert rows_of(tasks) == expected(pool, late)
    assert_parents(tasks)
    ledger = read_ledger(tmp_path)
    # Given back and not acknowledged: what nobody knows, and, when acks are late, what the task itself refused.
    assert sum(rejections(segment) for segment in ledger.segments) == (2 if late else 1)
    drawn = account(tasks, ledger, now_ns=time.monotonic_ns())
    assert drawn.invalid == []
    assert len(drawn.lost) == (2 if pool == "prefork" else 0)
    assert (drawn.duplicated, drawn.unexpected, drawn.indeterminate) == ([], [], 0)


def rejections(segment: Segment) -> int:
    slots = segment.slots
    return int((as_words(slots)[slots["type"] == layout.RUN, layout.REJECTED] > 0).sum())


def assert_compiled(container: str) -> None:
    """The image is built without the compiled hooks where no compiler can be had; here one can."""
    look = "from rig.instrument import hot_hooks; print(hot_hooks.fast.__name__)"
    command = ["docker", "exec", container, "python", "-c", look]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "rig_fast"


def drive(container: str, environment: dict[str, str], node: str, pool: str) -> None:
    options = [f"--env={name}={value}" for name, value in environment.items()]
    command = ["docker", "exec", *options, container, "python", "/apps/pools_drive.py", node, pool]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def settled(ledger: Path, rows: Counter[Row], seconds: float = 45) -> Tasks:
    """The tasks when they are what is expected, or what they are at last."""
    deadline = time.monotonic() + seconds
    while rows_of(tasks := build(read_ledger(ledger))) != rows and time.monotonic() < deadline:
        time.sleep(1)
    return tasks


def assert_parents(tasks: Tasks) -> None:
    """Children of chain, group, chord and chunks name the task that sent them; nobody else has a parent."""
    name = [tasks.kinds[kind][0] for kind in tasks.kind]
    ids: list[bytes] = [bytes(each) for each in tasks.id]
    parents: list[Any] = [bytes(each) for each in tasks.parent]
    family = ids[name.index("pools.family")]
    # First of the chain, both of the group, both of the chord's header, both chunks.
    assert sum(parent == family for parent in parents) == 7
    assert all(parent == family for parent, each in zip(parents, name, strict=True) if each == "celery.starmap")
    grandchildren = [parent for parent in parents if parent and parent != family]
    assert len(grandchildren) == 2  # second of the chain, body of the chord: sent by a child when it had ended
    assert all(parents[ids.index(parent)] == family for parent in grandchildren)

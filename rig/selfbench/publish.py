"""Fills the queue of rig.selfbench.switch, from a container of its own: python -m rig.selfbench.publish ROUNDS SEED

Prints the plan as JSON: for each round its blocks as `[mode, tasks]`, in the order in which they were sent.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from amqp.exceptions import NotFound
from kombu import Producer
from kombu.utils.uuid import uuid

from rig.selfbench import marks

SMALLEST, LARGEST = 150, 200  # measured tasks of a block; of random length, so that nothing periodic hides in them
WORKER_START_S = 60
AHEAD = 8000  # messages: enough that the worker never waits, too few to make the broker page


def main(rounds: int, seed: int) -> None:
    """Publish all rounds, never more than AHEAD of the worker."""
    from app import app  # type: ignore[import-not-found]  # the deployment's own

    dice = random.Random(seed)  # noqa: S311 - a plan, not a secret
    plan = [round_of(dice) for _ in range(rounds)]
    with app.connection_for_write(transport_options={"confirm_publish": False}) as connection:
        channel = connection.default_channel
        producer = Producer(channel)
        await_consumer(connection)
        for number, blocks in enumerate(plan):
            for headers, body, properties in messages(app, blocks, last=number == rounds - 1):
                producer.publish(
                    body, routing_key=marks.QUEUE, exchange="", headers=headers, serializer="json", **properties
                )
            await_room(channel)
    print(json.dumps(plan))


def await_consumer(connection: Any) -> None:
    """Wait until the worker consumes: it is what declares the queue. Raises TimeoutError after a minute."""
    deadline = time.monotonic() + WORKER_START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotFound), connection.channel() as channel:
            if channel.queue_declare(queue=marks.QUEUE, passive=True).consumer_count:
                return
        time.sleep(0.5)
    raise TimeoutError(f"no worker consumes {marks.QUEUE} after {WORKER_START_S} s")


def await_room(channel: Any) -> None:
    """Wait until the worker is at most AHEAD messages behind. Raises TimeoutError when it is gone or stands still."""
    deadline = time.monotonic() + WORKER_START_S
    while (state := channel.queue_declare(queue=marks.QUEUE, passive=True)).message_count > AHEAD:
        if not state.consumer_count or time.monotonic() > deadline:
            raise TimeoutError("the worker does not consume any more")
        time.sleep(0.05)


def round_of(dice: random.Random) -> list[tuple[str, int]]:
    """Return each mode once, in random order, with its number of measured tasks."""
    return [(mode, dice.randint(SMALLEST, LARGEST)) for mode in dice.sample(marks.MODES, len(marks.MODES))]


def messages(app: Any, blocks: list[tuple[str, int]], *, last: bool) -> Iterator[tuple[Any, Any, Any]]:
    """Yield headers, body and properties of each message of a round."""
    for mode, measured in blocks:
        yield mark(marks.SWITCH, mode)
        for _ in range(marks.PREFETCH):
            yield task(app)
        yield mark(marks.BEGIN)
        for _ in range(measured):
            yield task(app)
    if last:
        yield mark(marks.END)


def mark(deed: str, mode: str = "") -> tuple[Any, Any, Any]:
    """Return a message that rig.selfbench.switch acts upon."""
    return {"task": marks.MARK, "id": uuid(), marks.DEED: deed, marks.MODE: mode}, [], {}


def task(app: Any) -> tuple[Any, Any, Any]:
    """Return the message of one task, as Celery itself makes it."""
    made = app.amqp.as_task_v2(uuid(), marks.TASK, (), {}, ignore_result=True)
    return made.headers, made.body, made.properties


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

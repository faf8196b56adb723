"""In a generator's container: what an application pays to send, without Locust, ledger or gevent.

    python -m rig.selfbench.bare COUNT WAY    send COUNT no-ops in a loop; WAY: apply_async or send_task
    python -m rig.selfbench.bare              only make the queue, and empty it

Application and settings are those that the generator beside it uses (`rig.load.send.client`). Prints JSON: `sent`,
`seconds`, `cpu_seconds`. The queue is emptied before and after, so that a broker never holds more than one load.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from kombu import Queue

from rig.load.send.client import make_app
from rig.load.send.target import resolve
from rig.selfbench import marks

WARM = 300  # sends that are not measured: connections, caches


def main(count: int = 0, way: str = "apply_async") -> dict[str, float]:
    """Make the queue, empty it, and send `count` tasks."""
    app = make_app(resolve(), [marks.QUEUE])
    with app.connection_for_write() as connection, connection.channel() as channel:
        queue = Queue(marks.QUEUE, durable=True, queue_arguments={"x-queue-type": "quorum"}, channel=channel)
        queue.queue_declare()
        queue.purge()
        measured = loop(app, count, way) if count else {}
        queue.purge()
    return measured


def loop(app: Any, count: int, way: str) -> dict[str, float]:
    """Send, and say how long it took."""

    @app.task(name=marks.TASK)  # type: ignore[untyped-decorator]
    def noop() -> None:
        pass

    send: Any = {"apply_async": noop.apply_async, "send_task": lambda **how: app.send_task(marks.TASK, **how)}[way]
    options = {"queue": marks.QUEUE, "ignore_result": True}
    for _ in range(WARM):
        send(**options)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        send(**options)
    return {"sent": count, "seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    print(json.dumps(main(*(int(word) if word.isdecimal() else word for word in sys.argv[1:]))))  # type: ignore[arg-type]

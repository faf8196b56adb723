"""In a container of its own: fills a queue and says when a worker has emptied it. Told what to do line by line.

    python -m rig.selfbench.feeder

reads JSON lines and answers each with one: {"do": "purge"}, {"do": "await_consumer"}, {"do": "fill", "tasks": N},
{"do": "await_end"}: {"seconds": between the first and the last of what was filled in}.

The first and the last task of a load are `app.echo`, whose results are pushed here (Redis pub/sub); what lies between
are no-ops without results. So nothing has to look into the worker, and every worker pays for the same tasks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from celery.exceptions import TimeoutError as NoResultYet
from kombu import Producer

from rig.selfbench import marks
from rig.selfbench.publish import await_consumer, task

PATIENCE_S = 120  # for a load to be worked off


class Feeder:
    """One connection, one channel, so that messages stay in order. Publishing is not measured: no confirms."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._connection = app.connection_for_write(heartbeat=0, transport_options={"confirm_publish": False})
        self._channel = self._connection.default_channel
        self._producer = Producer(self._channel, auto_declare=False)
        self._ends: list[Any] = []
        app.amqp.queues[marks.QUEUE](self._channel).declare()

    def purge(self) -> dict[str, Any]:
        """Throw away what is left of the load before."""
        self._channel.queue_purge(marks.QUEUE)
        return {}

    def await_consumer(self) -> dict[str, Any]:
        """Wait until a worker consumes the queue."""
        await_consumer(self._connection)
        return {}

    def fill(self, tasks: int) -> dict[str, Any]:
        """Publish `tasks` no-ops between two ends."""
        first = self._end()
        for _ in range(tasks):
            headers, body, properties = task(self._app)
            self._producer.publish(
                body, routing_key=marks.QUEUE, exchange=marks.QUEUE, headers=headers, serializer="json", **properties
            )
        self._ends = [first, self._end()]
        # Answered only when the broker has taken all that was published before.
        held = self._channel.queue_declare(queue=marks.QUEUE, passive=True).message_count
        return {"tasks": tasks + 2, "held": held}

    def await_end(self) -> dict[str, Any]:
        """Return the time from the first result to the last one. Raises Celery's TimeoutError when it does not come."""
        times = []
        for end in self._ends:
            end.get(timeout=PATIENCE_S)
            times.append(time.perf_counter())
            end.forget()
        return {"seconds": times[1] - times[0]}

    def _end(self) -> Any:
        return self._app.send_task("app.echo", ("end",), queue=marks.QUEUE, producer=self._producer)


def serve(feeder: Feeder) -> None:
    """Answer each line on stdin."""
    deeds: dict[str, Callable[..., dict[str, Any]]] = {
        deed.__name__: deed for deed in (feeder.purge, feeder.await_consumer, feeder.fill, feeder.await_end)
    }
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = deeds[order.pop("do")](**order)
        except (TimeoutError, NoResultYet) as error:
            answer = {"error": str(error) or "the worker did not come to an end"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    from app import app  # type: ignore[import-not-found]  # the deployment's own

    serve(Feeder(app))

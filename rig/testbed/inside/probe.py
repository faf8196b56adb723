"""Asks the broker, from inside a generator's container: what it counted, what it still holds, which versions run.

    docker exec GENERATOR python3 -m rig.testbed.inside.probe QUEUE...

Prints one JSON object: `left` (messages by queue), `acknowledged` (by queue; under "" where the broker only has a sum),
`versions`. Run when a run is over: RabbitMQ's numbers are up to collect_statistics_interval old, and Redis's are a sum.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import urllib.request
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import Redis

from rig.load.send.client import make_app
from rig.load.send.target import resolve

PACKAGES = {
    "Celery": "celery", "kombu": "kombu", "billiard": "billiard", "py-amqp": "amqp", "redis-py": "redis",
    "Locust": "locust", "gevent": "gevent",
}  # fmt: skip
MONITOR_PASSWORD = Path("/run/secrets/monitor_password")  # rig.testbed.cells gives it to generators
METRICS_PORT = 15692  # RabbitMQ's Prometheus plugin
ACKED = "rabbitmq_detailed_queue_messages_acked_total"


def main(queues: Sequence[str]) -> None:
    """Print what is known about `queues`."""
    app = make_app(resolve())
    with app.connection_for_read() as connection:
        connection.connect()
        facts = (
            _rabbitmq(connection, queues) if connection.transport.driver_type == "amqp" else _redis(connection, queues)
        )
    facts["versions"] |= {name: version(package) for name, package in PACKAGES.items()}
    facts["versions"]["Python"] = platform.python_version()
    print(json.dumps(facts))


def _rabbitmq(connection: Any, queues: Sequence[str]) -> dict[str, Any]:
    host = urlsplit(connection.as_uri()).hostname
    vhost = connection.virtual_host
    url = f"http://{host}:{METRICS_PORT}/metrics/detailed?vhost={vhost}&family=queue_delivery_metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    left = {queue: _declared(connection, queue) for queue in queues}
    acknowledged = {queue: _metric(text, ACKED, queue) for queue in queues}
    server = connection.connection.server_properties
    return {"left": left, "acknowledged": acknowledged, "versions": {"RabbitMQ": server.get("version", "")}}


def _declared(connection: Any, queue: str) -> int:
    with connection.channel() as channel:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)


def _metric(text: str, name: str, queue: str) -> int:
    match = re.search(rf'^{name}{{[^}}]*queue="{re.escape(queue)}"[^}}]*}} (\d+)', text, re.MULTILINE)
    return int(match[1]) if match else 0


def _redis(connection: Any, queues: Sequence[str]) -> dict[str, Any]:
    channel = connection.default_channel
    left = {queue: int(channel._size(queue)) for queue in queues}
    left[""] = int(channel.client.hlen(channel.unacked_key))
    about = _as_monitor(channel.client).info("all")
    # Each message is one LPUSH, and nothing else on this server uses LPUSH; a restored one would be counted again.
    pushed = int(about.get("cmdstat_lpush", {}).get("calls", 0))
    versions = {"Redis": about["redis_version"]}
    return {"left": left, "acknowledged": {"": pushed - sum(left.values())}, "versions": versions}


def _as_monitor(client: Any) -> Redis:
    """Return a client of the same server (behind Sentinel: of the primary) that may ask for statistics."""
    asked = client.connection_pool.get_connection()
    asked.connect()  # behind Sentinel, host and port are known only now
    return Redis(host=asked.host, port=asked.port, username="monitor", password=MONITOR_PASSWORD.read_text().strip())


if __name__ == "__main__":
    main(sys.argv[1:])

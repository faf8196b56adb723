"""What a backlog used besides CPU, from counters as kernel, RabbitMQ and Redis write them."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rig.experiment import meters
from rig.experiment.meters import MIB, Meter, Server, rabbitmq_messages, redis_commands
from rig.stack.cgroups import Cgroup

RABBITMQ = """\
# HELP rabbitmq_global_messages_received_total Total number of messages received from clients
rabbitmq_global_messages_received_total{protocol="amqp091"} 410
rabbitmq_global_messages_received_confirm_total{protocol="amqp091"} 410
rabbitmq_global_messages_confirmed_total{protocol="amqp091"} 400
rabbitmq_global_messages_routed_total{protocol="amqp091"} 400
rabbitmq_global_messages_delivered_total{protocol="amqp091",queue_type="rabbit_quorum_queue"} 300
rabbitmq_global_messages_delivered_total{protocol="amqp091",queue_type="rabbit_classic_queue"} 7
rabbitmq_global_messages_acknowledged_total{protocol="amqp091",queue_type="rabbit_quorum_queue"} 299
rabbitmq_global_messages_delivered_consume_manual_ack_total{protocol="amqp091"} 307
"""


def test_messages_of_rabbitmq_are_counted_once_each_way() -> None:
    assert rabbitmq_messages(RABBITMQ) == 410 + 400 + 300 + 7 + 299


def test_housekeeping_is_no_command_of_redis_that_counts() -> None:
    calls = {"lpush": 5, "brpop": 7, "ping": 100, "info": 3, "client|setinfo": 4, "client|id": 2, "xinfo|stream": 1}
    assert redis_commands({f"cmdstat_{name}": {"calls": count} for name, count in calls.items()}) == 13


@pytest.fixture
def group(tmp_path: Path) -> Cgroup:
    (tmp_path / "memory.stat").write_text("anon 3145728\nfile 9999\n")
    return Cgroup(version=2, cpu=tmp_path / "cpu", memory=tmp_path / "memory.stat", network=tmp_path / "dev")


def receive(group: Cgroup, size: int) -> None:
    group.network.write_text(f"Inter-| Receive\n face |bytes\n lo: 9 {'0 ' * 7} 9\n eth0: {size} {'0 ' * 7} 5\n")


def test_a_meter_gives_what_came_between_its_readings_by_task(group: Cgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [RABBITMQ, RABBITMQ.replace(" 410", " 450")]

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(counted.pop(0).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Metrics) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setattr(meters, "PROMETHEUS_PORT", web.server_port)
        components = {name: [group] for name in ("publisher", "broker", "worker", "results")}
        receive(group, 1000)
        meter = Meter(components, [Server(service="rabbitmq", address="127.0.0.1", password="")])
        receive(group, 4000)
        values = meter.a_task(20)
        web.shutdown()
    assert values == {
        "broker_bytes": 150, "results_bytes": 150, "broker_operations": 2, "worker_memory": 3, "broker_memory": 3,
    }  # fmt: skip
    assert MIB == 1024 * 1024


def test_a_server_out_of_reach_leaves_its_measure_out_and_a_sentinel_does_no_work(group: Cgroup) -> None:
    receive(group, 1)
    components = {name: [group] for name in ("broker", "worker", "results")}
    gone = Server(service="redis-1", address="127.0.0.1", password="")
    sentinel = Server(service="sentinel-1", address="127.0.0.1", password="")
    assert "broker_operations" not in Meter(components, [gone, sentinel]).a_task(1)
    assert Meter(components, [sentinel]).a_task(1)["broker_operations"] == 0


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Server(service="redis", address="x", password="secret"))

"""What a backlog used besides CPU, from counters as kernel, RabbitMQ and Redis write them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rig.experiment.measure import FACTS
from rig.testbed import meters
from rig.testbed.cgroups import Cgroup
from rig.testbed.meters import EVICTED, MIB, Meter, Server, rabbitmq_messages, redis_commands

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


def test_messages_of_rabbitmq_are_counted_by_what_was_done_with_them() -> None:
    assert rabbitmq_messages(RABBITMQ) == {"received": 410, "confirmed": 400, "delivered": 307, "acknowledged": 299}


def test_housekeeping_is_no_command_of_redis_that_counts() -> None:
    calls = {"lpush": 5, "brpop": 7, "ping": 100, "info": 3, "client|setinfo": 4, "client|id": 2, "xinfo|stream": 1}
    counted = redis_commands({f"cmdstat_{name}": {"calls": count} for name, count in calls.items()})
    assert counted == {"lpush": 5, "brpop": 7, "xinfo": 1}


@pytest.fixture
def group(tmp_path: Path) -> Cgroup:
    (tmp_path / "memory.stat").write_text("anon 3145728\nfile 9999\n")
    return Cgroup(version=2, cpu=tmp_path / "cpu", memory=tmp_path / "memory.stat", network=tmp_path / "dev")


def receive(group: Cgroup, size: int) -> None:
    group.network.write_text(f"Inter-| Receive\n face |bytes\n lo: 9 {'0 ' * 7} 9\n eth0: {size} {'0 ' * 7} 5\n")


@contextlib.contextmanager
def rabbitmq(monkeypatch: pytest.MonkeyPatch, *counted: str) -> Iterator[Server]:
    """A server that says one text after the other."""
    coming = list(counted)

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(coming.pop(0).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Metrics) as web:
        Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(meters, "PROMETHEUS_PORT", web.server_port)
        yield server("broker", "amqp")
        web.shutdown()


def server(component: str, scheme: str, port: int = 1) -> Server:
    return Server(component=component, scheme=scheme, address="127.0.0.1", port=port, password="secret")


def components(group: Cgroup) -> dict[str, list[Cgroup]]:
    return {name: [group] for name in ("publisher", "broker", "worker", "results")}


def test_a_meter_gives_what_came_between_its_readings_by_task(group: Cgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    later = RABBITMQ.replace(" 410", " 450").replace(" 400", " 420")
    with rabbitmq(monkeypatch, RABBITMQ, later) as broker:
        receive(group, 1000)
        meter = Meter(components(group), [broker])
        receive(group, 4000)
        values = meter.a_task(20)
    assert values == {
        "broker_bytes": 150, "results_bytes": 150, "broker_operations": 3, "broker_received": 2, "broker_confirmed": 1,
        "worker_memory": 3,
    }  # fmt: skip
    assert MIB == 1024 * 1024


def test_what_redis_counts_says_of_results_how_many_were_written_and_of_its_keys_how_many_it_threw_away(
    group: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers of a result store: the sum of both. What was thrown away is a number, and not one a task."""
    counted = iter(
        [Counter(set=5, subscribe=2)] * 2 + [Counter({"set": 15, "setex": 10, "subscribe": 2, EVICTED: 3})] * 2
    )
    monkeypatch.setattr(Server, "counters", lambda _: next(counted))
    receive(group, 1)
    servers = [server("results", "redis", port) for port in (6379, 6380)]
    values = Meter(components(group), servers).a_task(20)
    assert values["results_written"] == 2  # 2 x (10 SET, 10 SETEX) / 20
    assert values["results_subscribed"] == 0
    assert values["results_evicted"] == 6
    assert not any(name in values for name in ("broker_operations", "broker_received", "broker_confirmed"))


def test_what_a_broker_counts_is_no_fact_of_the_result_store(group: Cgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([Counter(), Counter({"lpush": 40, "brpop": 60, "set": 7, EVICTED: 5})])
    monkeypatch.setattr(Server, "counters", lambda _: next(counted))
    receive(group, 1)
    values = Meter(components(group), [server("broker", "redis")]).a_task(20)
    assert (values["broker_received"], values["broker_operations"], values["broker_confirmed"]) == (2, 107 / 20, 0)
    assert "results_written" not in values


def test_a_server_out_of_reach_leaves_its_measures_out(group: Cgroup) -> None:
    receive(group, 1)
    values = Meter(components(group), [server("broker", "redis"), server("results", "redis")]).a_task(1)
    assert values.keys() == {"broker_bytes", "results_bytes", "worker_memory"}


def test_every_fact_that_a_file_may_assert_can_be_measured(group: Cgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "counters", lambda _: Counter())
    receive(group, 1)
    values = Meter(components(group), [server("broker", "redis"), server("results", "redis")]).a_task(1)
    assert FACTS.keys() <= {*values, "stored"}  # the ledger shows what was stored


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(server("broker", "redis"))

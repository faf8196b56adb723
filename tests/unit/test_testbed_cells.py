"""The generated Compose file: what each cell has of its own."""

import json
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
import yaml
from celery import Celery
from celery.app.amqp import Queues
from topologies import RABBITMQ, TOPOLOGIES

from rig.experiment.file.spec import CONTROL
from rig.load.send.client import make_app
from rig.load.send.target import Target
from rig.testbed import cells
from rig.testbed.variant import Kind, Variant, WorkerSpec


@pytest.fixture
def services(tmp_path: Path) -> dict[str, dict]:
    own = cells.cells_of(made_up.experiment().cells, tmp_path, TOPOLOGIES)
    text = cells.compose_file(own, Path("/repo/compose"), "run-1")
    return yaml.safe_load(text)["services"]


def test_control_is_the_first_variant_in_a_cell_of_its_own(tmp_path: Path) -> None:
    built = {cell.name: cell for cell in cells.cells_of(made_up.experiment().cells, tmp_path, TOPOLOGIES)}
    assert list(built) == ["stored", "ignored", CONTROL]
    assert built[CONTROL].variant is built["stored"].variant
    assert [cell.queues for cell in built.values()] == [("bench.c0",), ("bench.c1",), ("bench.c2",)]


@pytest.mark.parametrize("count", [2, 9, 10, 12])
def test_whatever_variants_are_called_their_messages_have_names_of_one_length(tmp_path: Path, count: int) -> None:
    """A queue's name is in every message, a node's in what it says to the broker: a longer one would cost bytes."""
    variants = [Variant(name="a" * (n + 1), settings={"worker_prefetch_multiplier": n}) for n in range(count)]
    built = cells.cells_of(replace(made_up.experiment(), variants=tuple(variants)).cells, tmp_path, TOPOLOGIES)
    assert len({cell.code for cell in built}) == len({cell.queues for cell in built}) == count + 1
    assert len({len(queue) for cell in built for queue in cell.queues}) == 1
    commands = [cells.worker_command(cell, cell.workers[0], cell.variant.workers[0]) for cell in built]
    nodes = [command[command.index("-n") + 1] for command in commands]
    assert len(set(nodes)) == count + 1
    assert len({len(node) for node in nodes}) == 1
    assert {len(" ".join(command)) for command in commands} == {len(" ".join(commands[0]))}


def test_no_two_cells_share_a_queue_or_a_ledger(services: dict[str, dict]) -> None:
    workers = [service for name, service in services.items() if name.startswith("worker-")]
    assert len(workers) == 3
    assert len({service["command"][service["command"].index("-Q") + 1] for service in workers}) == 3
    assert len({service["volumes"][0] for service in workers}) == 3


def test_worker_and_generator_of_a_cell_share_ledger_and_settings(services: dict[str, dict]) -> None:
    worker, generator = services["worker-ignored"], services["generator-ignored"]
    assert worker["volumes"] == generator["volumes"]
    for service in (worker, generator):
        settings = json.loads(service["environment"]["RIG_SETTINGS"])
        assert settings["task_ignore_result"] is True
        assert list(settings["task_queues"]) == ["bench.c1"]


def test_generators_are_published_on_loopback_only(services: dict[str, dict]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:0:8089"] * 3


def test_variant_options_follow_the_engines_own_on_the_command_line(tmp_path: Path) -> None:
    variant = Variant(name="a", workers=(WorkerSpec(worker="--pool threads -c 8"),))
    cell = cells.Cell(name="a", code="c0", variant=variant, topology=RABBITMQ, ledger=tmp_path)
    (service,) = cell.workers
    assert cells.worker_command(cell, service, *variant.workers)[-4:] == ["--pool", "threads", "-c", "8"]


def test_yaml_survives_what_settings_may_contain() -> None:
    nested = {"a": {"text": 'x: "y" # {z}', "number": 3, "list": ["-c", "2"]}, "b-c": False}
    assert yaml.safe_load(cells.yaml(nested)) == nested
    assert "$$HOME" in cells.yaml({"a": "$HOME"})


SPLIT = Variant(
    name="split",
    workers=(WorkerSpec(worker="-c 1", queues=("quick",)), WorkerSpec(worker="-c 2", queues=("slow",))),
    queues={"short": "quick", "tiny": "quick", "long": "slow"},
    queue_arguments={"x-queue-type": "classic"},
)  # fmt: skip


def test_each_kind_goes_to_its_queue_and_each_worker_consumes_its_own(tmp_path: Path) -> None:
    cell = cells.Cell(name="split", code="c1", variant=SPLIT, topology=RABBITMQ, ledger=tmp_path)
    assert cell.queues == ("bench.c1.quick", "bench.c1.slow")
    assert [cell.order_of(Kind(task="t", name=name))["queue"] for name in ("tiny", "long")] == list(cell.queues)
    built = yaml.safe_load(cells.compose_file([cell], Path("/repo/compose"), "run-1"))["services"]
    assert list(built) == ["worker-split.1", "worker-split.2", "generator-split"]
    assert built["worker-split.2"]["command"][-8:] == [
        "-Q", "bench.c1.slow", "-n", "c1.2@%h", "--loglevel", "WARNING", "-c", "2",
    ]  # fmt: skip


def queues_of(variant: Variant, tmp_path: Path) -> Queues:
    """Return the queues as Celery makes them of what a worker is told."""
    topology = TOPOLOGIES[variant.topology]
    cell = cells.Cell(name=variant.name, code="c0", variant=variant, topology=topology, ledger=tmp_path)
    return Celery(set_as_current=False).amqp.Queues(cell.settings()["task_queues"])


def test_queues_allow_native_delayed_delivery_on_rabbitmq_and_none_but_the_cells_are_known(tmp_path: Path) -> None:
    queues = queues_of(Variant(name="a"), tmp_path)
    assert list(queues) == ["bench.c0"]
    assert queues["bench.c0"].exchange.type == "topic"
    assert queues["bench.c0"].queue_arguments == {"x-queue-type": "quorum"}
    assert queues_of(SPLIT, tmp_path)["bench.c0.slow"].queue_arguments == {"x-queue-type": "classic"}


def test_queues_on_redis_are_lists_behind_a_direct_exchange(tmp_path: Path) -> None:
    queue = queues_of(Variant(name="a", topology="redis"), tmp_path)["bench.c0"]
    assert queue.exchange.type == "direct"
    assert not queue.queue_arguments


def test_settings_of_a_variant_win_over_the_engines(tmp_path: Path) -> None:
    variant = Variant(name="a", settings={"task_routes": {"app.noop": {"queue": "x"}}})
    cell = cells.Cell(name="a", code="c0", variant=variant, topology=RABBITMQ, ledger=tmp_path)
    assert cell.settings()["task_routes"]["app.noop"]


def test_a_generator_knows_the_queues_of_its_cell_as_the_workers_do(tmp_path: Path) -> None:
    cell = cells.Cell(name="a", code="c0", variant=Variant(name="a"), topology=RABBITMQ, ledger=tmp_path)
    target = Target(
        topology="rabbitmq", broker_url="memory://", result_url="", ledger=tmp_path, settings=cell.settings()
    )
    queues = make_app(target, cell.queues).amqp.queues
    assert list(queues) == ["bench.c0"]
    assert (queues["bench.c0"].exchange.type, queues["bench.c0"].no_declare) == ("topic", None)

"""A topology is what its folder says: every mistake in that is named, and so is what nobody described."""

from __future__ import annotations

from pathlib import Path

import pytest
from topologies import TOPOLOGIES

from rig.errors import BadInput
from rig.stack.topology import BROKER, RESULTS, load, refuse_others

GOOD = """\
transport = "redis"
[services]
valkey = "broker"
valkey-2 = "broker"
store = "results"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "topology.toml").write_text(text)
    return folder


def test_a_topology_is_named_by_its_folder_and_knows_its_services(tmp_path: Path) -> None:
    topology = load(written(tmp_path, GOOD))
    assert topology.name == tmp_path.name
    assert not topology.declares_queues
    assert topology.of_role(BROKER) == ("valkey", "valkey-2")
    assert topology.of_role(RESULTS) == ("store",)


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ('"redis"', '"kafka"', ["transport must be one of amqp, redis, not 'kafka'"]),
        ('transport = "redis"\n', "", ["transport must be one of amqp, redis, not None"]),
        ('transport = "redis"', 'transport = "redis"\nport = 1', ["unknown key 'port'; valid are transport, services"]),
        ('store = "results"\n', "", ["[services] names no results"]),
        (
            '"results"', '"result"',
            ["[services] store must be one of broker, results, not 'result'", "[services] names no results"],
        ),
        (GOOD.partition("\n")[2], "", ["[services] is missing: it gives each service its role"]),
        (GOOD, "transport =", ["not TOML: Invalid value (at end of document)"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_description_is_said_with_its_file(
    tmp_path: Path, old: str, new: str, problems: list[str]
) -> None:
    path = written(tmp_path, GOOD.replace(old, new)) / "topology.toml"
    with pytest.raises(BadInput) as caught:
        load(tmp_path)
    assert caught.value.problems == [f"{path}: {problem}" for problem in problems]


def test_a_folder_without_a_description_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"topology.toml: cannot be read"):
        load(tmp_path)


def test_every_topology_of_the_checkout_is_described() -> None:
    assert list(TOPOLOGIES) == ["rabbitmq", "redis", "redis-sentinel"]
    assert [topology.declares_queues for topology in TOPOLOGIES.values()] == [True, False, False]


def test_services_that_are_described_and_not_there_or_the_other_way_round_are_named(tmp_path: Path) -> None:
    topology = load(written(tmp_path, GOOD))
    refuse_others(topology, ["store", "valkey", "valkey-2"])
    with pytest.raises(BadInput) as caught:
        refuse_others(topology, ["store", "valkey", "proxy"])
    where = f"compose/topologies/{tmp_path.name}/topology.toml"
    assert caught.value.problems == [
        f"{where}: [services] names valkey-2, which compose.yaml does not have",
        f"{where}: [services] gives proxy no role",
    ]

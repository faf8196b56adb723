"""What the pre-flight says about ports, versions, memory, disk and permission to install."""

import socket
from pathlib import Path

import pytest

from rig.stack import engine, machine, ports, preflight
from rig.stack.machine import GIB
from rig.stack.ports import Published


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v2.26.1-4", (2, 26, 1)), ("2.20.0", (2, 20, 0)), ("2.40.3+ds1", (2, 40, 3)), ("dev", ())],
)
def test_a_version(text: str, expected: tuple[int, ...]) -> None:
    assert engine.version(text) == expected


@pytest.mark.parametrize(
    ("compose", "complaints"),
    [(None, ["is missing"]), ("1.29.2", ["too old"]), ("2.19.1", ["too old"]), ("v2.20.0", [])],
)
def test_compose_must_know_include(monkeypatch: pytest.MonkeyPatch, compose: str | None, complaints: list[str]) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda _: "/usr/bin/docker")
    monkeypatch.setattr(engine, "info", lambda: {"ServerVersion": "20.10"})
    monkeypatch.setattr(engine, "compose_version", lambda: compose)
    found = engine.problems()
    assert len(found) == len(complaints)
    assert all(complaint in problem for complaint, problem in zip(complaints, found, strict=True))


@pytest.mark.parametrize(
    ("environment", "user", "release", "allowed"),
    [
        ({}, 0, {"ID": "debian"}, True),
        ({}, 0, {"ID": "ubuntu", "ID_LIKE": "debian"}, True),
        ({}, 0, {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, True),
        ({"RIG_NO_INSTALL": "1"}, 0, {"ID": "debian"}, False),
        ({"DOCKER_HOST": "tcp://elsewhere:2375"}, 0, {"ID": "debian"}, False),
        ({}, 1000, {"ID": "debian"}, False),
        ({}, 0, {"ID": "fedora"}, False),
        ({}, 0, {}, False),
    ],
)
def test_who_may_install(environment: dict[str, str], user: int, release: dict[str, str], allowed: bool) -> None:
    assert engine.may_install(environment, user, release) is allowed


@pytest.mark.parametrize(
    ("release", "family"),
    [({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "fedora"), ({"ID": "opensuse-leap"}, "suse"),
     ({"ID": "manjaro", "ID_LIKE": "arch"}, "arch"), ({"ID": "nixos"}, "nixos")],
)
def test_which_command_to_show(release: dict[str, str], family: str) -> None:
    assert engine.family(release) == family


def test_ports_must_be_numbers() -> None:
    numbers, problems = ports.wanted({"A_PORT": "5672", "B_PORT": "0", "C_PORT": "65536", "D_PORT": "x", "E": "y"})
    assert numbers == {"A_PORT": 5672, "B_PORT": 0}
    assert [problem.split("=")[0] for problem in problems] == ["C_PORT", "D_PORT"]


def test_the_engines_port_column() -> None:
    text = "127.0.0.1:5672->5672/tcp, 4369/tcp, 127.0.0.1:80-82->80-82/tcp\n[::]:9090->9090/tcp"
    assert ports.numbers_published(text) == {5672, 80, 81, 82, 9090}


def test_which_service_a_port_variable_belongs_to() -> None:
    settings = {"B_PORT": "0", "A_PORT": "5672", "UNUSED_PORT": "1"}
    marked = ports.markers(settings)
    config = {"services": {
        "broker": {"ports": [{"published": marked["A_PORT"], "target": 5672}, {"published": "7", "target": 7}]},
        "beat": {},
        "web": {"ports": [{"published": marked["B_PORT"], "target": 80}]},
    }}
    assert ports.published(config, marked, {"A_PORT": 5672, "B_PORT": 0, "UNUSED_PORT": 1}) == [
        Published(variable="A_PORT", service="broker", target=5672, wanted=5672),
        Published(variable="B_PORT", service="web", target=80, wanted=0),
    ]


@pytest.fixture
def listening() -> object:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def port(variable: str, wanted: int) -> Published:
    return Published(variable=variable, service=variable.lower(), target=1, wanted=wanted)


def test_a_taken_port_is_named_with_who_has_it(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "answers", lambda *_: "")
    (problem,) = ports.taken([port("A_PORT", listening), port("B_PORT", 0)], "p")
    assert f"port {listening} (for a_port) is taken by process" in problem
    assert "set A_PORT in .env" in problem
    assert not ports.free(listening)


def test_our_own_containers_ports_are_fine(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "answers", lambda *_: f"127.0.0.1:{listening}->5672/tcp\n")
    assert ports.taken([port("A_PORT", listening)], "p") == []


def test_one_port_for_two_services(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "answers", lambda *_: f"127.0.0.1:{listening}->5672/tcp\n")
    (problem,) = ports.taken([port("A_PORT", listening), port("B_PORT", listening)], "p")
    assert problem.startswith(f"A_PORT and B_PORT are both {listening}")


@pytest.mark.parametrize(
    ("meminfo", "running", "count"),
    [
        ("MemTotal: 9 kB\nMemAvailable:  1048576 kB\n", False, 1),
        ("MemAvailable:  1048576 kB\n", True, 0),
        ("MemAvailable: 9999999 kB\n", False, 0),
        ("", False, 1),
    ],
)
def test_memory(meminfo: str, running: bool, count: int) -> None:
    assert len(machine.memory_problems({"MemTotal": GIB}, meminfo, running=running)) == count


def test_disk(tmp_path: Path) -> None:
    free = machine.free_bytes(tmp_path)
    assert free is not None
    places = {
        "enough": (tmp_path, 1), "too little": (tmp_path, 2 * free + GIB), "elsewhere": (tmp_path / "none", 2 * free),
    }
    (problem,) = machine.disk_problems(places)
    assert f"{tmp_path} (too little)" in problem


def test_no_container_gets_more_cpus_than_there_are() -> None:
    settings = {"BROKER_CPUS": "2.0", "SMALL_CPUS": "0.5", "OTHER": "x"}
    assert machine.cpu_limits(settings, 1) == {"BROKER_CPUS": "1.0"}
    assert machine.cpu_limits(settings, 4) == {}
    assert machine.cpu_limits(settings, 0) == {}


def test_unknown_names_come_with_the_valid_ones() -> None:
    assert preflight.topology_problems("redis", ["rabbitmq", "redis"]) == []
    (problem,) = preflight.topology_problems("nonsense", ["rabbitmq", "redis"])
    assert "rabbitmq, redis" in problem
    assert [len(preflight.family_problems(wish)) for wish in ("", "official", "debian", "oficial")] == [0, 0, 0, 1]

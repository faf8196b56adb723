"""Where a load goes: the environment in a container, what `make up` wrote on the host."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from rig.dotenv import read
from rig.errors import BadInput
from rig.load.send import hosts, target
from rig.load.send.target import place, resolve

ROOT = Path(__file__).parents[2]
STATE = "TOPOLOGY={}\nRABBITMQ_PORT=35001\nREDIS_PORT=35002\nRESULTS_PORT=35003\nREDIS_RESULTS_2_PORT=35004\n"
SENTINELS = "".join(f"SENTINEL_{n}_PORT=3501{n}\nREDIS_{n}_PORT=3502{n}\n" for n in (1, 2, 3))
PASSWORDS = {"broker": "b~R/1", "result": "r@:2", "sentinel": "s3"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout after `make up`, with the repository's own topologies."""
    shutil.copytree(ROOT / "compose" / "topologies", tmp_path / "compose" / "topologies")
    (tmp_path / ".env").write_text("# settings\nCOMPOSE_PROJECT_NAME='mine'  # a name\n")
    secrets = tmp_path / ".rig" / "mine" / "secrets"
    secrets.mkdir(parents=True)
    (tmp_path / ".rig" / "mine" / "ledger").mkdir()
    for which, password in PASSWORDS.items():
        (secrets / f"{which}_password").write_text(password + "\n")
    return tmp_path


def up(checkout: Path, topology: str) -> None:
    (checkout / ".rig" / "mine" / "state.env").write_text(STATE.format(topology) + SENTINELS)


@pytest.mark.parametrize(("topology", "port"), [("rabbitmq", 35001), ("redis", 35002)])
def test_on_the_host_services_are_found_at_their_published_ports(checkout: Path, topology: str, port: int) -> None:
    up(checkout, topology)
    found = resolve({"PATH": "/bin", "TOPOLOGY": "something that is not up"}, checkout)
    broker, results = urlsplit(found.broker_url), urlsplit(found.result_url)
    assert (broker.hostname, broker.port, results.hostname, results.port) == ("127.0.0.1", port, "127.0.0.1", 35003)
    assert (unquote(broker.password or ""), unquote(results.password or "")) == (
        PASSWORDS["broker"],
        PASSWORDS["result"],
    )
    assert (found.topology, found.ledger) == (topology, checkout / ".rig" / "mine" / "ledger")


def test_all_sentinels_are_named_and_what_they_announce_can_be_found(checkout: Path) -> None:
    up(checkout, "redis-sentinel")
    found = resolve({}, checkout)
    assert place(found.broker_url) == "127.0.0.1:35011, 127.0.0.1:35012, 127.0.0.1:35013"
    assert all(unquote(urlsplit(url).password or "") == PASSWORDS["broker"] for url in found.broker_url.split(";"))
    assert (found.sentinel_password, found.sentinel_master) == (PASSWORDS["sentinel"], "broker")
    assert {found.ports[f"redis-{n}"] for n in (1, 2, 3)} == {35021, 35022, 35023}
    assert (found.ports["redis-results"], found.ports["redis-results-2"]) == (35003, 35004)


def test_in_a_container_the_environment_counts_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("topsecret\n")
    environment = {
        "BROKER_URL": "amqp://app@rabbitmq:5672/app", "BROKER_PASSWORD_FILE": str(tmp_path / "secret"),
        "RESULT_URL": "redis://app:own@redis-results:6379/0", "RIG_LEDGER_DIR": str(tmp_path), "RIG_ROLE": "generator",
        "RIG_RUN_ID": "r7", "RIG_PUBLISHER": "12", "RIG_SETTINGS": '{"task_compression": "gzip"}', "TOPOLOGY": "x",
    }  # fmt: skip
    found = resolve(environment, None)
    assert found.broker_url == "amqp://app:topsecret@rabbitmq:5672/app"
    assert found.result_url == "redis://app:own@redis-results:6379/0"
    assert (found.ledger, found.role, found.run_id, found.publisher) == (tmp_path, "generator", "r7", 12)
    assert (found.settings, found.ports, found.topology) == ({"task_compression": "gzip"}, {}, "x")


def test_single_variables_override_what_make_up_wrote(checkout: Path, tmp_path: Path) -> None:
    up(checkout, "redis")
    found = resolve({"RIG_LEDGER_DIR": str(tmp_path), "RESULT_URL": "redis://app@elsewhere:1/0"}, checkout)
    assert found.ledger == tmp_path
    assert place(found.result_url) == "elsewhere:1"
    assert place(found.broker_url) == "127.0.0.1:35002"


def test_no_password_shows_when_a_target_is_printed(checkout: Path) -> None:
    up(checkout, "redis-sentinel")
    found = resolve({}, checkout)
    shown = unquote(repr(found) + place(found.broker_url))
    assert not [secret for secret in PASSWORDS.values() if secret in shown]


def test_without_a_stack_one_line_says_so(checkout: Path) -> None:
    with pytest.raises(BadInput) as refused:
        resolve({}, checkout)
    (problem,) = refused.value.problems
    assert "state.env" in problem
    assert "make up" in problem


def test_outside_of_a_checkout_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "_checkout", lambda: None)
    with pytest.raises(BadInput) as refused:
        resolve({})
    (problem,) = refused.value.problems
    assert "checkout" in problem
    assert "BROKER_URL" in problem


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    environment = {
        "BROKER_URL": "amqp://app@rabbitmq:5672/app", "BROKER_PASSWORD_FILE": str(tmp_path / "missing"),
        "RIG_SETTINGS": "[1]", "RIG_PUBLISHER": "4096",
    }  # fmt: skip
    with pytest.raises(BadInput) as refused:
        resolve(environment, None)
    said = refused.value.problems
    assert [
        word for word in ("missing", "RIG_SETTINGS", "RIG_PUBLISHER") if not any(word in line for line in said)
    ] == []
    with pytest.raises(BadInput, match="RIG_LEDGER_DIR is not set"):
        resolve({"BROKER_URL": "memory://"}, None)
    with pytest.raises(BadInput, match="not JSON"):
        resolve({"BROKER_URL": "memory://", "RIG_LEDGER_DIR": str(tmp_path), "RIG_SETTINGS": "{"}, None)
    with pytest.raises(BadInput, match="no directory"):
        resolve({"BROKER_URL": "memory://", "RIG_LEDGER_DIR": str(tmp_path / "none")}, None)


def test_env_files_are_read_as_compose_reads_them(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# A=0\nA=1\nexport B = two words # c\nC='#3'\nD=\"4 \" # x\nE=\nF=a#b\n\nnonsense\nG=sentinel://a;b\n"
    )
    assert read(path) == {
        "A": "1", "B": "two words", "C": "#3", "D": "4 ", "E": "", "F": "a#b", "G": "sentinel://a;b",
    }  # fmt: skip
    assert read(tmp_path / "none") == {}


@pytest.fixture
def resolver() -> Iterator[None]:
    original = socket.getaddrinfo
    yield
    socket.getaddrinfo = original


@pytest.mark.usefixtures("resolver")
def test_only_the_stacks_names_are_looked_up_at_loopback() -> None:
    before = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    hosts.publish({"redis-1": 35021})
    hosts.publish({"redis-2": 35022})  # a second stack of the same process: the names of the first are forgotten
    for name in ("redis-2", b"redis-2"):
        assert {info[4] for info in socket.getaddrinfo(name, 6380, socket.AF_INET)} == {("127.0.0.1", 35022)}
    assert socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM) == before
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("redis-1", 6379)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("redis-2.example.invalid", 6379)


def test_the_checkout_of_the_package_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert target._checkout() == Path(__file__).parents[2]

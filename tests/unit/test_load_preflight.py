"""What is in the way of a load is said in one line each: what, where, what to do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.errors import BadInput
from rig.load.send import preflight
from rig.load.send.target import Target


def target(tmp_path: Path, broker: str, results: str = "") -> Target:
    secret = tmp_path / "broker_password"
    return Target(
        topology="", broker_url=broker, result_url=results, ledger=tmp_path, sentinel_master="broker",
        secrets={"BROKER": secret},
    )  # fmt: skip


@contextlib.contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A listener that answers whatever it is told with `answer`, over and over; with None it never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        while connection.recv(4096):
                            if answer is not None:
                                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_nothing_is_said_when_all_is_well(tmp_path: Path) -> None:
    assert preflight.problems(target(tmp_path, "memory://"), ["short"]) == []
    preflight.require(target(tmp_path, "memory://"), ["short"])


def test_broker_and_result_store_that_are_not_there_are_both_named(tmp_path: Path) -> None:
    ports = closed_port(), closed_port()
    urls = f"amqp://app:topsecret@127.0.0.1:{ports[0]}/app", f"redis://app:topsecret@127.0.0.1:{ports[1]}/0"
    broker, results = preflight.problems(target(tmp_path, *urls))
    assert f"broker at 127.0.0.1:{ports[0]}" in broker
    assert f"result store at 127.0.0.1:{ports[1]}" in results
    for line in (broker, results):
        assert "nothing is listening" in line
        assert "make up" in line
        assert "\n" not in line
        assert "topsecret" not in line
    with pytest.raises(BadInput):
        preflight.require(target(tmp_path, *urls))


@pytest.mark.parametrize(
    "answer",
    [b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", b"-NOAUTH Authentication required.\r\n"],
)
def test_a_refused_password_names_the_user_and_the_file(tmp_path: Path, answer: bytes) -> None:
    with server(answer) as port:
        (line,) = preflight.problems(target(tmp_path, f"redis://app:topsecret@127.0.0.1:{port}/0"))
    assert "refuses user 'app'" in line
    assert str(tmp_path / "broker_password") in line
    assert "topsecret" not in line


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_silence_is_not_waited_for_without_end(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "TIMEOUT", 0.2)
    with server(None) as port:
        (line,) = preflight.problems(target(tmp_path, f"{scheme}://app:x@127.0.0.1:{port}/0"))
    assert f"127.0.0.1:{port}" in line
    assert "no answer" in line or "Timeout" in line


def test_sentinels_that_do_not_answer_are_named(tmp_path: Path) -> None:
    urls = ";".join(f"sentinel://app:x@127.0.0.1:{closed_port()}/0" for _ in range(2))
    (line,) = preflight.problems(target(tmp_path, urls))
    assert "no sentinel that answers knows a primary named 'broker'" in line


def test_a_name_that_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    (line,) = preflight.problems(target(tmp_path, "amqp://app:x@rabbitmq.invalid:5672/app"))
    assert "name" in line
    assert "rabbitmq.invalid:5672" in line

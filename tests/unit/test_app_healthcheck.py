"""A worker's health is progress: from the cheapest sign of it to the dearest, and an end for one that makes none."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from app import healthcheck


class Broker:
    """Stands for the application and its broker: who answers, and what becomes of a canary."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark
        self.consumed = False
        self.reachable = True
        self.running = 0
        self.started = 0
        self.sent: list[str] = []
        self.control = SimpleNamespace(inspect=lambda nodes, **_: self._inspect(nodes[0]))

    def _inspect(self, node: str) -> Any:
        return SimpleNamespace(
            stats=lambda: {node: {"total": {"app.noop": self.started}}},
            active=lambda: {node: [{}] * self.running},
        )

    def connection_for_write(self) -> Any:
        return nullcontext(SimpleNamespace(ensure_connection=self._ensure_connection))

    def _ensure_connection(self, **_: Any) -> None:
        if not self.reachable:
            raise ConnectionRefusedError("no broker")

    def send_task(self, name: str, args: tuple[str, ...], **_: Any) -> None:
        assert name == "app.canary"
        self.sent.append(args[0])
        if self.consumed:
            self.mark.touch()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Broker:
    monkeypatch.setattr(healthcheck, "CANARY_MARK", tmp_path / "canary")
    monkeypatch.setattr(healthcheck, "BEAT_MARK", tmp_path / "beat")
    monkeypatch.setattr(healthcheck, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(healthcheck, "CANARY_WAIT", 0.1)
    fake = Broker(tmp_path / "canary")
    module = ModuleType("app")
    module.app = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app", module)
    return fake


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the main process was told to end, in order."""
    calls: list[str] = []
    monkeypatch.setattr(healthcheck, "end_main_process", lambda *, hard: calls.append("KILL" if hard else "TERM"))
    return calls


def age(mark: Path, seconds: float) -> None:
    mark.touch()
    os.utime(mark, (time.time() - seconds,) * 2)


def worker() -> int:
    status, reason = healthcheck.main(["worker", "short", "short"])
    assert reason
    return int(status)


def test_a_fresh_canary_is_enough(broker: Broker, ended: list[str]) -> None:
    age(broker.mark, 5)
    broker.reachable = False  # nobody is asked
    assert worker() == 0
    assert not ended


def test_a_worker_busy_with_a_long_task_is_not_sick(broker: Broker, ended: list[str]) -> None:
    age(broker.mark, 500)
    broker.running = 2
    assert [worker() for _ in range(5)] == [0] * 5
    assert not broker.sent
    assert not ended


def test_a_worker_with_a_backlog_is_not_sick(broker: Broker, ended: list[str]) -> None:
    age(broker.mark, 500)
    for total in (10, 20, 30, 40):
        broker.started = total
        assert worker() == 0
    assert not ended


def test_without_beat_the_check_sends_its_own_canary(broker: Broker, ended: list[str]) -> None:
    broker.consumed = True
    assert worker() == 0
    assert broker.sent == ["short"]
    assert not ended


def test_a_worker_that_consumes_nothing_is_ended_gently_then_hard(broker: Broker, ended: list[str]) -> None:
    age(broker.mark, 500)
    seen = [(worker(), list(ended)) for _ in range(healthcheck.GIVE_UP_AFTER + 1)]
    assert [status for status, _ in seen] == [1] * len(seen)
    assert [calls for _, calls in seen][-3:] == [[], ["TERM"], ["TERM", "KILL"]]


def test_a_sign_of_life_starts_the_count_again(broker: Broker, ended: list[str]) -> None:
    for _ in range(healthcheck.GIVE_UP_AFTER - 1):
        worker()
    broker.consumed = True
    worker()
    broker.consumed = False
    age(broker.mark, 500)
    worker()
    assert not ended


def test_a_worker_is_not_blamed_for_its_broker(broker: Broker, ended: list[str]) -> None:
    broker.reachable = False
    assert [worker() for _ in range(9)] == [1] * 9
    assert not ended


@pytest.mark.usefixtures("broker")
def test_beat_that_publishes_is_healthy(ended: list[str]) -> None:
    age(healthcheck.BEAT_MARK, 5)
    assert healthcheck.main(["beat"])[0] == 0
    age(healthcheck.BEAT_MARK, healthcheck.FRESH + 5)
    assert healthcheck.main(["beat"])[0] == 1
    assert not ended


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("uptime", "expected"), [(5.0, []), (500.0, ["KILL"])])
def test_beat_that_publishes_nothing_is_ended_once_it_had_time(
    ended: list[str], monkeypatch: pytest.MonkeyPatch, uptime: float, expected: list[str]
) -> None:
    monkeypatch.setattr(healthcheck, "uptime_of_main_process", lambda: uptime)
    assert healthcheck.main(["beat"])[0] == 1
    assert ended == expected


def test_a_closed_port_is_said_in_one_line() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        status, reason = healthcheck.main(["http", f"http://127.0.0.1:{bound.getsockname()[1]}/"])
    assert status == 1
    assert "refused" in reason


@pytest.mark.usefixtures("broker")
def test_the_state_survives_from_check_to_check() -> None:
    healthcheck.save_state(failures=2)
    healthcheck.save_state(started=7)
    assert json.loads(healthcheck.STATE.read_text()) == {"failures": 2, "started": 7}
    healthcheck.STATE.write_text("torn")
    assert healthcheck.load_state() == {"failures": 0, "started": 0}


def test_the_main_process_is_told_by_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(healthcheck, "main_process", lambda: 4711)
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    healthcheck.end_main_process(hard=False)
    healthcheck.end_main_process(hard=True)
    assert told == [(4711, signal.SIGTERM), (4711, signal.SIGKILL)]

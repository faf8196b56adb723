"""Health checks that the rig runs itself: what is run, what switches Docker's own off, and when waiting ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rig.errors import StackError
from rig.stack import compose, start
from rig.stack.compose import Compose
from rig.testbed import health

PASSWORD = 'REDISCLI_AUTH="$$(cat /run/secrets/monitor_password)" redis-cli ping'  # as `docker compose config` shows it
SERVICES: dict[str, Any] = {
    "rabbitmq": {"healthcheck": {"test": ["CMD", "bash", "/check.sh"], "interval": "10s"}},
    "results": {"healthcheck": {"test": ["CMD-SHELL", PASSWORD]}},
    "none": {"healthcheck": {"test": ["NONE"]}},
    "off": {"healthcheck": {"test": ["CMD", "false"], "disable": True}},
    "without": {},
}
PROJECT = Compose(project="p", files=[Path("/x/compose.yaml")])


class Stage:
    """An engine with the services' containers, and a clock that only sleeping moves.

    `refusals` says how often a service's check fails; `seen` replaces what `docker ps` shows of a container.
    """

    def __init__(self) -> None:
        self.now, self.executed = 0.0, list[tuple[str, ...]]()
        self.refusals: dict[str, float] = {}
        self.seen: dict[str, start.Seen] = {}
        self.restarts: dict[str, int] = {}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def compose(self, *words: str, **_: object) -> str:
        if "config" in words:
            return json.dumps({"services": SERVICES})
        rows = ({"ID": f"id-{name}", "Name": name, "Service": name, "State": "running"} for name in SERVICES)
        return "\n".join(map(json.dumps, rows))

    def execute(self, *words: str, **_: object) -> str:
        assert words[0] == "exec"
        self.executed.append(words[1:])
        service = words[1].removeprefix("id-")
        left = self.refusals.get(service, 0)
        self.refusals[service] = left - 1
        if left > 0:
            raise StackError("`docker exec` failed:\n    not yet")
        return ""

    def containers(self, project: str) -> list[start.Seen]:
        assert project == PROJECT.project
        return [self.seen.get(name, seen(name, "running", "Up 2 seconds")) for name in SERVICES]


def seen(service: str, state: str, status: str) -> start.Seen:
    return start.Seen(id=f"id-{service}", service=service, state=state, status=status)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(compose, "docker", stage.compose)
    monkeypatch.setattr(health, "docker", stage.execute)
    monkeypatch.setattr(health, "time", stage)
    monkeypatch.setattr(start, "containers", stage.containers)
    monkeypatch.setattr(start, "restarts", lambda ids: sum(stage.restarts.get(each, 0) for each in ids))
    monkeypatch.setattr(start, "last_words", lambda chosen: "".join(f"last words of {each.service}" for each in chosen))
    return stage


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["CMD", "bash", "/check.sh", "two words"], ["bash", "/check.sh", "two words"]),
        (["CMD", "sh", "-c", "echo $$HOME"], ["sh", "-c", "echo $HOME"]),
        (["CMD-SHELL", PASSWORD], ["/bin/sh", "-c", PASSWORD.replace("$$", "$")]),
        (["CMD-SHELL", "kill -0 $$$$"], ["/bin/sh", "-c", "kill -0 $$"]),
    ],
)
def test_what_is_run_for_a_check(test: Sequence[str], words: Sequence[str]) -> None:
    assert health.command(test) == words


@pytest.mark.usefixtures("stage")
def test_only_what_has_a_check_is_switched_off() -> None:
    off: Mapping[str, Any] = health.switched_off(PROJECT)["services"]
    assert off == {"rabbitmq": {"healthcheck": {"disable": True}}, "results": {"healthcheck": {"disable": True}}}


def test_each_check_is_run_until_it_has_passed_and_then_no_more(stage: Stage) -> None:
    stage.refusals = {"rabbitmq": 2}
    health.pass_once(PROJECT)
    asked = ("id-rabbitmq", "bash", "/check.sh")
    assert stage.executed == [asked] * 3 + [("id-results", "/bin/sh", "-c", PASSWORD.replace("$$", "$"))]
    assert stage.now == 2 * health.POLL_S


def test_a_check_that_never_passes_is_given_up_with_what_it_said(stage: Stage) -> None:
    stage.refusals = {"results": float("inf")}
    with pytest.raises(StackError) as raised:
        health.pass_once(PROJECT)
    said = str(raised.value)
    assert said.startswith(f"results did not become healthy within {health.WAIT_S:g} s: ")
    assert said.endswith("    not yet\nlast words of results")
    assert stage.now == pytest.approx(health.WAIT_S, abs=2 * health.POLL_S)


def ends(stage: Stage) -> None:
    stage.seen = {"rabbitmq": seen("rabbitmq", "exited", "Exited (137) 1 second ago")}


def goes_and_comes(stage: Stage) -> None:
    stage.restarts = {"id-rabbitmq": 3}


def waits_for_its_restart(stage: Stage) -> None:
    stage.seen = {"rabbitmq": seen("rabbitmq", "restarting", "Restarting (1) 2 seconds ago")}


@pytest.mark.parametrize("waiting", ["rabbitmq", "results"])  # for itself, and for another one
@pytest.mark.parametrize(
    ("what", "after_s"),
    [(ends, 0), (goes_and_comes, start.PATIENCE_S), (waits_for_its_restart, start.PATIENCE_S)],
)  # fmt: skip
def test_a_container_that_has_ended_or_crashes_is_not_waited_for(
    stage: Stage, what: Callable[[Stage], None], after_s: float, waiting: str
) -> None:
    what(stage)
    stage.refusals = {waiting: float("inf")}
    with pytest.raises(StackError) as raised:
        health.pass_once(PROJECT)
    said = str(raised.value)
    assert said.startswith(f"{waiting} cannot become healthy: ")
    assert said.endswith("    not yet\nlast words of rabbitmq")
    assert stage.now == pytest.approx(after_s, abs=2 * health.POLL_S)


def test_a_container_that_crashed_may_still_become_healthy(stage: Stage) -> None:
    waits_for_its_restart(stage)
    stage.refusals = {"rabbitmq": 10}
    health.pass_once(PROJECT)
    assert stage.now == 10 * health.POLL_S

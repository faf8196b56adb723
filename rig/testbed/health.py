"""Health checks of a stack that is measured: each is passed once, and then there are none.

Docker runs a check as a new process in the container, every few seconds. That keeps the engine, containerd and runc
busy for some hundred milliseconds on whatever CPU they get, the measured process's too: a generator at half of its
capacity is late with tens of sends for every check. No setting ends the checks of a container that runs, so they are
switched off from the start and the rig runs the same commands itself until each has passed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rig.errors import StackError
from rig.stack import start
from rig.stack.compose import Compose
from rig.stack.docker import docker

WAIT_S = 240.0  # seconds for all checks to pass
POLL_S = 0.5
CHECK_S = 30.0  # for one check to answer
_ENDED = ("exited", "dead")  # for good: what the engine is about to start again is "restarting"


def switched_off(compose: Compose) -> dict[str, Any]:
    """Return what, laid over the project as one more Compose file, leaves its services without health checks."""
    return {"services": {service: {"healthcheck": {"disable": True}} for service in _tests(compose)}}


def pass_once(compose: Compose) -> None:
    """Run the checks that `compose` names in the project's containers, one after the other, until each has passed.

    Raises StackError with what the check said last and the last lines of the log: when one has not passed after WAIT_S,
    but long before that when a container of the project has ended or crashes again and again.
    """
    tests = _tests(compose)
    ids = {each.service: each.id for each in compose.ps()}
    deadline = time.monotonic() + WAIT_S
    for service, test in tests.items():
        patience = start.Patience()
        while refusal := _refusal(ids[service], command(test)):
            seen, now = start.containers(compose.project), time.monotonic()
            ended = [each for each in seen if each.state in _ENDED]
            crashed = [each for each in seen if each.failed or start.restarts([each.id])]
            if ended or patience.ends(now, only_failing=bool(crashed)):
                raise StackError(_failure(service, "cannot become healthy", refusal, ended or crashed))
            if now > deadline:
                own = [each for each in seen if each.service == service]
                raise StackError(_failure(service, f"did not become healthy within {WAIT_S:g} s", refusal, own))
            time.sleep(POLL_S)


def _refusal(container: str, words: Sequence[str]) -> str:
    """Return what a check says that fails; nothing when it passes."""
    try:
        docker("exec", container, *words, timeout=CHECK_S)
    except StackError as error:
        return str(error)
    return ""


def _failure(service: str, what: str, refusal: str, culprits: Sequence[start.Seen]) -> str:
    return f"{service} {what}: {refusal}\n{start.last_words(culprits)}".rstrip()


def command(test: Sequence[str]) -> list[str]:
    """Return the words that Docker executes for a health check's `test`, as `docker compose config` shows it.

    https://docs.docker.com/reference/compose-file/services/#healthcheck
    """
    kind, *words = [word.replace("$$", "$") for word in test]  # Compose doubles each dollar of what it prints
    return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words


def _tests(compose: Compose) -> Mapping[str, Sequence[str]]:
    checks = {name: service.get("healthcheck", {}) for name, service in compose.config()["services"].items()}
    return {name: check["test"] for name, check in checks.items() if _asks(check)}


def _asks(check: Mapping[str, Any]) -> bool:
    """Whether it is a check at all. Compose shows the test that `disable` overrules, too."""
    return not check.get("disable") and check.get("test", ["NONE"])[0] != "NONE"

"""Generators of experiments in a stack of their own, and an application's bare loop beside each."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rig.errors import StackError
from rig.selfbench import marks
from rig.stack.compose import Compose
from rig.stack.docker import docker
from rig.stack.paths import Checkout
from rig.testbed import custom
from rig.testbed.cells import LOCUSTFILE, WEB_PORT
from rig.testbed.generator import NotReadyError, ask

CONFIRMED, PLAIN = "generator", "generator-plain"
SETTINGS: Mapping[str, dict[str, Any]] = {
    CONFIRMED: {},  # a generator asks for confirms by itself
    PLAIN: {"broker_transport_options": {"confirm_publish": False}},  # Celery's default
}
WARM = 300  # sends of a new process before anything is measured
RESTART_GRACE_S = 5
READY_S = 60
LIMIT_S = 120.0  # for a load beyond its own length: a busy machine is slow, and its figures are for the reader to judge


class Generator:
    """One generator's container. `restart` makes it a new process. `ledger` is where it records, of this host."""

    def __init__(self, container: str, ledger: Path) -> None:
        self.container = container
        self.ledger = ledger
        self._turns = itertools.count(1)

    def restart(self) -> None:
        """Start a new process, and let it send a few tasks that count for nothing."""
        docker("restart", f"--time={RESTART_GRACE_S}", self.container)
        self._turns = itertools.count(1)
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self.send({"kind": "closed", "count": WARM})
            except NotReadyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def warm(self, users: int) -> None:
        """Have so many users, each of which has sent. They live as long as the process."""
        self.send({"kind": "each", "count": 1}, users)

    def send(self, arrivals: Mapping[str, Any], users: int = 1, run_in: float = 0.0) -> Mapping[str, Any]:
        """Have no-ops sent as `arrivals` say and return the generator's answer. StackError when a send failed.

        What is planned for the first `run_in` seconds is sent, and is in no percentile of the answer.
        """
        order = {
            "turn": next(self._turns), "kinds": [{"task": marks.TASK, "queue": marks.QUEUE}], "arrivals": arrivals,
            "users": users, "run_in": run_in, "limit": arrivals.get("seconds", 0) + LIMIT_S,
        }  # fmt: skip
        published = docker("port", self.container, str(WEB_PORT)).splitlines()
        if not published:
            raise NotReadyError("the generator has stopped")
        url = f"http://127.0.0.1:{published[0].rpartition(':')[2]}/turn"
        answer = ask(url, order, timeout=order["limit"] + READY_S)
        if answer["problems"]:
            raise StackError(f"the generator says: {answer['problems'][0]}")
        return answer

    def bare(self, *words: str) -> dict[str, float]:
        """Run `rig.selfbench.bare` in the same container, a new process."""
        said = docker("exec", self.container, "python", "-m", "rig.selfbench.bare", *words, timeout=300)
        found: dict[str, float] = custom.last_json(said)
        return found

    def empty_queue(self) -> None:
        """Throw away what lies in the queue; make it where it is not there."""
        self.bare()


@contextmanager
def running(checkout: Checkout, *names: str, **more: Any) -> Iterator[tuple[Compose, dict[str, Generator]]]:
    """Bring up a broker on one core, the named generators on another, and services in `more`; remove all at the end."""
    own_cpus, other_cpus = custom.processors()
    services = {name: _service(checkout.root / "compose", name, own_cpus) for name in names}
    with custom.running(checkout, {**services, **more}) as (compose, ledger):
        custom.pin(compose, other_cpus, apart_from=[*names, *more])
        found = {each.service: Generator(each.id, ledger) for each in compose.ps() if each.service in names}
        found[names[0]].empty_queue()
        yield compose, found


def _service(compose: Path, name: str, cpus: str) -> dict[str, Any]:
    return {
        "extends": {"file": str(compose / "celery.yaml"), "service": "locust"},
        "command": ["locust", "-f", LOCUSTFILE, "--web-port", str(WEB_PORT)],
        "environment": {"RIG_ROLE": name, "RIG_SETTINGS": json.dumps(SETTINGS[name])},
        "volumes": ["{ledger}:/ledger"], "ports": [f"127.0.0.1:0:{WEB_PORT}"], "restart": "no", "cpuset": cpus,
    }  # fmt: skip

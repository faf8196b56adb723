"""A real stack for each topology, started as a user starts it: `rig up`, on ports of its own, removed afterwards."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig import dotenv
from rig.ledger.reader import Ledger, read_ledger
from rig.ledger.tasks import Tasks, build
from rig.stack import paths
from rig.stack.compose import Compose

ROOT = Path(__file__).parents[2]
PROJECT = "celery-rig-test"
TOPOLOGIES = paths.checkout().topology_names()
BIN = Path(sys.executable).parent
LOGS = ROOT / "runs" / "test-logs"  # where a failed stack's last words are kept


@dataclass(frozen=True)
class Stack:
    """A running stack and the ways to look at it."""

    topology: str
    compose: Compose
    checkout: paths.Checkout

    def rig(self, *arguments: str) -> str:
        return succeed([str(BIN / "rig"), *arguments])

    def locust(self, *arguments: str, timeout: float = 120) -> list[dict[str, Any]]:
        """Run Locust from the host, as the README says; its final statistics, one entry a request name."""
        json_file = self.checkout.state_dir / "locust"
        succeed([str(BIN / "locust"), "--headless", "--json-file", str(json_file), *arguments], timeout=timeout)
        entries: list[dict[str, Any]] = json.loads(json_file.with_suffix(".json").read_text())
        return entries

    def port(self, service: str, inside: int) -> int:
        container = next(container for container in self.compose.ps() if container.service == service)
        return container.ports[inside]

    def get(self, service: str, port: int, path: str, user: str = "", password: str = "") -> bytes:
        """GET from a published port; raises urllib's HTTPError for what is refused."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(service, port)}{path}")
        if user:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - always http, as above
                return bytes(answer.read())
        except urllib.error.HTTPError as refusal:
            refusal.close()
            raise

    def secret(self, name: str) -> str:
        return (self.checkout.secrets / name).read_text().strip()

    def query(self, promql: str) -> dict[str, float]:
        """Ask Prometheus; the value of each series, by its labels' values."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": promql})
        result = json.loads(self.get("prometheus", 9090, path))["data"]["result"]
        return {"/".join(series["metric"].values()): float(series["value"][1]) for series in result}

    def ledger(self) -> Ledger:
        return read_ledger(self.checkout.ledger)

    def tasks(self) -> Tasks:
        return build(self.ledger())


def wait_until(what: str, true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `true()` is; fail with `what` was awaited and the last thing seen or raised."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = true()
            if last:
                return last
        except (OSError, urllib.error.URLError, AssertionError) as error:
            last = error
        time.sleep(0.5)
    pytest.fail(f"waited {seconds:.0f} s for {what}; last: {last!r}")


def succeed(command: list[str], timeout: float = 600) -> str:
    """Run a command that must exit 0; what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="session", autouse=True)
def own_project() -> None:
    """Let everything here use a project and ports that no `make up` of the same checkout uses."""
    os.environ["COMPOSE_PROJECT_NAME"] = PROJECT
    for name in dotenv.read(ROOT / ".env"):
        if name.endswith("_PORT"):
            os.environ[name] = "0"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit and contract tests first, then topology by topology (three boots, not one a test), what kills last."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int]:
    topology = item.callspec.params.get("stack") if hasattr(item, "callspec") else None
    order = {"test_topologies.py": 0, "test_deaths.py": 2}
    return (TOPOLOGIES.index(topology) if topology else -1, order.get(item.path.name, 1))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, own_project: None) -> Iterator[Stack]:  # noqa: ARG001 - for its effect
    """A stack on the topology that the test names; its ledger is kept whole."""
    topology = request.param
    checkout = paths.checkout()
    remove(checkout)
    checkout.ledger.mkdir(parents=True)
    (checkout.ledger / "KEEP").touch()
    try:
        print(succeed([str(BIN / "rig"), "up", "--topology", topology]))
        variables = {**checkout.state, "RIG_STATE": str(checkout.state_dir), "RIG_LEDGER": str(checkout.ledger)}
        yield Stack(topology, Compose(project=PROJECT, files=[ROOT / "compose.yaml"], env=variables), checkout)
    finally:
        keep_logs(topology)
        remove(checkout)


def keep_logs(topology: str) -> None:
    """Save what every container logged before it is removed."""
    folder = LOGS / topology
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = subprocess.run(
        ["docker", "ps", "-a", f"--filter=label=com.docker.compose.project={PROJECT}", "--format={{.Names}}"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in names:
        with (folder / f"{name}.log").open("wb") as log:
            subprocess.run(["docker", "logs", "--timestamps", name], stdout=log, stderr=log, check=False)


def remove(checkout: paths.Checkout) -> None:
    succeed([str(BIN / "rig"), "down", "--volumes"])
    shutil.rmtree(checkout.state_dir, ignore_errors=True)


def locust_requests(entries: list[dict[str, Any]]) -> dict[str, int]:
    """Requests that Locust counted, by the queue that its names end in."""
    counted: dict[str, int] = {}
    for entry in entries:
        queue = entry["name"].rpartition(" on ")[2]
        counted[queue] = counted.get(queue, 0) + entry["num_requests"]
    return counted

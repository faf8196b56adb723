"""Runs the turns of `rig.selfbench.rows`: starts a worker and what watches it, has a backlog drained, ends both."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig.errors import StackError
from rig.selfbench import marks
from rig.selfbench.marks import METRICS_PORT
from rig.selfbench.rows import EVENTS, EXPORTER, LEDGER, MULTIPROCESS, NOTHING, Turn
from rig.stack.compose import Compose
from rig.stack.docker import docker, pause
from rig.stack.paths import Checkout
from rig.testbed import cgroups, custom

PROFILE = "rows"  # of all containers that are not there from the start
WARM_TASKS = 500
SETTLE_S = 0.2  # the worker's last acks and events
LOOK_S = 0.25  # how often the watcher is looked at when the worker is done; the last scrape had the exporter read all
QUIET = 0.05  # of a processor: a watcher below that is done, too
WATCHER_S = 60  # for it to be done
READY_S = 60


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a row is run: what its worker gets, and the service and port that are scraped once a turn."""

    worker: str
    options: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = (("CELERY_LOADER", ""),)
    watcher: str = ""
    port: int = 0


WAYS = {
    NOTHING: Way(worker="worker-nothing"),
    LEDGER: Way(worker="worker-ledger", environment=(("RIG_ROLE", "worker"),)),
    EXPORTER: Way(worker="worker-exporter", environment=(("RIG_ROLE", "worker"),), watcher="exporter", port=9540),
    EVENTS: Way(worker="worker-events", options=("--task-events",), watcher="flower", port=5555),
    MULTIPROCESS: Way(
        worker="worker-multiprocess", options=("--include", "rig.selfbench.multiprocess"), port=METRICS_PORT,
        environment=(("CELERY_LOADER", ""), ("PROMETHEUS_MULTIPROC_DIR", "/tmp/metrics")),  # noqa: S108 - its tmpfs
    ),
}  # fmt: skip


class Bench:
    """The containers of all rows, and the one that feeds them."""

    def __init__(self, compose: Compose, ledger: Path, feeder: Feeder) -> None:
        self._ids = {container.service: container.id for container in compose.ps()}
        self._ledger = ledger
        self._feeder = feeder

    def turn(self, row: str, tasks: int) -> Turn:
        """Measure one row with `tasks` no-ops. Raises StackError when something does not come up or to an end."""
        way = WAYS[row]
        own = [self._ids[service] for service in (way.worker, way.watcher) if service]
        self._feeder.ask("purge")
        try:
            docker("start", *own)
            return self._measure(way, tasks)
        finally:
            docker("kill", *own)
            for segment in (self._ledger / way.worker).glob("*"):
                segment.unlink()

    def _measure(self, way: Way, tasks: int) -> Turn:
        worker = self._ids[way.worker]
        self._feeder.ask("await_consumer")
        ask = self._scraper(way)
        ask()
        self._feeder.ask("fill", tasks=WARM_TASKS)
        self._feeder.ask("await_end")
        groups = {"worker": [_cgroup(worker)]} | ({"watcher": [_cgroup(self._ids[way.watcher])]} if way.watcher else {})
        pause(worker)
        try:
            filled = self._feeder.ask("fill", tasks=tasks)["tasks"]
            before = cgroups.read(groups)
        finally:
            docker("unpause", worker)
        seconds = self._feeder.ask("await_end")["seconds"]
        ask()
        time.sleep(SETTLE_S)
        done = cgroups.read(groups)
        worker_ns = done.cpu_ns["worker"] - before.cpu_ns["worker"]
        watcher_ns = _when_quiet(groups, done) - before.cpu_ns["watcher"] if way.watcher else 0
        return Turn(
            tasks_per_second=filled / seconds,
            worker_us=worker_ns / filled / 1000,
            watcher_us=watcher_ns / filled / 1000,
        )

    def _scraper(self, way: Way) -> Any:
        """Return what reads the metrics, as Prometheus would; waits until there is something to read."""
        if not way.port:
            return lambda: None
        port = docker("port", self._ids[way.watcher or way.worker], str(way.port)).splitlines()[0].rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/metrics"
        deadline = time.monotonic() + READY_S
        while True:
            try:
                _get(url)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise StackError(f"{way.watcher or way.worker} does not answer: {error}") from error
                time.sleep(0.1)
            else:
                return lambda: _get(url)


def _get(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - 127.0.0.1, our own container
            answer.read()
    except urllib.error.HTTPError:
        pass  # it answers
    except ValueError as error:
        raise OSError(str(error)) from error


def _cgroup(container: str) -> cgroups.Cgroup:
    return cgroups.find(int(docker("inspect", "--format={{.State.Pid}}", container)))


def _when_quiet(groups: dict[str, list[cgroups.Cgroup]], seen: cgroups.Reading) -> int:
    """Return the watcher's CPU time when it has caught up: it is as much a part of the price as what it did before."""
    deadline = time.monotonic() + WATCHER_S
    still = 0
    while still < 2:  # an exporter that polls every second is idle between two polls
        if time.monotonic() > deadline:
            raise StackError(f"what watches the worker is still busy {WATCHER_S} s after it")
        time.sleep(LOOK_S)
        now = cgroups.read(groups)
        busy = (now.cpu_ns["watcher"] - seen.cpu_ns["watcher"]) / (now.at_ns - seen.at_ns)
        still = still + 1 if busy < QUIET else 0
        seen = now
    return seen.cpu_ns["watcher"]


class Feeder:
    """`rig.selfbench.feeder` in its container, for as long as the block runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, deed: str, **how: Any) -> dict[str, Any]:
        """Have one thing done and return the answer. StackError when it cannot be done."""
        stdin, stdout = self._process.stdin, self._process.stdout
        try:
            print(json.dumps({"do": deed, **how}), file=stdin, flush=True)
            answer: dict[str, Any] = json.loads(stdout.readline() if stdout else "")
        except (OSError, ValueError) as error:
            raise StackError(f"the feeder has stopped while it was told to {deed}") from error
        if "error" in answer:
            raise StackError(f"{deed}: {answer['error']}")
        return answer


@contextmanager
def feeding(container: str) -> Iterator[Feeder]:
    """Start the feeder."""
    words = ["docker", "exec", "-i", container, "python", "-m", "rig.selfbench.feeder"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Feeder(process)
        finally:
            process.terminate()


@contextmanager
def running(checkout: Checkout) -> Iterator[Bench]:
    """Bring up a broker and the feeder, and make the containers of all rows; everything is removed at the end."""
    worker_cpus, other_cpus = custom.processors()
    with custom.running(checkout, services(checkout.root / "compose", worker_cpus, other_cpus)) as (compose, ledger):
        for way in WAYS.values():
            (ledger / way.worker).mkdir()
            (ledger / way.worker).chmod(0o777)  # the containers write there under a uid of their own
        replace(compose, profiles=[PROFILE]).run("create", timeout=120)
        custom.pin(compose, other_cpus, apart_from=[way.worker for way in WAYS.values()])
        feeder = next(container.id for container in compose.ps() if container.service == "feeder")
        with feeding(feeder) as fed:
            yield Bench(replace(compose, profiles=[PROFILE]), ledger, fed)


def services(compose: Path, worker_cpus: str, other_cpus: str) -> dict[str, Any]:
    """Return the workers, what watches them, and the feeder."""
    celery = {
        "extends": {"file": str(compose / "celery.yaml"), "service": "celery"},
        "restart": "no",
        "mem_limit": "512m",
    }
    later = {"profiles": [PROFILE], "healthcheck": {"disable": True}, "restart": "no"}  # a check is CPU, too
    made: dict[str, Any] = {
        "feeder": {
            **celery, "command": ["sleep", "infinity"], "environment": {"CELERY_LOADER": ""}, "cpuset": other_cpus,
        },
        "exporter": {
            "extends": {"file": str(compose / "observability.yaml"), "service": "exporter"}, **later,
            "volumes": [f"{{ledger}}/{WAYS[EXPORTER].worker}:/ledger"], "ports": [f"127.0.0.1:0:{WAYS[EXPORTER].port}"],
            "cpuset": other_cpus,
        },
        "flower": {
            "extends": {"file": str(compose / "stack.yaml"), "service": "flower"}, **later, "cpuset": other_cpus,
        },
    }  # fmt: skip
    for way in WAYS.values():
        made[way.worker] = {
            **celery, **later, "command": command(way.options), "environment": dict(way.environment),
            "volumes": [f"{{ledger}}/{way.worker}:/ledger"], "cpuset": worker_cpus,
            "ports": [] if way.watcher or not way.port else [f"127.0.0.1:0:{way.port}"],
        }  # fmt: skip
    return made


def command(options: Sequence[str]) -> list[str]:
    """Return a worker's command line: the hardest case, a solo pool that is never idle."""
    return [
        "celery", "-A", "app", "worker", "--pool", "solo", "-Q", marks.QUEUE, "-n", "selfbench@%h",
        "--prefetch-multiplier", str(marks.PREFETCH), "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
        *options,
    ]  # fmt: skip

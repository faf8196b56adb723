"""The containers of a run: one Compose project for each topology that the variants name, up, restarted, and gone again.

Nothing is shared with the user's own stack: other projects, other networks and volumes, ephemeral ports, secrets and
state below the run's directory.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig.errors import StackError
from rig.stack import start, up
from rig.stack.compose import Compose
from rig.stack.docker import answers, docker, kill, pause
from rig.stack.paths import Checkout
from rig.stack.table import PORT_LABEL
from rig.stack.topology import BROKER, RESULTS, ROLES, Topology, refuse_others
from rig.testbed import cgroups, health
from rig.testbed.cells import UNLIMITED, WEB_PORT, Cell, compose_file, yaml
from rig.testbed.cgroups import Cgroup
from rig.testbed.ended import Ended, ended
from rig.testbed.meters import RABBITMQ, REDIS, Server

LOG_LINES = 5000
DECLARE_S = 60.0  # seconds for a container that declares a few queues
TEARDOWN_TRIES = 3  # a second Ctrl-C reaches the docker command too, and must not leave containers behind


@dataclass(frozen=True, kw_only=True)
class RunCheckout(Checkout):
    """The checkout as one run sees it: no fixed ports, and everything that `rig up` would write goes to `directory`."""

    directory: Path

    @property
    def state_dir(self) -> Path:
        """Secrets and rendered configuration of the run's own stack."""
        return self.directory / "state"

    def compose_files(self, name: str) -> list[Path]:
        """Broker and result store: images of what observes a deployment need neither be pulled nor built."""
        return [self.root / "compose" / "topologies" / name / "compose.yaml"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """One topology's project: its broker, its result store, and the cells on it."""

    topology: Topology
    compose: Compose
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A cell's containers: where to ask its generator, what to stop, and where the counters of each component are."""

    cell: Cell
    project: str
    workers: tuple[str, ...]  # container ids
    generator: str
    url: str
    components: dict[str, list[Cgroup]]
    servers: list[Server]  # of broker and result store

    def read(self) -> cgroups.Reading:
        """Read all counters now."""
        return cgroups.read(self.components, opened=("publisher", "worker"), inside="worker")

    def ended(self) -> Ended | None:
        """Return how a worker's container has ended; None while all of them run."""
        return next(filter(None, map(ended, self.workers)), None)

    def pause(self) -> None:
        """Stop every process of the workers where it is."""
        for worker in self.workers:
            pause(worker)

    def unpause(self) -> None:
        """Let the workers go on."""
        docker("unpause", *self.workers)


def prepare(checkout: Checkout, cells: Sequence[Cell], directory: Path, project: str, run_id: str) -> list[Site]:
    """Do what `rig up` does before it starts anything: pre-flight, images, secrets; and write the run's Compose files.

    Raises BadInput with every problem of the pre-flight, StackError where a build or a pull fails.
    """
    sites: list[Site] = []
    for topology in dict.fromkeys(cell.topology.name for cell in cells):
        own = [cell for cell in cells if cell.topology.name == topology]
        name = f"{project}-{topology}"
        settings = {key: "0" if key.endswith("_PORT") else value for key, value in checkout.settings.items()}
        settings |= {"COMPOSE_PROJECT_NAME": name, **UNLIMITED}
        mine = RunCheckout(root=checkout.root, settings=settings, directory=directory)
        compose = replace(up.ready(mine, topology).compose, profiles=[])
        refuse_others(own[0].topology, compose.config()["services"])
        generated = directory / (f"compose-{topology}.yaml" if sites else "compose.yaml")
        generated.write_text(compose_file(own, checkout.root / "compose", run_id))
        for cell in own:
            _make_ledger(cell.ledger)
        unchecked = directory / f"checks-off-{topology}.yaml"
        unchecked.write_text(yaml(health.switched_off(compose)))
        files = [*compose.files, unchecked, generated]
        sites.append(Site(topology=own[0].topology, compose=replace(compose, files=files), cells=own))
    return sites


def _make_ledger(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)  # the containers write there under a uid of their own
    (directory / "KEEP").write_text("The segments of a run are its raw data: no follower may remove them.\n")


def bring_up(sites: Sequence[Site]) -> None:
    """Start every site and wait until its services are healthy. StackError says which are not, and why; BadInput that a
    worker did not understand its command line.

    Broker and result store first: a generator that does not find them gives up. Then the queues that workers expect.
    """
    for site in sites:
        topology, unchecked, _ = site.compose.files
        start.start(replace(site.compose, files=[topology, unchecked]))
        health.pass_once(replace(site.compose, files=[topology]))
        _declare_queues(site)
        try:
            start.start(site.compose)
        except StackError:
            _refuse_ended(site)
            raise


def _declare_queues(site: Site) -> None:
    """Declare the queues of each cell that has several workers: `rig.testbed.inside.declare` says why.

    In a container like the first worker's: it has the cell's settings and reaches the broker. It leaves no ledger.
    """
    for cell in site.cells:
        if len(cell.workers) > 1:
            name = f"{site.compose.project}-declare-{cell.name}"
            options = ["--rm", f"--name={name}", "--no-deps", "-T", "--env=RIG_LEDGER_DIR="]
            words = [*options, cell.workers[0], "python", "-m", "rig.testbed.inside.declare"]
            try:
                site.compose.run("run", *words, stdin="", timeout=DECLARE_S)
            except (StackError, KeyboardInterrupt):
                # It outlives a docker command that is killed, and `down` leaves it and the network that it is in.
                answers("rm", "--force", name)
                raise


def _refuse_ended(site: Site) -> None:
    """Raise where a worker has ended: BadInput if it did not understand its command line, else StackError."""
    seen = {each.service: each.id for each in start.containers(site.compose.project)}
    for cell in site.cells:
        for worker in cell.workers:
            if worker in seen and (how := ended(seen[worker])):
                raise how.error(cell.name)


def attach(sites: Sequence[Site]) -> list[Running]:
    """Return the running cells. Again after a restart: process ids, ports and cgroups are new ones then.

    Raises as `bring_up` where a worker has ended meanwhile.
    """
    return [cell for site in sites for cell in _attach(site)]


def _attach(site: Site) -> list[Running]:
    _refuse_ended(site)
    seen = {each.service: each.id for each in start.containers(site.compose.project)}
    facts = dict(zip(seen, json.loads(docker("inspect", *seen.values())), strict=True))
    groups = {service: cgroups.find(fact["State"]["Pid"]) for service, fact in facts.items()}
    of_role = {role: [groups[service] for service in site.topology.of_role(role)] for role in ROLES}
    return [
        Running(
            cell=cell, project=site.compose.project, generator=seen[cell.generator],
            workers=tuple(seen[name] for name in cell.workers),
            url=f"http://127.0.0.1:{_web_port(facts[cell.generator])}",
            components={
                "publisher": [groups[cell.generator]], "broker": of_role[BROKER],
                "worker": [groups[name] for name in cell.workers], "results": of_role[RESULTS],
            },
            servers=_servers(site, facts),
        )
        for cell in site.cells
    ]  # fmt: skip


def _servers(site: Site, facts: Mapping[str, Mapping[str, Any]]) -> list[Server]:
    """Return the servers among a topology's services, by what each says of the port that it publishes."""
    password = (Path(site.compose.env["RIG_STATE"]) / "secrets" / "monitor_password").read_text().strip()
    found = []
    for service, component in sorted(site.topology.services.items()):
        fact = facts[service]
        address = next(iter(fact["NetworkSettings"]["Networks"].values()))["IPAddress"]
        for published in fact["NetworkSettings"]["Ports"]:
            port = published.partition("/")[0]
            scheme = fact["Config"]["Labels"].get(f"{PORT_LABEL}{port}", "").partition("://")[0]
            if scheme in (RABBITMQ, REDIS):
                found.append(
                    Server(component=component, scheme=scheme, address=address, port=int(port), password=password)
                )
    return found


def _web_port(fact: Mapping[str, Any]) -> str:
    published = fact["NetworkSettings"]["Ports"].get(f"{WEB_PORT}/tcp")
    if not published:
        raise StackError(f"{fact['Name']} has stopped: its last words are in logs/")
    return str(published[0]["HostPort"])


def restart(cells: Sequence[Running]) -> None:
    """Give every cell new worker processes and a new generator process; then `attach` again.

    They are killed: all tasks are executed and acknowledged, and a worker's own goodbye takes seconds of each round.
    One after the other, for the reason that `rig.stack.docker.kill` gives.
    """
    for cell in cells:
        for container in (*cell.workers, cell.generator):
            docker("restart", "--time=0", container)


def tear_down(sites: Sequence[Site], logs: Path) -> list[str]:
    """Save every container's log, then remove containers, networks and volumes. Returns what could not be removed."""
    left = []
    for site in sites:
        with contextlib.suppress(StackError, subprocess.TimeoutExpired):  # of an engine that hangs
            _save_logs(site, logs)
        left += _remove(site)
    for site in sites:
        shutil.rmtree(site.compose.env["RIG_STATE"], ignore_errors=True)  # passwords of a stack that is gone
    return left


def _save_logs(site: Site, logs: Path) -> None:
    logs.mkdir(exist_ok=True)
    for seen in start.containers(site.compose.project):
        with (logs / f"{seen.service}.log").open("w") as log:
            words = ["docker", "logs", f"--tail={LOG_LINES}", seen.id]
            subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, timeout=30, check=False)


def _remove(site: Site) -> list[str]:
    for attempt in range(TEARDOWN_TRIES):
        try:
            if attempt == 0:  # what is killed need not be waited for
                kill(seen.id for seen in start.containers(site.compose.project))
            site.compose.down(volumes=True, grace_s=1)
        except StackError as error:
            problem = str(error)
        else:
            return []
    return [f"{problem}\nremove by hand: docker compose --project-name {site.compose.project} down --volumes"]

"""A broker and a few containers of our own for as long as a measurement takes, each on the CPUs it is given."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rig.stack import start, up
from rig.stack.compose import Compose
from rig.stack.docker import docker, kill
from rig.stack.paths import Checkout
from rig.testbed import health, interrupts
from rig.testbed.cells import UNLIMITED, yaml
from rig.testbed.containers import RunCheckout

TOPOLOGY = "rabbitmq"
PROJECT = "celery-rig-selfbench"


@contextmanager
def running(checkout: Checkout, services: Mapping[str, Any]) -> Iterator[tuple[Compose, Path]]:
    """Run the topology's broker and result store with `services`; yield the project and the folder `ledger/`.

    A service that mounts `{ledger}` gets that folder. All is removed at the end, also after Ctrl-C or SIGTERM.
    Raises BadInput (pre-flight) and StackError (it did not come up).
    """
    name = f"{PROJECT}-{secrets.token_hex(3)}"
    directory = checkout.root / ".rig" / name
    settings = {key: "0" if key.endswith("_PORT") else value for key, value in checkout.settings.items()}
    settings |= {"COMPOSE_PROJECT_NAME": name, "TOPOLOGY": TOPOLOGY, **UNLIMITED}
    mine = RunCheckout(root=checkout.root, settings=settings, directory=directory)
    compose = replace(up.ready(mine, TOPOLOGY).compose, profiles=[])
    ledger = directory / "ledger"
    ledger.mkdir()
    ledger.chmod(0o777)  # the containers write there under a uid of their own
    (ledger / "KEEP").touch()
    ours = directory / "compose.yaml"
    ours.write_text(yaml({"services": services}).replace("{ledger}", str(ledger)))
    [broker] = mine.compose_files(TOPOLOGY)
    unchecked = directory / "checks-off.yaml"
    unchecked.write_text(yaml(health.switched_off(compose)))
    try:
        with interrupts.as_exceptions():
            start.start(replace(compose, files=[broker, unchecked]))
            health.pass_once(compose)
            compose = replace(compose, files=[broker, unchecked, ours])
            start.start(compose)
            yield compose, ledger
    finally:
        with interrupts.ignored():
            kill(seen.id for seen in start.containers(compose.project))
            replace(compose, profiles=["*"]).down(volumes=True, grace_s=1)  # without one, what is in a profile stays
            shutil.rmtree(directory, ignore_errors=True)


def pin(compose: Compose, cpus: str, apart_from: Collection[str]) -> None:
    """Move every container to `cpus` but those of the services that are named."""
    others = [container.id for container in compose.ps() if container.service not in apart_from]
    docker("update", f"--cpuset-cpus={cpus}", *others)


def processors() -> tuple[str, str]:
    """Return the CPU of what is measured and those of all others, as Docker's cpusets: apart where there are several.

    What is measured gets the one that has served the fewest interrupts of devices since boot: a broker that writes to
    disk makes thousands a second, and a disk with one queue has all of them served by one CPU.
    """
    usable = sorted(os.sched_getaffinity(0))
    served = device_interrupts(Path("/proc/interrupts").read_text())
    own = min(usable, key=lambda cpu: (served.get(cpu, 0), -cpu))
    others = [cpu for cpu in usable if cpu != own] or usable
    return str(own), ",".join(map(str, others))


def device_interrupts(text: str) -> dict[int, int]:
    """Return how many each CPU has served, from the text of /proc/interrupts: the rows of devices have a number.

    https://docs.kernel.org/filesystems/proc.html#kernel-data (1.2, interrupts)
    """
    head, *rows = text.splitlines()
    cpus = [int(name.removeprefix("CPU")) for name in head.split()]
    served = dict.fromkeys(cpus, 0)
    for row in rows:
        number, _, counts = row.partition(":")
        if number.strip().isdigit():
            for cpu, count in zip(cpus, counts.split(), strict=False):
                served[cpu] += int(count)
    return served


def last_json(text: str) -> Any:
    """Return the JSON on the last line of what a command printed."""
    return json.loads(text.strip().splitlines()[-1])

"""What the rig knows of a topology besides its Compose file: compose/topologies/<name>/topology.toml.

    transport = "amqp"           # of Celery to the broker: "amqp" (RabbitMQ) or "redis"

    [services]                   # of compose.yaml: whose costs, bytes and operations theirs are
    rabbitmq = "broker"
    redis-results = "results"

A folder with these two files is a topology. Nothing compares its name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rig.errors import BadInput

FILE = "topology.toml"
AMQP, REDIS = "amqp", "redis"
TRANSPORTS = (AMQP, REDIS)
BROKER, RESULTS = "broker", "results"
ROLES = (BROKER, RESULTS)


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A broker and a result store that a stack can run on. `services` maps each service to its role, one of `ROLES`."""

    name: str
    transport: str
    services: Mapping[str, str]

    @property
    def declares_queues(self) -> bool:
        """Whether a queue is an object of the broker, with a type and arguments: on Redis it is a list."""
        return self.transport == AMQP

    def of_role(self, role: str) -> tuple[str, ...]:
        """Return the services of a role, in the order of the file."""
        return tuple(service for service, each in self.services.items() if each == role)


def refuse_others(topology: Topology, services: Iterable[str]) -> None:
    """Raise BadInput unless `services`, those of its Compose file, are the ones that the topology describes."""
    described, there = set(topology.services), set(services)
    where = f"compose/topologies/{topology.name}/{FILE}"
    unknown, missing = sorted(described - there), sorted(there - described)
    problems = [f"{where}: [services] names {name}, which compose.yaml does not have" for name in unknown]
    problems += [f"{where}: [services] gives {name} no role" for name in missing]
    if problems:
        raise BadInput(problems)


def load(folder: Path) -> Topology:
    """Return the topology whose files are in `folder`. BadInput lists everything that is wrong with its description."""
    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([f"{path}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput([f"{path}: not TOML: {error}"]) from error
    problems = [f"{path}: {problem}" for problem in _problems(data)]
    if problems:
        raise BadInput(problems)
    return Topology(name=folder.name, transport=data["transport"], services=data["services"])


def _problems(data: Mapping[str, object]) -> list[str]:
    unknown = data.keys() - {"transport", "services"}
    problems = [f"unknown key {key!r}; valid are transport, services" for key in sorted(unknown)]
    if data.get("transport") not in TRANSPORTS:
        problems.append(f"transport must be one of {', '.join(TRANSPORTS)}, not {data.get('transport')!r}")
    services = data.get("services")
    if not isinstance(services, Mapping):
        return [*problems, "[services] is missing: it gives each service its role"]
    problems += [
        f"[services] {name} must be one of {', '.join(ROLES)}, not {role!r}"
        for name, role in services.items()
        if role not in ROLES
    ]
    return problems + [f"[services] names no {role}" for role in ROLES if role not in services.values()]

"""Where things lie in a checkout, and what `.rig/<project>/` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rig import dotenv
from rig.errors import BadInput
from rig.stack import topology
from rig.stack.topology import Topology

DEFAULT_PROJECT = "celery-rig"
DEFAULT_TOPOLOGY = "rabbitmq"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """One copy of the repository and the Compose project that it runs.

    Several checkouts can live on one machine as long as COMPOSE_PROJECT_NAME and the ports differ.
    """

    root: Path
    settings: Mapping[str, str]  # .env under the environment

    @property
    def project(self) -> str:
        """The Compose project's name: prefix of every container, network and volume."""
        return self.settings.get("COMPOSE_PROJECT_NAME") or DEFAULT_PROJECT

    @property
    def state_dir(self) -> Path:
        """Everything that belongs to the running stack and not to the repository."""
        return self.root / ".rig" / self.project

    @property
    def secrets(self) -> Path:
        """One file a password, and the rendered templates in a folder each."""
        return self.state_dir / "secrets"

    @property
    def ledger(self) -> Path:
        """`/ledger` of every container of the stack."""
        return self.state_dir / "ledger"

    @property
    def state_file(self) -> Path:
        """What `rig up` found and decided, for whoever talks to the stack from the host."""
        return self.state_dir / "state.env"

    @property
    def state(self) -> dict[str, str]:
        """The content of `state_file`; empty before the first `rig up`."""
        return dotenv.read(self.state_file)

    @property
    def wanted_topology(self) -> str:
        """The topology that `rig up` starts unless told otherwise."""
        return self.settings.get("TOPOLOGY") or DEFAULT_TOPOLOGY

    @property
    def running_topology(self) -> str:
        """The topology that the last `rig up` started, else the one it would start."""
        return self.state.get("TOPOLOGY") or self.wanted_topology

    def compose_files(self, name: str) -> list[Path]:  # noqa: ARG002 - for who overrides it
        """What a stack on the topology `name` consists of: everything. A run has use for the topology alone."""
        return [self.root / "compose.yaml"]

    def topology_names(self) -> list[str]:
        """What TOPOLOGY may be: the folders of `compose/topologies`."""
        return sorted(path.parent.name for path in (self.root / "compose" / "topologies").glob("*/compose.yaml"))

    def topologies(self) -> dict[str, Topology]:
        """The topologies by name. BadInput where the description of one is wrong."""
        return {name: topology.load(self.root / "compose" / "topologies" / name) for name in self.topology_names()}


def checkout(root: Path | None = None) -> Checkout:
    """The checkout this package is imported from (or `root`). Raises BadInput where the stack's files are not there."""
    root = root or Path(__file__).resolve().parents[2]
    if not (root / "compose.yaml").exists():
        raise BadInput([f"{root} has no compose.yaml: run rig from a checkout of celery-rig (pip install -e .)"])
    settings = dotenv.layered(root / ".env")
    return Checkout(root=root, settings=settings)

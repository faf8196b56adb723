"""What runs where: the table that `rig up` and `rig status` print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rig.stack.compose import Compose, Container
from rig.stack.docker import docker

# A service tells how one of its ports is used: `celery-rig.port.15672: http://{} admin rabbitmq_admin_password`,
# that is the address, and where a login is needed the user and the file (in the secrets) that has the password.
PORT_LABEL = "celery-rig.port."
HEADER = ("service", "state", "address", "user", "password in")


def status(compose: Compose, secrets: Path) -> str:
    """The table of a project's containers, or a line that says that none runs."""
    containers = compose.ps()
    if not containers:
        return f"nothing of {compose.project} runs: make up"
    labels = _labels(containers)
    rows = [row for container in containers for row in rows_of(container, labels[container.id], secrets)]
    return layout([HEADER, *rows])


def rows_of(container: Container, labels: Mapping[str, str], secrets: Path) -> list[Sequence[str]]:
    """One row a published port; one row without an address where nothing is published."""
    state = container.health or container.state if container.state == "running" else container.state
    rows: list[Sequence[str]] = []
    for inside, port in sorted(container.ports.items()):
        address, user, secret, *_ = [*labels.get(f"{PORT_LABEL}{inside}", "{}").split(), "", ""]
        place = f"127.0.0.1:{port}"
        shown = address.replace("{}", place)
        rows.append((container.service, state, shown, user, str(secrets / secret) if secret else ""))
    return rows or [(container.service, state, "", "", "")]


def layout(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; a service's name is written once."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines, before = [], ""
    for row in rows:
        cells = ["" if column == 0 and cell == before else cell for column, cell in enumerate(row)]
        before = row[0]
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return "\n".join(lines)


def _labels(containers: Sequence[Container]) -> dict[str, dict[str, str]]:
    ids = [container.id for container in containers]
    lines = docker("inspect", "--format={{json .Config.Labels}}", *ids).splitlines()
    return {container: json.loads(line) or {} for container, line in zip(ids, lines, strict=True)}

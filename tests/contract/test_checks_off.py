"""Stacks that are measured have no health checks: by what Compose makes of a topology's file and ours over it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig import dotenv
from rig.stack.compose import Compose
from rig.stack.paths import Checkout
from rig.testbed import health
from rig.testbed.cells import yaml

ROOT = Path(__file__).parents[2]


def checked(project: Compose) -> set[str]:
    """The services that Docker would check."""
    found = {name: service.get("healthcheck") for name, service in project.config()["services"].items()}
    return {name for name, check in found.items() if check and not check.get("disable")}


@pytest.mark.parametrize("topology", Checkout(root=ROOT, settings={}).topology_names())
def test_no_service_of_a_topology_keeps_its_health_check(topology: str, tmp_path: Path) -> None:
    file = ROOT / "compose" / "topologies" / topology / "compose.yaml"
    env = {**dotenv.read(ROOT / ".env"), "TOPOLOGY": topology}
    alone = Compose(project="unchecked", files=[file], env=env)
    overlay = tmp_path / "checks-off.yaml"
    overlay.write_text(yaml(health.switched_off(alone)))
    unchecked = replace(alone, files=[file, overlay])
    assert checked(alone) == set(alone.config()["services"])  # so the next line can fail
    assert checked(unchecked) == set()
    assert health.switched_off(unchecked) == {"services": {}}  # nor does the rig take any of them for one

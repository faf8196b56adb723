"""The topologies of this checkout, for tests of what asks them something."""

from __future__ import annotations

from pathlib import Path

from rig.stack.paths import Checkout

TOPOLOGIES = Checkout(root=Path(__file__).parents[2], settings={}).topologies()
RABBITMQ, REDIS = TOPOLOGIES["rabbitmq"], TOPOLOGIES["redis"]

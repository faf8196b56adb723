"""`rig status`: what runs where, and which password opens it."""

from __future__ import annotations

import argparse
from typing import Any

from rig.stack import paths, preflight, table


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser("status", help="what runs where", description=__doc__)
    verb.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Show the table; 1 when something does not run as it should."""
    checkout = paths.checkout()
    compose = preflight.compose_for(checkout, checkout.running_topology, **checkout.state)
    print(table.status(compose, checkout.secrets.relative_to(checkout.root)))
    containers = compose.ps()
    return 0 if containers and all(container.ready for container in containers) else 1

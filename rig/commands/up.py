"""`rig up`: starts the deployment and waits until it works."""

from __future__ import annotations

import argparse
from typing import Any

from rig.stack import paths, table, up


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser("up", help="start the deployment and wait until it works", description=__doc__)
    verb.add_argument("--topology", help="a folder of compose/topologies (default: TOPOLOGY in .env)")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start, then show what runs where."""
    checkout = paths.checkout()
    compose = up.up(checkout, arguments.topology or checkout.wanted_topology)
    print(table.status(compose, checkout.secrets.relative_to(checkout.root)))
    return 0

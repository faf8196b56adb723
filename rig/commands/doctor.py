"""`rig doctor`: the pre-flight of `rig up` alone. It starts, changes and removes nothing."""

from __future__ import annotations

import argparse
from typing import Any

from rig.stack import engine, paths, preflight
from rig.testbed import leftovers


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser("doctor", help="say what would keep the deployment from starting", description=__doc__)
    verb.add_argument("--topology", help="a folder of compose/topologies (default: TOPOLOGY in .env)")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say that all is well, and what killed runs have left behind; else BadInput has been raised with every problem."""
    checkout = paths.checkout()
    for line in leftovers.report(checkout.root):
        print(line)
    plan = preflight.check(checkout, arguments.topology or checkout.wanted_topology)
    about = engine.info() or {}
    print(f"engine {about.get('ServerVersion')}, Compose {engine.compose_version()}")
    print(f"{plan.topology}: ports, memory, disk and passwords are fine")
    return 0

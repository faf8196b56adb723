"""`rig logs`: what the containers write, all or some, until Ctrl-C."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any

from rig.stack import paths, preflight


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser("logs", help="follow the logs", description=__doc__)
    verb.add_argument("services", nargs="*", metavar="service", help="all when none is named")
    verb.add_argument("--no-follow", action="store_true", help="print what there is and end")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hand the terminal to `docker compose logs`."""
    checkout = paths.checkout()
    compose = preflight.compose_for(checkout, checkout.running_topology, **checkout.state)
    follow = [] if arguments.no_follow else ["--follow"]
    command = ["docker", *compose.command("logs", "--tail=100", *follow, *arguments.services)]
    return subprocess.run(command, env=compose.environment, cwd=compose.directory, check=False).returncode

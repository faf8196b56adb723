"""`rig down`: stops the deployment; its data, passwords and ledger stay unless told otherwise."""

from __future__ import annotations

import argparse
from typing import Any

from rig.stack import paths, stop


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser("down", help="stop the deployment", description=__doc__)
    verb.add_argument("--volumes", action="store_true", help="also delete its data, passwords and ledger")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stop, then say what was removed."""
    checkout = paths.checkout()
    print(f"removed {', '.join(stop.down(checkout, volumes=arguments.volumes))}")
    return 0

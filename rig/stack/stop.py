"""`rig down`: removes a project's containers and networks, and on demand everything that it kept."""

from __future__ import annotations

import shutil

from rig.stack import preflight
from rig.stack.compose import PROJECT_LABEL
from rig.stack.docker import answers, docker
from rig.stack.paths import Checkout


def down(checkout: Checkout, *, volumes: bool) -> list[str]:
    """Stop the stack, whatever topology it is on; what was removed, in words.

    With `volumes` also its data, passwords and ledger. Raises StackError where the engine refuses.
    """
    compose = preflight.compose_for(checkout, _topology(checkout), **checkout.state)
    removed = [f"{len(compose.ps())} containers"]
    compose.down()
    # Another topology's networks and volumes are in none of the files that Compose has just read.
    _remove(checkout.project, "network")
    if volumes:
        removed.append(f"{_remove(checkout.project, 'volume')} volumes, {checkout.state_dir}")
        shutil.rmtree(checkout.state_dir, ignore_errors=True)
    else:
        checkout.state_file.unlink(missing_ok=True)
    return removed


def _topology(checkout: Checkout) -> str:
    """Any valid topology will do for removal; a setting that is wrong must not keep a stack from being stopped."""
    known = checkout.topology_names()
    return checkout.running_topology if checkout.running_topology in known else known[0]


def _remove(project: str, kind: str) -> int:
    names = (answers(kind, "ls", "--quiet", f"--filter=label={PROJECT_LABEL}={project}") or "").split()
    if names:
        docker(kind, "rm", *names)
    return len(names)

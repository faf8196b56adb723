"""Handicaps of a known size, each of which an experiment must find: `rig selfbench truth`.

Each module is one handicap. A variant's setting `imports` names it, so worker and generator import it, and further
settings say how large the handicap is: 0 or nothing for none. The files are in rig/selfbench/truths, what is true of
each cell is in `rig.selfbench.known`.
"""

from __future__ import annotations

import json
import os


def setting(name: str) -> float:
    """Return the number that the cell's settings have under `name`, 0 where they have none.

    From the environment, where the rig puts them for both sides: Celery's signals do not say whose app it is.
    """
    return float(json.loads(os.environ.get("RIG_SETTINGS") or "{}").get(name, 0))

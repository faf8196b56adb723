"""Finds rig_fast, the compiled form of `hot_hooks`: an image of ours has it, another application's need not.

    RIG_FAST=0   do without it
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from rig.ledger import layout

# What fast.c takes for granted. It is written there once more, so a module that was compiled from another state of it
# is left alone.
CONTRACT = {
    "VERSION": 1,  # of its constructors' arguments
    "CLAIM_FIRST": layout.CLAIM_FIRST.format,
    "ID_BYTES": layout.ID_BYTES,
    "SLOT_WORDS": layout.SLOT_WORDS,
    "STARTED": layout.STARTED,
    "BODY_DONE": layout.BODY_DONE,
    "FINISHED": layout.FINISHED,
    "ACKED": layout.ACKED,
    "OUTCOME": layout.OUTCOME,
    "succeeded": layout.OUTCOME_CODE["succeeded"],
    "rejected": layout.OUTCOME_CODE["rejected"],
}


def load() -> Any:
    """Return the module rig_fast; None where there is none, it is of another version or RIG_FAST=0 forbids it."""
    if os.environ.get("RIG_FAST") == "0":
        return None
    try:
        module = importlib.import_module("rig_fast")
    except ModuleNotFoundError:
        return None
    except ImportError as error:  # of another Python
        return _without(str(error))
    if getattr(module, "CONTRACT", None) != CONTRACT:
        return _without("it was compiled from another version of fast.c")
    return module


def _without(reason: str) -> None:
    print(f"celery-rig: rig_fast is not used: {reason}. The ledger's hooks work, and cost more.", file=sys.stderr)

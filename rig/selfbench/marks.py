"""The messages that cut a worker's stream of tasks into blocks: what publisher and worker agree upon."""

from __future__ import annotations

from typing import Final

TASK: Final = "app.noop"  # what is measured; the marks between stand for no task
MARK: Final = "rig.selfbench.mark"  # a mark's task name
DEED: Final = "rig-deed"  # header: one of the deeds below
MODE: Final = "rig-mode"  # header of SWITCH: one of MODES

SWITCH: Final = "switch"  # ends the block before, switches the hooks; tasks run in, not counted
BEGIN: Final = "begin"  # the measured part of the block begins
END: Final = "end"  # nothing more comes: write the blocks down

OFF, CONTROL, ON = "off", "control", "on"  # control is off once more: what differs between the two is noise
MODES: Final = (OFF, CONTROL, ON)

PREFETCH: Final = 64  # of the worker, and so the most of its tasks that can be unacknowledged
QUEUE: Final = "selfbench"
BLOCKS_FILE: Final = "/ledger/blocks.json"
METRICS_PORT: Final = 9808  # of a worker that serves metrics itself

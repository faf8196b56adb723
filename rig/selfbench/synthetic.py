"""Makes ledgers of any size, as a publisher, a worker's main process and a pool process would have written them.

Ids are random, as Celery makes them; slots lie in the order in which each process met the tasks; one in a hundred tasks
was retried, one in a thousand delivered twice, one in a thousand never finished, one in twenty has a parent.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig.ledger import layout
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Slots

BATCH = 16_384  # tasks whose slots share a segment of each process
GAP_NS = 250_000  # between two sends
KINDS = [("", ""), *itertools.product(("app.noop", "app.echo", "app.sleep"), ("short", "long"))]
SUCCEEDED, RETRIED = layout.OUTCOME_CODE["succeeded"], layout.OUTCOME_CODE["retried"]
_HEX = np.array([list(b"%02x" % byte) for byte in range(256)], np.uint8)
_DASHES = (8, 13, 18, 23)  # their places in a UUID

Int = npt.NDArray[np.int64]


def make(directory: Path, tasks: int, seed: int = 1) -> None:
    """Write the segments of `tasks` tasks (some 390 bytes each) into `directory`."""
    dice = np.random.default_rng(seed)
    for number, begin in enumerate(range(0, tasks, BATCH)):
        count = min(BATCH, tasks - begin)
        for role, slots in _lives(dice, begin, count).items():
            write_segment(directory / f"{role}-synthetic-1-{number:06}{layout.SUFFIX}", role, slots, KINDS)


def write_segment(path: Path, role: str, slots: Slots, kinds: list[tuple[str, str]]) -> None:
    """Write `slots` (dtype SEND_SLOT or RUN_SLOT) as a closed segment that they fill; `kinds` goes into its header."""
    facts = {"run": "synthetic", "role": role, "host": "synthetic", "boot_id": "synthetic"}
    text = "".join(json.dumps(line) + "\n" for line in (facts, *kinds)).encode()
    numbers = (layout.VERSION, layout.SLOT_BYTES, len(slots), 0, 0, 1, layout.STATE_CLOSED, len(text))
    with path.open("wb") as file:
        file.write((layout.HEADER.pack(layout.MAGIC, *numbers) + text).ljust(layout.HEADER_BYTES, b"\0"))
        file.write(np.ascontiguousarray(slots).view(np.uint8).data)


def _lives(dice: np.random.Generator, begin: int, count: int) -> dict[str, Slots]:
    """Return the slots that each process has for the tasks numbered from `begin`."""
    ids = uuids(dice, count)
    kinds = dice.integers(1, len(KINDS), count)
    retried = dice.choice(count, count // 100, replace=False)
    twice = dice.choice(count, count // 1000, replace=False)
    task = np.concatenate([np.arange(count), retried, twice])
    retries = np.repeat([0, 1, 0], [count, len(retried), len(twice)])
    sent = 10**12 + (begin + task) * GAP_NS + retries * 10**9
    received = sent + 300_000 + dice.exponential(5e6, len(task)).astype(np.int64)
    outcome = np.where((retries == 0) & np.isin(task, retried), RETRIED, SUCCEEDED)
    once = slice(0, count + len(retried))  # a message delivered twice was sent once
    return {
        "client": _sends(dice, ids, kinds, task[once], retries[once], sent[once]),
        "main": _runs(ids, kinds, task, retries, {"received": received, "acked": received + 400_000}),
        "pool": _runs(ids, kinds, task, retries, _execution(dice, received + 100_000, outcome)),
    }


def _sends(
    dice: np.random.Generator, ids: npt.NDArray[np.bytes_], kinds: Int, task: Int, retries: Int, sent: Int
) -> Slots:
    slots = np.zeros(len(task), SEND_SLOT)
    slots["id"], slots["kind"], slots["retries"], slots["type"] = ids[task], kinds[task], retries, layout.SEND
    slots["sent"], slots["published"] = sent, sent + 200_000
    children = dice.choice(len(ids), len(ids) // 20, replace=False)
    slots["parent"][children] = ids[children // 2]
    return slots[np.argsort(sent)]


def _runs(ids: npt.NDArray[np.bytes_], kinds: Int, task: Int, retries: Int, columns: dict[str, Int]) -> Slots:
    slots = np.zeros(len(task), RUN_SLOT)
    slots["id"], slots["kind"], slots["retries"], slots["type"] = ids[task], kinds[task], retries, layout.RUN
    for name, values in columns.items():
        slots[name] = values
    return slots[np.argsort(next(iter(columns.values())))]


def _execution(dice: np.random.Generator, started: Int, outcome: Int) -> dict[str, Int]:
    """Return the columns of the pool process; one in a thousand executions does not end."""
    body_done = started + dice.exponential(1e6, len(started)).astype(np.int64)
    ended = dice.random(len(started)) > 0.001
    return {
        "started": started, "body_done": body_done * ended, "stored": (body_done + 100_000) * ended,
        "finished": (body_done + 150_000) * ended, "outcome": outcome * ended,
    }  # fmt: skip


def uuids(dice: np.random.Generator, count: int) -> npt.NDArray[np.bytes_]:
    """Return random version-4 UUIDs as text."""
    raw = dice.integers(0, 256, (count, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.full((count, layout.ID_BYTES), ord("-"), np.uint8)
    text[:, np.delete(np.arange(layout.ID_BYTES), _DASHES)] = _HEX[raw].reshape(count, 32)
    return text.view(f"S{layout.ID_BYTES}").reshape(count)

"""Draws the account of a run, and sets beside it what Locust and the broker counted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rig.experiment.judge.gate import BY_BROKER, BY_LOCUST, IN_LEDGER, LEFT
from rig.experiment.turn import Turn
from rig.ledger.account import account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.stack.docker import docker
from rig.testbed.containers import Running

ALL = "all cells"  # where the broker only has a sum
SETTLED_S = 15.0  # RabbitMQ's numbers are up to collect_statistics_interval (10 s) old

Accounts = dict[str, Mapping[str, Any]]
Counts = dict[str, Mapping[str, int]]


def account_for(cells: Sequence[Running], turns: Sequence[Turn]) -> tuple[Accounts, Counts, dict[str, str]]:
    """Return the account of each cell, the four counts of each (or of all), and the versions that ran."""
    accounts: Accounts = {}
    counts: Counts = {}
    versions: dict[str, str] = {}
    for project in dict.fromkeys(cell.project for cell in cells):
        own = [cell for cell in cells if cell.project == project]
        ledgers = {cell.cell.name: read_ledger(cell.cell.ledger) for cell in own}
        tasks = {name: build(ledger) for name, ledger in ledgers.items()}
        ledger = {name: int((rows.sends > 0).sum()) for name, rows in tasks.items()}
        seen = _broker(own, sum(ledger.values()))
        for cell in own:
            name, left = cell.cell.name, _of(cell, seen["left"])
            drawn = account(tasks[name], ledgers[name], left_in_broker=left, now_ns=time.monotonic_ns())
            accounts[name] = drawn.as_dict()
        versions |= seen["versions"]
        sent = {cell.cell.name: _sent(turns, cell.cell.name) for cell in own}
        counts |= _counts(own, ledger, sent, seen)
    return accounts, counts, versions


def _broker(cells: Sequence[Running], expected: int) -> dict[str, Any]:
    """Ask the broker what it acknowledged, again until its statistics have caught up with the ledger or long enough."""
    queues = [queue for cell in cells for queue in cell.cell.queues]
    deadline = time.monotonic() + SETTLED_S
    while True:
        words = ["exec", cells[0].generator, "python3", "-m", "rig.testbed.inside.probe", *queues]
        seen: dict[str, Any] = json.loads(docker(*words))
        if sum(seen["acknowledged"].values()) == expected or time.monotonic() > deadline:
            return seen
        time.sleep(1)


def _sent(turns: Sequence[Turn], cell: str) -> int:
    return sum(answer["locust"]["requests"] for turn in turns if turn.cell == cell for answer in turn.sent.values())


def _counts(
    cells: Sequence[Running], ledger: Mapping[str, int], sent: Mapping[str, int], seen: Mapping[str, Any]
) -> Counts:
    left, acknowledged = seen["left"], seen["acknowledged"]
    if "" in acknowledged:
        row = (sum(ledger.values()), sum(sent.values()), acknowledged[""], sum(left.values()))
        return {ALL: _row(*row)}
    return {
        cell.cell.name: _row(ledger[cell.cell.name], sent[cell.cell.name], _of(cell, acknowledged), _of(cell, left))
        for cell in cells
    }


def _of(cell: Running, by_queue: Mapping[str, int]) -> int:
    return sum(by_queue[queue] for queue in cell.cell.queues)


def _row(ledger: int, locust: int, broker: int, left: int) -> dict[str, int]:
    return {IN_LEDGER: ledger, BY_LOCUST: locust, BY_BROKER: broker, LEFT: left}

"""The lives of a run: what is kept when one ends before its time, and how the next one carries on from there.

Kept are the turns of whole rounds. Everything that the earlier life wrote besides is moved to `earlier-<n>/`, raw: its
ledgers hold tasks of the turn in which it died, half sent, which must not count as lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rig.experiment.check import BY_LOCUST, IN_LEDGER
from rig.experiment.measure import in_turn
from rig.experiment.record import Turn
from rig.experiment.result import Accounts, Counts, Life, Result
from rig.ledger.account import Mask, account
from rig.ledger.reader import Ledger, read_ledger
from rig.ledger.tasks import Tasks, build

LEDGER = "ledger"
MOVED = (LEDGER, "logs", "tasks.parquet", "environment.json")  # what a life writes that the next one writes anew


def bury(result: Result, directory: Path) -> Result:
    """Close the life that ended in `directory`: what the next one starts from, with one more `Life`.

    May be interrupted and called again: what has been moved stays where it is. Raises OSError where that is impossible.
    """
    before = len(result.earlier)
    grave = _grave(directory, before + 1)
    grave.mkdir(exist_ok=True)
    for name in MOVED:
        if (directory / name).exists():
            shutil.move(directory / name, grave / name)
    first = result.earlier[-1].turns if before else 0
    whole = [0, *result.all_rounds]
    kept = [turn for turn in result.turns if turn.round in whole]
    accounts, counts = {}, {}
    for cell in result.cells:
        own = [turn for turn in kept[first:] if turn.cell == cell]
        accounts[cell], counts[f"{cell}, life {before + 1}"] = _accounted(own, grave / LEDGER / cell)
    life = Life(
        ended=result.interrupted or "rig was killed", turns=len(kept), rounds=len(whole) - 1, accounts=accounts,
        counts=counts,
    )  # fmt: skip
    return replace(
        result, turns=kept, earlier=[*result.earlier, life], interrupted="", accounts={}, counts={}, environment={}
    )


def ledgers(result: Result, directory: Path) -> dict[str, Ledger]:
    """Return the ledger of each cell in `directory`, of all lives together."""
    graves = [_grave(directory, number) for number in range(1, len(result.earlier) + 1)]
    places = [life / LEDGER for life in (*graves, directory)]
    return {cell: _joined([read_ledger(place / cell) for place in places]) for cell in result.cells}


def add_up(earlier: Sequence[Life], accounts: Accounts, counts: Counts) -> tuple[Accounts, Counts]:
    """Return accounts and counts of a whole run from those of its `earlier` lives and of its last."""
    for life in earlier:
        accounts = {cell: _sum(life.accounts[cell], account) for cell, account in accounts.items()}
    return accounts, {**counts, **{scope: row for life in earlier for scope, row in life.counts.items()}}


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {what: one[what] + value if what in one else value for what, value in other.items()}  # numbers or lists


def _accounted(turns: Sequence[Turn], directory: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return account and counts of the tasks of `turns` alone, from one cell's ledger."""
    ledger = read_ledger(directory)
    answers = [answer for turn in turns for answer in turn.sent.values()]
    posts = [answer["turn"] for answer in answers]
    tasks = build(ledger)
    chosen = _chosen(tasks, _sent_in(tasks, posts))
    problems = [problem for problem in ledger.problems if _concerns(problem.path, ledger, posts)]
    drawn = account(chosen, Ledger(problems=problems)).as_dict()
    locust = sum(answer["locust"]["requests"] for answer in answers)
    return drawn, {IN_LEDGER: int((chosen.sends > 0).sum()), BY_LOCUST: locust}


def _sent_in(tasks: Tasks, posts: Sequence[int]) -> Mask:
    mask: Mask = np.zeros(len(tasks), bool)
    for post in posts:
        mask |= in_turn(tasks, post)
    return mask


def _chosen(tasks: Tasks, mask: Mask) -> Tasks:
    columns = {field.name: getattr(tasks, field.name)[mask] for field in fields(tasks) if field.name != "kinds"}
    return replace(tasks, **columns)


def _concerns(path: Path, ledger: Ledger, posts: Sequence[int]) -> bool:
    """Whether damage in `path` can have cost a task of `posts`. Only a segment that has none of them is harmless:
    each round has processes, and so segments, of its own, and those of the last one may have been torn by its end.
    """
    segments = [segment for segment in ledger.segments if segment.path == path]
    return not segments or bool(_sent_in(build(Ledger(segments=segments)), posts).any())


def _joined(lives: Sequence[Ledger]) -> Ledger:
    return Ledger(
        segments=[segment for life in lives for segment in life.segments],
        problems=[problem for life in lives for problem in life.problems],
    )


def _grave(directory: Path, number: int) -> Path:
    return directory / f"earlier-{number}"

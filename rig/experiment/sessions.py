"""The sessions of a run that is interrupted and continued: what is kept of each, and how the next one carries on.

Kept are the turns of whole rounds. Everything else that the earlier session wrote is moved to `earlier-<n>/`, raw: its
ledgers hold tasks of the turn in which it ended, half sent, which must not count as lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rig.experiment.judge.gate import BY_LOCUST, IN_LEDGER
from rig.experiment.measure import in_turn
from rig.experiment.result import Accounts, Counts, Result, Session
from rig.experiment.turn import Turn
from rig.ledger.account import Mask, account
from rig.ledger.reader import Ledger, read_ledger
from rig.ledger.tasks import Tasks, build

LEDGER = "ledger"
MOVED = (LEDGER, "logs", "tasks.parquet", "environment.json")  # what a session writes and the next one writes again


def close_session(result: Result, directory: Path) -> Result:
    """Close the session that ended in `directory`; the result that the next one starts from has one more `Session`.

    May be interrupted and called again: what has been moved stays where it is. Raises OSError where that is impossible.
    """
    before = len(result.earlier)
    folder = _folder(directory, before + 1)
    folder.mkdir(exist_ok=True)
    for name in MOVED:
        if (directory / name).exists():
            shutil.move(directory / name, folder / name)
    first = result.earlier[-1].turns if before else 0
    whole = [0, *result.all_rounds]
    kept = [turn for turn in result.turns if turn.round in whole]
    accounts, counts = {}, {}
    for cell in result.cells:
        own = [turn for turn in kept[first:] if turn.cell == cell]
        accounts[cell], counts[f"{cell}, session {before + 1}"] = _accounted(own, folder / LEDGER / cell)
    session = Session(
        ended=result.interrupted or "rig was killed", turns=len(kept), rounds=len(whole) - 1, accounts=accounts,
        counts=counts,
    )  # fmt: skip
    return replace(
        result, turns=kept, earlier=[*result.earlier, session], interrupted="", accounts={}, counts={}, environment={}
    )


def ledgers(result: Result, directory: Path) -> dict[str, Ledger]:
    """Return the ledger of each cell in `directory`, of all sessions together."""
    folders = [_folder(directory, number) for number in range(1, len(result.earlier) + 1)]
    places = [place / LEDGER for place in (*folders, directory)]
    return {cell: _joined([read_ledger(place / cell) for place in places]) for cell in result.cells}


def add_up(earlier: Sequence[Session], accounts: Accounts, counts: Counts) -> tuple[Accounts, Counts]:
    """Return accounts and counts of a whole run from those of its `earlier` sessions and of its last."""
    for session in earlier:
        accounts = {cell: _sum(session.accounts[cell], account) for cell, account in accounts.items()}
    return accounts, {**counts, **{scope: row for session in earlier for scope, row in session.counts.items()}}


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


def _joined(parts: Sequence[Ledger]) -> Ledger:
    return Ledger(
        segments=[segment for part in parts for segment in part.segments],
        problems=[problem for part in parts for problem in part.problems],
    )


def _folder(directory: Path, number: int) -> Path:
    return directory / f"earlier-{number}"

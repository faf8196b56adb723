"""Says what became of every task that a publisher tried to send.

The words are those of Jepsen's total-queue checker: lost = acknowledged and never dequeued; unexpected = dequeued,
never enqueued; duplicated; recovered = enqueue outcome unknown, but dequeued.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rig.ledger import layout
from rig.ledger.reader import Ledger
from rig.ledger.tasks import NEVER, Tasks

Mask = npt.NDArray[np.bool_]
GAVE_UP = [layout.OUTCOME_CODE[name] for name in ("revoked", "expired", "unknown", "rejected")]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the tasks: counts, and the ids wherever a count above zero would alarm someone.

    `lost` = `never_started` + `started_not_finished` + `died`: confirmed, not finished, and not in the broker any more.
    `stalled` tasks are still in the broker. `expired` were sent with `expires` or dropped by the worker as revoked,
    expired, rejected or unknown, and did not run. `indeterminate` sends raised; those of them that ran are `recovered`.
    `failed` tasks ran to their end and raised. `foreign` counts deliveries of messages that no publisher with a ledger
    has sent and of which nothing was executed, such as one that names no task; what was executed of such is
    `unexpected`. `invalid` says why none of this may be believed.
    """

    sent: int
    confirmed: int
    executed: int
    succeeded: int
    failed: int
    retried: int
    expired: int
    indeterminate: int
    recovered: int
    lost: list[str]
    never_started: list[str]
    started_not_finished: list[str]
    died: list[str]
    stalled: list[str]
    duplicated: list[str]
    extra_starts: int
    unexpected: list[str]
    foreign: int
    invalid: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the account as plain data."""
        return asdict(self)


def account(
    tasks: Tasks, ledger: Ledger, *, left_in_broker: int = 0, now_ns: int | None = None, reasons: Iterable[str] = ()
) -> Account:
    """Account for `tasks`.

    `left_in_broker` is the number of messages, ready and unacknowledged, that the drain left behind: as many
    unfinished tasks, the never received and last sent first, are `stalled` and not lost. `now_ns` (monotonic) is when
    the account is drawn: a task whose `expires` lies behind it may be gone for that reason. `reasons` add to `invalid`.
    """
    confirmed = tasks.confirmed > 0
    finished = tasks.ends > 0
    gave_up = np.isin(tasks.outcome, GAVE_UP)
    too_old = (tasks.expires != 0) & (tasks.expires < (now_ns or NEVER))
    expired = ~finished & (gave_up | (too_old & (tasks.started == 0)))
    unfinished = confirmed & ~finished & ~expired
    stalled = _still_queued(tasks, unfinished, left_in_broker)
    lost = unfinished & ~stalled
    died = lost & (tasks.outcome != 0)
    started = lost & ~died & (tasks.starts > 0)
    known = tasks.sends > 0
    indeterminate = known & ~confirmed
    return Account(
        sent=int(known.sum()), confirmed=int(confirmed.sum()), executed=int((known & finished).sum()),
        succeeded=int((known & (tasks.outcome == layout.OUTCOME_CODE["succeeded"])).sum()),
        failed=int((known & (tasks.outcome == layout.OUTCOME_CODE["failed"])).sum()),
        retried=int((tasks.attempts > 1).sum()), expired=int((known & expired).sum()),
        indeterminate=int(indeterminate.sum()), recovered=int((indeterminate & finished).sum()),
        lost=_ids(tasks, lost), never_started=_ids(tasks, lost & (tasks.starts == 0) & ~died),
        started_not_finished=_ids(tasks, started), died=_ids(tasks, died),
        stalled=_ids(tasks, stalled), duplicated=_ids(tasks, tasks.starts > tasks.attempts),
        extra_starts=int((tasks.starts - tasks.attempts).sum()),
        unexpected=_ids(tasks, ~known & (tasks.starts > 0)),
        foreign=int(tasks.receives[~known & (tasks.starts == 0)].sum()),
        invalid=[str(problem) for problem in ledger.problems] + list(reasons),
    )  # fmt: skip


def _still_queued(tasks: Tasks, unfinished: Mask, left: int) -> Mask:
    """Choose which of the unfinished tasks the `left` messages in the broker are."""
    stalled = np.zeros(len(tasks), bool)
    if left:
        candidates = unfinished.nonzero()[0]
        order = np.lexsort((-tasks.sent[candidates], tasks.receives[candidates], tasks.starts[candidates]))
        stalled[candidates[order][:left]] = True
    return stalled


def _ids(tasks: Tasks, mask: Mask) -> list[str]:
    return [task_id.decode() for task_id in tasks.id[mask]]

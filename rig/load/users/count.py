"""What a sending process tells of a turn: few numbers, since they go to the master with each report."""

from __future__ import annotations

from typing import NamedTuple

from rig.load.send.session import Session


class Count(NamedTuple):
    """Tasks of one turn: sent, sent more than 10 ms after plan, planned and never sent, sent with a plan."""

    sent: int = 0
    late: int = 0
    unsent: int = 0
    planned: int = 0


def count(session: Session) -> Count:
    """Return what a session has counted in its turn so far."""
    if session.sender is None:
        return Count()
    tally = session.sender.tally
    return Count(tally.sent, tally.late, tally.unsent, len(tally.lag_ns))

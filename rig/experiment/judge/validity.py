"""Reasons why numbers may not be used, and which numbers each is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Invalid:
    """Why numbers may not be used, and what to change before the next run.

    `touches` names the measures that are affected, without the kind of task ("p95" is about "p95.short", too); empty:
    all of them. A reason that does not touch the judged measure leaves the verdict as it is.
    """

    reason: str
    change: str
    touches: tuple[str, ...] = ()

    def hits(self, measure: str) -> bool:
        """Whether `measure` is affected."""
        return not self.touches or measure.partition(".")[0] in self.touches


def unusable(invalid: Iterable[Invalid], measure: str) -> list[Invalid]:
    """Return the reasons that touch `measure`."""
    return [each for each in invalid if each.hits(measure)]


def touched(invalid: Sequence[Invalid], measures: Iterable[str]) -> list[str]:
    """Return those of `measures` that some reason touches."""
    return [measure for measure in measures if unusable(invalid, measure)]

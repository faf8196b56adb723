"""A number that the rig found about itself, beside the limit that it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rig.stats import Interval


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured `value` in `unit`, with its 95 % interval where there is one.

    `limit` says in words what is asked of it, empty where nothing is; `ok` whether that was kept.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    limit: str = ""
    ok: bool = True

    @property
    def shown(self) -> str:
        """The value with its interval, as a person reads it."""
        if self.low is None or self.high is None:
            return _number(self.value)
        return f"{_number(self.value)} [{_number(self.low)}, {_number(self.high)}]"

    @property
    def verdict(self) -> str:
        """Whether the limit was kept; empty where there is none."""
        return ("ok" if self.ok else "MISSED") if self.limit else ""


def percent(name: str, ratio: Interval, limit: str = "", ok: bool = True) -> Figure:
    """Return a ratio as "so much more": 1.02 is +2 %."""
    value, low, high = ((number - 1) * 100 for number in (ratio.ratio, ratio.low, ratio.high))
    return Figure(name=name, value=value, unit="% more", low=low, high=high, limit=limit, ok=ok)


def times(name: str, ratio: Interval, limit: str = "", ok: bool = True) -> Figure:
    """Return a ratio as it is."""
    return Figure(
        name=name, value=ratio.ratio, unit="times", low=ratio.low, high=ratio.high, limit=limit, ok=ok
    )  # fmt: skip


def all_ok(figures: Sequence[Figure]) -> bool:
    """Return whether every limit was kept."""
    return all(figure.ok for figure in figures)


def _number(value: float) -> str:
    """Return three or four digits that say something; whole thousands stay whole."""
    size = abs(value)
    return (
        f"{value:,.0f}"
        if size >= 1000
        else f"{value:.1f}"
        if size >= 100
        else f"{value:.2f}"
        if size >= 1
        else f"{value:.3f}"
    )

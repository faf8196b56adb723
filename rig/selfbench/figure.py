"""A number that the rig found about itself, beside the limit that it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured `value` in `unit`; `limit` says in words what is asked of it, empty where nothing is."""

    name: str
    value: float
    unit: str
    limit: str = ""
    ok: bool = True

    def __str__(self) -> str:
        verdict = f"  limit {self.limit}: {'ok' if self.ok else 'MISSED'}" if self.limit else ""
        return f"  {self.name:<44} {self.value:10.2f} {self.unit}{verdict}"


def all_ok(figures: Sequence[Figure]) -> bool:
    """Return whether every limit was kept."""
    return all(figure.ok for figure in figures)

"""What has been counted so far: events and durations for each (task name, queue, role, host)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rig.buckets import BOUNDS
from rig.ledger import layout

Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.int32]

SENDER_EVENTS: Final = ("sent", "send_failed")
WORKER_EVENTS: Final = ("received", "started", "acked", *layout.OUTCOMES.values())
EVENTS: Final = (*SENDER_EVENTS, *WORKER_EVENTS)
EVENT: Final = {name: index for index, name in enumerate(EVENTS)}

STAGES: Final = (
    "generator_lag", "publish", "queue_wait", "prefetch_wait", "runtime", "result_write", "ack", "end_to_end",
)  # fmt: skip
STAGE: Final = {name: index for index, name in enumerate(STAGES)}

_BOUNDS_NS = (np.array(BOUNDS) * 1e9).round().astype(np.int64)
BUCKETS: Final = len(BOUNDS) + 1  # the last one is +Inf


@dataclass(frozen=True)
class Series:
    """The labels that every task metric carries."""

    name: str
    queue_name: str
    role: str
    hostname: str


class Tally:
    """Monotonic totals. `events[event, series]`; `buckets[stage, series, bucket]` is not cumulative over buckets."""

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.events: Ints = np.zeros((len(EVENTS), 0), np.int64)
        self.buckets: Ints = np.zeros((len(STAGES), 0, BUCKETS), np.int64)
        self.seconds: npt.NDArray[np.float64] = np.zeros((len(STAGES), 0))
        self._index: dict[Series, int] = {}

    def dump(self, hosts: Collection[tuple[str, str]]) -> dict[str, Any]:
        """Return the totals of the series of these (role, host), for `restore`."""
        kept = [row for row, series in enumerate(self.series) if (series.role, series.hostname) in hosts]
        return {
            "events": EVENTS, "stages": STAGES, "bounds": BOUNDS,
            "series": [astuple(self.series[row]) for row in kept],
            "counts": self.events[:, kept].tolist(),
            "buckets": self.buckets[:, kept].tolist(),
            "seconds": self.seconds[:, kept].tolist(),
        }  # fmt: skip

    def restore(self, dump: dict[str, Any]) -> None:
        """Go on from dumped totals. Raises ValueError if they are of other events, stages or bounds, or no totals.

        What has been taken over until then stays: a tally that raised is of no use.
        """
        meant = [list(EVENTS), list(STAGES), list(BOUNDS)]
        if [dump.get("events"), dump.get("stages"), dump.get("bounds")] != meant:
            raise ValueError("the totals are of another version")
        try:
            for label in chain.from_iterable(dump["series"]):
                label.encode()  # Prometheus is served UTF-8, and JSON can hold half of a surrogate pair
            rows = [self.index(Series(*labels)) for labels in dump["series"]]
            if rows:
                self.events[:, rows] = dump["counts"]
                self.buckets[:, rows] = dump["buckets"]
                self.seconds[:, rows] = dump["seconds"]
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"these are no totals: {error!r}") from error

    def index(self, series: Series) -> int:
        """Return the row of `series`, a new one if need be."""
        if series not in self._index:
            self._index[series] = len(self.series)
            self.series.append(series)
            self._grow()
        return self._index[series]

    def count(self, event: Ints, series: Index) -> None:
        """Add one to `events[event, series]` for each pair."""
        room = self.events.shape[1]
        _add(self.events, np.bincount(event * room + series))

    def observe(self, stage: Ints, series: Index, duration_ns: Ints) -> None:
        """Add each duration to the histogram of its stage and series; a negative one counts as zero."""
        room = self.seconds.shape[1]
        duration_ns = duration_ns.clip(0)
        row = stage * room + series
        cell = row * BUCKETS + _BOUNDS_NS.searchsorted(duration_ns)
        _add(self.buckets, np.bincount(cell))
        _add(self.seconds, np.bincount(row, weights=duration_ns) / 1e9)

    def _grow(self) -> None:
        room = self.events.shape[1]
        if len(self.series) <= room:
            return
        more = max(8, room)
        self.events = np.pad(self.events, ((0, 0), (0, more)))
        self.buckets = np.pad(self.buckets, ((0, 0), (0, more), (0, 0)))
        self.seconds = np.pad(self.seconds, ((0, 0), (0, more)))


def _add(totals: npt.NDArray[Any], added: npt.NDArray[Any]) -> None:
    """Add to the first cells of `totals`: no further than the counts go, which spares most of a large table."""
    totals.reshape(-1)[: len(added)] += added

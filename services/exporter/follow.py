"""Follows all segments below a directory: finds new ones, reads what happened in them, removes those that are done."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter import bookmark
from exporter.bookmark import Bookmark, Host
from exporter.digest import digest, is_send, open_tasks
from exporter.segment import Batch, DamageError, Segment, join
from exporter.tally import Tally
from exporter.window import Window
from rig.ledger import layout

BATCH: Final = 16384  # new slots digested at a time: bounds memory when a backlog of segments is found
KEEP: Final = "KEEP"  # a file of this name in a directory: remove no segment from it
UNSCRAPED: Final = 60.0  # seconds that a finished segment waits for the scrape that shows its counts to somebody
FORGET_AFTER: Final = 3600.0  # seconds until a host that is gone vanishes from the metrics: longer than alerts wait


class Follower:
    """Reads the ledger in `directory` into `tally`. Not thread-safe: one caller at a time."""

    def __init__(self, directory: Path) -> None:
        self.tally = Tally()
        self.window = Window()
        self.problems: Counter[str] = Counter()
        self.slots: Counter[str] = Counter({"send": 0, "run": 0})  # taken so far, by record type
        self.segments: dict[Path, Segment] = {}
        self.hosts: dict[Host, int] = {}  # when each last had a living process, on the ledger's clock
        self._workers: set[Host] = set()  # those that have received or run a task
        self._directory = directory
        self._left: set[Path] = set()  # files that are read, or cannot be: not to be opened again
        self._finished: dict[Path, float] = {}  # those to be removed, and when they were found finished
        self._poll_began = 0
        self._take_over()

    def poll(self) -> None:
        """Count everything that happened since the last call."""
        self._poll_began = time.monotonic_ns()
        self._scan()
        for segment in self.segments.values():
            segment.check_writer()
        self._digest([(segment, part) for segment in self.segments.values() if (part := segment.changed())])
        while parts := self._fresh():
            self._digest(parts)
        self._note_hosts()
        self._retire()

    def close(self) -> None:
        """Stop following: let all files go."""
        for segment in list(self.segments.values()):
            self._drop(segment)

    def worker_gauges(self) -> dict[Host, tuple[int, int, int]]:
        """Return (up, tasks active, tasks unacknowledged) for each worker host seen within `FORGET_AFTER`."""
        gauges = dict.fromkeys(self._workers, (0, 0, 0))
        for segment in self.segments.values():
            host = (segment.role, segment.host)
            if segment.writer_lives and host in gauges:
                _, active, unacked = gauges[host]
                part = segment.open_slots()
                more_active, more_unacked = open_tasks(part) if part else (0, 0)
                gauges[host] = (1, active + more_active, unacked + more_unacked)
        return gauges

    def segment_states(self) -> Counter[tuple[str, str]]:
        """Return how many segments are followed, by (role, state): open, closed (full, with unfinished slots)."""
        return Counter((s.role, "closed" if s.closed else "open") for s in self.segments.values())

    def scraped(self) -> None:
        """Note that all that was counted so far has been scraped.

        Only now may finished segments go: if this exporter dies, the next one counts from here on, and needs them.
        """
        left = Bookmark(
            boot_id=bookmark.this_boot(), until=self._poll_began, totals=self.tally.dump(self.hosts),
            problems=self.problems, slots=self.slots,
            hosts=[(*host, seen, host in self._workers) for host, seen in self.hosts.items()],
        )  # fmt: skip
        try:
            bookmark.save(self._directory, left)
        except OSError as error:
            self._problem("bookmark", f"cannot write {bookmark.NAME}: {error}; a restart will count from nothing")
        self._remove(list(self._finished))

    def _take_over(self) -> None:
        """Go on where the exporter before this one was last scraped."""
        self._before = Bookmark()
        try:
            before, tally = bookmark.load(self._directory), Tally()
            if before.until:
                tally.restore(before.totals)
        except ValueError as error:
            self._problem("bookmark", f"{error}; counting from nothing")
            return
        self._before, self.tally = before, tally
        self.problems.update(before.problems)
        self.slots.update(before.slots)
        if before.of_this_boot:
            self.hosts = {(role, host): seen for role, host, seen, _ in before.hosts}
            self._workers = {(role, host) for role, host, _, is_worker in before.hosts if is_worker}

    def _note_hosts(self) -> None:
        """Note who lives, and forget who is long gone; their totals stay, in case they come back."""
        for segment in self.segments.values():
            host = (segment.role, segment.host)
            if segment.writer_lives or host not in self.hosts:
                self.hosts[host] = self._poll_began
            if segment.is_worker:
                self._workers.add(host)
        oldest = self._poll_began - FORGET_AFTER * 1e9
        self.hosts = {host: seen for host, seen in self.hosts.items() if seen >= oldest}
        self._workers &= self.hosts.keys()

    def _scan(self) -> None:
        found = {path for path in self._directory.rglob("*.*") if path.suffix in (layout.SUFFIX, layout.STOPPED_SUFFIX)}
        self._left &= found
        for path in sorted(found - self._left - self.segments.keys()):
            if path.suffix == layout.STOPPED_SUFFIX:
                self._leave(path, "recording stopped", "a process found no room for a segment; its tasks are missing")
                continue
            try:
                segment = self._open(path)
            except FileNotFoundError:
                continue
            except (DamageError, OSError) as error:
                self._leave(path, "unreadable segment", str(error))
            else:
                self.segments[path] = segment

    def _open(self, path: Path) -> Segment:
        segment = Segment(path, self.tally)
        if segment.boot_id == self._before.boot_id:
            segment.counted_until = self._before.until
        return segment

    def _fresh(self) -> list[tuple[Segment, Batch]]:
        room, parts = BATCH, []
        for segment in list(self.segments.values()):
            try:
                part = segment.fresh(room)
            except DamageError as error:
                self._drop(segment)
                self._leave(segment.path, "unreadable segment", str(error))
                continue
            if part is not None:
                parts.append((segment, part))
                room -= len(part)
                self._count_slots(part)
                if room <= 0:
                    break
        return parts

    def _digest(self, parts: list[tuple[Segment, Batch]]) -> None:
        """Digest the parts together; each segment then remembers what of its own is not done."""
        if not parts:
            return
        batch = join([part for _, part in parts])
        state, done = digest(batch, self.tally, self.window, self._poll_began)
        start = 0
        for segment, part in parts:
            end = start + len(part)
            segment.put(replace(part, state=state[start:end]).where(~done[start:end]))
            start = end

    def _count_slots(self, part: Batch) -> None:
        """Count the slots that no earlier exporter can have met: nothing in them was counted."""
        unmet = part.state == 0
        sends = int((unmet & is_send(part.rows)).sum())
        self.slots["send"] += sends
        self.slots["run"] += int(unmet.sum()) - sends

    def _retire(self) -> None:
        for segment in list(self.segments.values()):
            for problem, times in segment.problems.items():
                where = f"{segment.path.name} at byte {segment.first[problem]}"
                self._problem(problem, f"{where}: {times} ×, here for the first time", times)
            segment.problems.clear()
            segment.first.clear()
            if segment.finished:
                self._drop(segment)
                self._left.add(segment.path)
                self._finished[segment.path] = time.monotonic()
        self._remove([path for path, since in self._finished.items() if time.monotonic() - since > UNSCRAPED])

    def _drop(self, segment: Segment) -> None:
        segment.close()
        del self.segments[segment.path]

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            del self._finished[path]
            if (path.parent / KEEP).exists():
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._leave(path, "cannot remove segment", str(error))

    def _leave(self, path: Path, problem: str, why: str) -> None:
        self._left.add(path)
        self._problem(problem, f"{path.name}: {why}")

    def _problem(self, problem: str, line: str, times: int = 1) -> None:
        self.problems[problem] += times
        print(f"exporter: {problem}: {line}", file=sys.stderr, flush=True)

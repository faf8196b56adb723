"""One turn of one cell: a backlog published while the worker stands still, drained at once, then a paced load."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rig.errors import BadInput, StackError
from rig.experiment.file.spec import Load
from rig.experiment.measure import NO_WINDOW, Window
from rig.experiment.turn import BACKLOG, DRAIN, PACED, WARM, Phase, Sent, post_number
from rig.testbed.cgroups import Process, Reading
from rig.testbed.containers import Running
from rig.testbed.generator import NotReadyError, ask
from rig.testbed.meters import Meter
from rig.testbed.watch import Watch

WARM_TASKS = 200  # sent and executed before anything is measured, or one by each user: connections, caches, imports
STALL_COVERED_S = 0.1  # see `paced_users`
LEAST_USERS, MOST_USERS = 20, 500
LEAD_S = 0.4  # from the order of a paced load to its first planned time: the generator has to be there by then
POLL_S = 0.1
SETTLE_S = 0.05  # from the last end in the ledger to the reading: acks and bookkeeping of the last tasks
SUSPICIOUS_S = 3.0  # without one: worth a look at whether the worker still runs
STALL_S = 30.0  # without a single task finished: the drain has stalled
READY_S = 60.0
ASK_S = 0.5  # from one look at a starting worker to the next
ANSWER_S = 60.0  # beyond the length of the load itself


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Phases of a turn, what the generator answered to the load of each that sends, and measures of `meters`.

    `window` is the part of a paced load that is measured.
    """

    phases: dict[str, Phase]
    sent: Sent
    values: Mapping[str, float] = field(default_factory=dict)
    window: Window = NO_WINDOW


class Station:
    """A cell with what it takes to put a turn on it.

    `say` gets the name of each phase as it begins. `watch` was made before the cell's processes started, so it sees
    all that they record.
    """

    def __init__(self, running: Running, load: Load, say: Callable[[str], None], watch: Watch) -> None:
        self.running = running
        self._load = load
        self._say = say
        self._watch = watch

    def warm(self, number: int, rate: float) -> Sent:
        """Wait for the generator, let every user that a load of `rate` needs send, wait until all is executed.

        BadInput where the worker does not start with its command line, or does not know the task.
        """
        self._say(WARM)
        users = max(self._load.users, paced_users(rate))
        arrivals = {"kind": "each", "count": math.ceil(WARM_TASKS / users)}
        sent = self._patiently(lambda: self._post(number, WARM, arrivals, users))
        self._wait(number, WARM, sent)
        return {WARM: sent}

    def drain(self, number: int, seed: int) -> Measured:
        """Publish the backlog of turn `number` with the worker stopped, let it go, and wait until all is executed."""
        self._say(BACKLOG)
        self.running.pause()
        try:
            meter = Meter(self.running.components, self.running.servers)
            start = self.running.read()
            arrivals = {"kind": "closed", "count": self._load.backlog}
            sent = self._post(number, BACKLOG, arrivals, self._load.users, seed=seed)
            published = self.running.read()
        finally:
            self.running.unpause()
        self._say(DRAIN)
        self._wait(number, BACKLOG, sent)
        phases = {BACKLOG: between(start, published), DRAIN: between(published, self.running.read())}
        return Measured(phases=phases, sent={BACKLOG: sent}, values=meter.a_task(self._load.backlog))

    def pace(self, number: int, rate: float, seed: int) -> Measured:
        """Send the paced load of turn `number` at `rate` tasks/s, and wait until all is executed.

        Counters are read when the window opens and when it closes, while the load goes on. The ledger is not looked at
        meanwhile.
        """
        self._say(PACED)
        run_in, length = self._load.run_in, self._load.seconds
        arrivals = {"kind": self._load.arrivals, "rate": rate, "seconds": run_in + length}
        if self._load.arrivals == "poisson":
            arrivals["seed"] = seed
        start = time.monotonic() + LEAD_S
        window = Window(start_ns=int((start + run_in) * 1e9), end_ns=int((start + run_in + length) * 1e9))
        more = {"seed": seed, "start_ns": int(start * 1e9), "run_in": run_in}
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(self._post, number, PACED, arrivals, paced_users(rate), **more)
            opened = self._read_at(start + run_in)
            closed = self._read_at(start + run_in + length)
            sent = sending.result()
        self._wait(number, PACED, sent)
        return Measured(phases={PACED: between(opened, closed)}, sent={PACED: sent}, window=window)

    def _read_at(self, moment: float) -> Reading:
        time.sleep(max(0.0, moment - time.monotonic()))
        return self.running.read()

    def _post(
        self, number: int, phase: str, arrivals: Mapping[str, Any], users: int, **more: float
    ) -> Mapping[str, Any]:
        self._watch.mark()
        cell = self.running.cell
        order = {
            "turn": post_number(number, phase), "kinds": [cell.order_of(kind) for kind in self._load.kinds],
            "options": dict(cell.variant.options), "call": cell.variant.call, "arrivals": arrivals, "users": users,
        }  # fmt: skip
        return ask(f"{self.running.url}/turn", order | more, timeout=ANSWER_S + arrivals.get("seconds", 0))

    def _wait(self, number: int, phase: str, sent: Mapping[str, Any]) -> None:
        """Return when all that `phase` published has finished: StackError when nothing moves for STALL_S."""
        post, wanted = post_number(number, phase), sent["published"]
        done, last = -1, time.monotonic()
        while done < wanted:
            finished = self._watch.finished(post)
            now = time.monotonic()
            if finished > done:
                done, last = finished, now
            elif phase == WARM and self._watch.unknown():
                raise BadInput([f"{self.running.cell.name}: {self._unknown()}"])
            elif now - last > SUSPICIOUS_S:
                self._refuse_ended(f"{done} of {wanted} tasks finished ({phase})")
                if now - last > STALL_S:
                    said = f"{done} of {wanted} tasks finished ({phase}), then none for {STALL_S:g} s"
                    raise StackError(f"{self.running.cell.name}: {said}")
            time.sleep(POLL_S)
        time.sleep(SETTLE_S)

    def _unknown(self) -> str:
        names = ", ".join(sorted({repr(kind.task) for kind in self._load.kinds}))
        return f"its worker knows no task of the name {names}; services/app/tasks.py has those that there are"

    def _refuse_ended(self, context: str) -> None:
        """Raise where a worker has ended: BadInput if it did not understand its command line, else StackError."""
        ended = self.running.ended()
        if ended:
            raise ended.error(self.running.cell.name, context)

    def _patiently(self, post: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Try again for READY_S: a new generator needs a second, and the worker has to declare its queue."""
        deadline, look = time.monotonic() + READY_S, 0.0
        while True:
            try:
                return post()
            except NotReadyError as error:
                now = time.monotonic()
                if now > look:
                    self._refuse_ended(str(error))
                    look = now + ASK_S
                if now > deadline:
                    raise
                time.sleep(0.1)


def paced_users(rate: float) -> int:
    """Return how many users a load of `rate` tasks a second gets: as many as arrivals in STALL_COVERED_S.

    While the broker keeps all connections waiting, the next arrival still finds a user and waits as in an application,
    within `apply_async`. With fewer it would be late, and called the generator's fault.
    """
    return min(max(math.ceil(rate * STALL_COVERED_S), LEAST_USERS), MOST_USERS)


def between(before: Reading, after: Reading) -> Phase:
    """Return the phase from one reading to the next."""
    process_ns, processes = _by_role(before.processes, after.processes)
    return Phase(
        started_ns=before.at_ns, ended_ns=after.at_ns,
        cpu_ns={name: after.cpu_ns[name] - before.cpu_ns[name] for name in before.cpu_ns},
        host_ns=after.host_ns - before.host_ns, stolen_ns=after.stolen_ns - before.stolen_ns,
        rig_ns=after.rig_ns - before.rig_ns,
        opened={name: after.opened[name] - before.opened[name] for name in before.opened},
        process_ns=process_ns, processes=processes,
    )  # fmt: skip


def _by_role(before: Sequence[Process], after: Sequence[Process]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the CPU time that workers' processes used meanwhile, and how many there are, by "main" and "pool".

    A worker's main process is no child of another of its processes; those of its pool are.
    """
    had = {process.pid: process.cpu_ns for process in before}
    pids = {process.pid for process in after}
    used, count = {"main": 0, "pool": 0}, {"main": 0, "pool": 0}
    for process in after:
        role = "pool" if process.parent in pids else "main"
        used[role] += process.cpu_ns - had.get(process.pid, 0)
        count[role] += 1
    return used, count

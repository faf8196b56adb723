"""One turn of one cell: a backlog published while the worker stands still, drained at once, then a paced load."""

from __future__ import annotations

import http.client
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from rig.errors import StackError
from rig.experiment.bench import Running
from rig.experiment.meters import Meter
from rig.experiment.record import BACKLOG, DRAIN, PACED, WARM, Phase, Sent, post_number
from rig.experiment.spec import Load
from rig.experiment.watch import Watch
from rig.stack.cgroups import Reading

WARM_TASKS = 200  # sent and executed before anything is measured: connections, caches, lazy imports
STALL_COVERED_S = 0.1  # see `paced_users`
LEAST_USERS, MOST_USERS = 20, 500
POLL_S = 0.02
SETTLE_S = 0.05  # from the last end in the ledger to the reading: acks and bookkeeping of the last tasks
SUSPICIOUS_S = 3.0  # without one: worth a look at whether the worker still runs
STALL_S = 30.0  # without a single task finished: the drain has stalled
READY_S = 60.0
ANSWER_S = 60.0  # beyond the length of the load itself


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Phases of a turn, what the generator answered to the load of each that sends, and measures of `meters`."""

    phases: dict[str, Phase]
    sent: Sent
    values: Mapping[str, float] = field(default_factory=dict)


class Station:
    """A cell with what it takes to put a turn on it. `say` gets the name of each phase as it begins."""

    def __init__(self, running: Running, load: Load, say: Callable[[str], None]) -> None:
        self.running = running
        self._load = load
        self._say = say
        self._watch = Watch(running.cell.ledger)

    def warm(self, number: int) -> Sent:
        """Wait for the generator, send a few tasks, wait until the worker has executed them. Nothing is measured."""
        self._say(WARM)
        sent = _patiently(lambda: self._post(number, WARM, {"kind": "closed", "count": WARM_TASKS}))
        self._wait(number, WARM, sent)
        return {WARM: sent}

    def drain(self, number: int, seed: int) -> Measured:
        """Publish the backlog of turn `number` with the worker stopped, let it go, and wait until all is executed."""
        self._say(BACKLOG)
        self.running.pause()
        try:
            meter = Meter(self.running.components, self.running.servers)
            start = self.running.read()
            sent = self._post(number, BACKLOG, {"kind": "closed", "count": self._load.backlog}, seed)
            published = self.running.read()
        finally:
            self.running.unpause()
        self._say(DRAIN)
        self._wait(number, BACKLOG, sent)
        phases = {BACKLOG: between(start, published), DRAIN: between(published, self.running.read())}
        return Measured(phases=phases, sent={BACKLOG: sent}, values=meter.a_task(self._load.backlog))

    def pace(self, number: int, rate: float, seed: int) -> Measured:
        """Send the paced load of turn `number` at `rate` tasks/s, and wait until all is executed."""
        self._say(PACED)
        arrivals = {"kind": self._load.arrivals, "rate": rate, "seconds": self._load.seconds}
        if self._load.arrivals == "poisson":
            arrivals["seed"] = seed
        start = self.running.read()
        sent = self._post(number, PACED, arrivals, seed)
        self._wait(number, PACED, sent)
        return Measured(phases={PACED: between(start, self.running.read())}, sent={PACED: sent})

    def _post(self, number: int, phase: str, arrivals: Mapping[str, Any], seed: int = 0) -> Mapping[str, Any]:
        self._watch.mark()
        cell = self.running.cell
        order = {
            "turn": post_number(number, phase), "kinds": [cell.order_of(kind) for kind in self._load.kinds],
            "options": dict(cell.variant.options), "call": cell.variant.call, "seed": seed, "arrivals": arrivals,
            "users": paced_users(arrivals["rate"]) if phase == PACED else self._load.users,
        }  # fmt: skip
        return ask(f"{self.running.url}/turn", order, timeout=ANSWER_S + arrivals.get("seconds", 0))

    def _wait(self, number: int, phase: str, sent: Mapping[str, Any]) -> None:
        """Return when all that `phase` published has finished: StackError when nothing moves for STALL_S."""
        post, wanted = post_number(number, phase), sent["published"]
        done, last = -1, time.monotonic()
        while done < wanted:
            finished = self._watch.finished(post)
            now = time.monotonic()
            if finished > done:
                done, last = finished, now
            elif now - last > STALL_S or (now - last > SUSPICIOUS_S and self.running.stopped()):
                why = "its worker has stopped" if self.running.stopped() else f"then none for {STALL_S:g} s"
                raise StackError(f"{self.running.cell.name}: {done} of {wanted} tasks finished ({phase}), {why}")
            time.sleep(POLL_S)
        time.sleep(SETTLE_S)


def paced_users(rate: float) -> int:
    """Return how many users a load of `rate` tasks a second gets: as many as arrivals in STALL_COVERED_S.

    While the broker keeps all connections waiting, the next arrival still finds a user and waits as in an application,
    within `apply_async`. With fewer it would be late, and called the generator's fault.
    """
    return min(max(math.ceil(rate * STALL_COVERED_S), LEAST_USERS), MOST_USERS)


def between(before: Reading, after: Reading) -> Phase:
    """Return the phase from one reading to the next."""
    return Phase(
        started_ns=before.at_ns, ended_ns=after.at_ns,
        cpu_ns={name: after.cpu_ns[name] - before.cpu_ns[name] for name in before.cpu_ns},
        host_ns=after.host_ns - before.host_ns, stolen_ns=after.stolen_ns - before.stolen_ns,
    )  # fmt: skip


class NotReadyError(StackError):
    """A generator is not there yet, or broker, result store or queue are not."""


def ask(url: str, order: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
    """POST `order` to a generator and return its answer.

    NotReadyError where asking again may help, StackError with the generator's reasons where it refuses.
    """
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(order).encode(), headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - 127.0.0.1, our own container
            said: Mapping[str, Any] = json.load(answer)
            return said
    except urllib.error.HTTPError as error:
        why = f"the generator answered {error.code}: {error.read().decode(errors='replace')[:2000]}"
        raise (NotReadyError if error.code == HTTPStatus.SERVICE_UNAVAILABLE else StackError)(why) from error
    except TimeoutError as error:
        raise StackError(f"the generator gave no answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError(f"the generator cannot be reached: {error}") from error


def _patiently(post: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Try again for READY_S: after a start the generator needs a second, and the worker has to declare its queue."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            return post()
        except NotReadyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

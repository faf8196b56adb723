"""Ends a Locust worker that has lost its master.

Locust does that itself, after a minute without a heartbeat (MASTER_HEARTBEAT_TIMEOUT), but in a greenlet, which gets no
turn while users let nobody run, and which waits until they have stopped; and the worker then exits with 0. So here the
exit code is set; and a thread, which needs nobody's leave, ends the process if it is still there some time later.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

from gevent import monkey
from locust import runners

from rig.load.send.session import refuse

ORPHANED: Final = 4  # exit code
GRACE_SECONDS = 10.0  # for Locust's own way to the end, beside the time that users have to stop

# What was there before Locust put gevent in its place: a thread and a sleep of the operating system's.
_start_thread = monkey.get_original("_thread", "start_new_thread")
_sleep = monkey.get_original("time", "sleep")


class MasterWatch:
    """Notes on a worker when its master was last heard."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        # Seconds that this process was there and heard nothing. They are counted, not subtracted: a clock that is set
        # or a process that was suspended is no master that is gone.
        self._silent = 0

    def attach(self) -> None:
        """Watch from now on: a worker is connected when Locust's `init` event comes."""
        self._environment.events.heartbeat_received.add_listener(self._hear)
        self._environment.events.quitting.add_listener(self._leave)
        _start_thread(self._watch, ())

    def _hear(self, **_: Any) -> None:
        self._silent = 0

    def _leave(self, **_: Any) -> None:
        """Tell by the exit code when it is for want of a master that Locust quits."""
        heard = self._environment.runner.last_heartbeat_timestamp
        if heard and heard < time.time() - runners.MASTER_HEARTBEAT_TIMEOUT:  # Locust's own condition
            self._environment.process_exit_code = ORPHANED
            refuse([_gone("so this worker ends")])

    def _watch(self) -> None:
        while self._silent < self._longest:
            _sleep(1)
            self._silent += 1
        try:
            refuse([_gone("and its users let nobody end them: this worker is cut off")])
        finally:
            os._exit(ORPHANED)  # the ledger takes that as it takes a kill: what is in it stays

    @property
    def _longest(self) -> float:
        return float(runners.MASTER_HEARTBEAT_TIMEOUT + (self._environment.stop_timeout or 0) + GRACE_SECONDS)


def _gone(what: str) -> str:
    return f"no heartbeat from the Locust master for {runners.MASTER_HEARTBEAT_TIMEOUT:g} s, {what}"

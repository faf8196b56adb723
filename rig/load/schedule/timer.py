"""Wakes a greenlet at a planned time, to within some tens of microseconds.

gevent's own timers go through epoll_wait, which counts in milliseconds, so `gevent.sleep` wakes half a millisecond late
on average: as much as a publish takes. A Linux timerfd is a file that becomes readable at the nanosecond it was set to.
"""

from __future__ import annotations

import ctypes
import os
from time import monotonic_ns
from typing import Any

import gevent

CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1
READABLE = 1
FIRST = 2  # libev's highest priority: a send that is due goes before answers that have come in
SECOND_NS = 1_000_000_000

# Python has os.timerfd_create and the like from 3.13 on, which cost less; the host's may be older.
_settime_ns: Any = getattr(os, "timerfd_settime_ns", None)
_libc = ctypes.CDLL(None, use_errno=True)
_Timerspec = ctypes.c_long * 4  # struct itimerspec: interval s and ns, first time s and ns


class Alarm:
    """One waiting greenlet's clock. It is a file descriptor, so close it when the greenlet ends."""

    _fd = -1

    def __init__(self) -> None:
        self._fd = _libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create: " + os.strerror(ctypes.get_errno()))
        self._watcher: Any = gevent.get_hub().loop.io(self._fd, READABLE, priority=FIRST)

    def wait(self, due_ns: int) -> None:
        """Let the other greenlets run until the monotonic time `due_ns`, or until `ring`; at once if it is past."""
        if due_ns <= monotonic_ns():
            return
        self._set(due_ns)  # which makes unreadable what was readable: nobody has to read it
        gevent.get_hub().wait(self._watcher)

    def ring(self) -> None:
        """Wake the greenlet that waits, now."""
        self._set(1)

    def close(self) -> None:
        """Give the file descriptor back. Again is harmless."""
        if self._fd >= 0:
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()

    def _set(self, due_ns: int) -> None:
        if _settime_ns is not None:
            _settime_ns(self._fd, flags=TFD_TIMER_ABSTIME, initial=due_ns)
            return
        spec = _Timerspec(0, 0, due_ns // SECOND_NS, due_ns % SECOND_NS)
        _libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, spec, None)

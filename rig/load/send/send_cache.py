"""Spares a sending app what Celery works out again for each message, though it comes to the same every time.

The messages stay the same to the byte. Only for a load in which publishing is not the question: an app that is to send
as an application does is left as Celery made it (`rig.load.send.session`).
"""

from __future__ import annotations

from typing import Any

from celery.utils.nodenames import anon_nodename
from celery.utils.saferepr import saferepr

# Settings that Celery reads for each send: a chain of dicts is asked for each of them.
READ_EACH_TIME = ("task_always_eager", "task_send_sent_event", "broker_pool_acquire_timeout")
REMEMBERED = 64  # argument lists
PLAIN = {str, int, float, bool, type(None)}


class Settled:
    """The shortcuts of one app: from now on it sends with them, and is not to be configured any more."""

    def __init__(self, app: Any) -> None:
        self._amqp = app.amqp
        self._make = app.amqp.create_task_message
        self._maxlevels = app.conf.task_repr_maxlevels
        self._origin = anon_nodename()
        self._reprs: dict[int, tuple[Any, str]] = {}
        app.amqp.create_task_message = self._message
        # Attributes that are found here spare the chain of dicts.
        app.conf.__dict__.update({name: app.conf[name] for name in READ_EACH_TIME})

    def _message(self, task_id: str, name: str, args: Any, kwargs: Any, *more: Any, **options: Any) -> Any:
        if not options.keys() & {"argsrepr", "kwargsrepr", "origin"}:
            options["origin"] = self._origin
            options["argsrepr"] = self._repr_of(args) if args else "()"
            if not kwargs:
                options["kwargsrepr"] = "{}"
        return self._make(task_id, name, args, kwargs, *more, **options)

    def _repr_of(self, args: Any) -> str:
        """Return what Celery shows of `args`, remembered where that cannot change: for tuples of plain values."""
        known = self._reprs.get(id(args))
        if known is not None and known[0] is args:
            return known[1]
        text = self._show(args)
        if type(args) is tuple and all(type(value) in PLAIN for value in args):
            if len(self._reprs) >= REMEMBERED:
                self._reprs.clear()
            self._reprs[id(args)] = (args, text)
        return text

    def _show(self, args: Any) -> str:
        text: str = saferepr(args, self._amqp.argsrepr_maxsize, maxlevels=self._maxlevels)
        return text

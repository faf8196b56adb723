"""Finds out before a load starts whether anybody is there to take it: one line for each thing that is wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kombu import Connection

from rig.errors import BadInput
from rig.load.send.client import transport_options
from rig.load.send.error_text import class_and_words, in_one_line, root_cause
from rig.load.send.target import Target, place

TIMEOUT = 4.0  # seconds for each answer; a whole check takes a few milliseconds where all is well


@dataclass(frozen=True, kw_only=True)
class _Side:
    """The broker or the result store."""

    what: str
    url: str
    options: dict[str, Any]
    secret: Path | None  # where its password came from

    def connection(self) -> Any:
        return Connection(self.url, connect_timeout=TIMEOUT, transport_options=self.options)


def problems(target: Target, queues: Iterable[str] = ()) -> list[str]:
    """Return why a load on `queues` cannot start: broker or result store not there, login refused, no such queue.

    Each line says what, where, and what to do about it.
    """
    found = []
    sides = [_broker(target)]
    if target.result_url:
        sides.append(_results(target))
    for side in sides:
        try:
            _try(side)
        except Exception as error:  # whatever it is, the user gets a line and no traceback
            found.append(_say(side, root_cause(error)))
    return found or missing_queues(target, queues)


def require(target: Target, queues: Iterable[str] = ()) -> None:
    """Raise BadInput with the `problems` if there are any."""
    found = problems(target, queues)
    if found:
        raise BadInput(found)


def missing_queues(target: Target, queues: Iterable[str]) -> list[str]:
    """Return a line for each of `queues` that an AMQP broker does not have; Redis has no queues as separate objects.

    Raises what kombu raises when the broker is not there.
    """
    with _broker(target).connection() as broker:
        if broker.transport.driver_type != "amqp":
            return []
        return [
            f"the broker at {place(target.broker_url)} has no queue {name!r}: no worker has declared it. "
            "`make status` shows which workers run"
            for name in queues
            if not _exists(broker, name)
        ]


def _exists(broker: Any, queue: str) -> bool:
    with broker.channel() as channel:  # the broker closes the channel on which it has to say no
        try:
            channel.queue_declare(queue=queue, passive=True)
        except broker.channel_errors as error:
            if getattr(error, "code", None) != 404:
                raise
            return False
    return True


def _broker(target: Target) -> _Side:
    options = transport_options(target, target.broker_url, target.sentinel_master, timeout=TIMEOUT)
    return _Side(what="broker", url=target.broker_url, options=options, secret=target.secrets.get("BROKER"))


def _results(target: Target) -> _Side:
    options = transport_options(target, target.result_url, target.sentinel_result_master, timeout=TIMEOUT)
    return _Side(what="result store", url=target.result_url, options=options, secret=target.secrets.get("RESULT"))


def _try(side: _Side) -> None:
    """Connect once and let go. Not by Connection.connect, which tries again after two seconds."""
    transport = side.connection().transport
    transport.close_connection(transport.establish_connection())


def _say(side: _Side, cause: BaseException) -> str:
    where = f"the {side.what} at {place(side.url)}"
    said = in_one_line(cause)
    if _refuses_login(cause):
        user = urlsplit(side.url.split(";")[0]).username or "default"
        came_from = f" (from {side.secret})" if side.secret else ""
        same = "`make up` gives both sides the same password"
        return f"{where} refuses user {user!r} with its password{came_from}: {said}. {same}"
    if "refused" in said:
        said = "connection refused: nothing is listening there"
    elif isinstance(cause, socket.gaierror):
        said = f"its name is not known here ({said})"
    elif isinstance(cause, TimeoutError):
        said = f"no answer in {TIMEOUT:g} s"
    elif type(cause).__name__ == "MasterNotFoundError":
        said = f"no sentinel that answers knows a primary named {side.options['master_name']!r}"
    else:
        said = class_and_words(cause)
    return f"{where} cannot be reached: {said}. `make status` shows what runs, `make up` starts the stack"


def _refuses_login(cause: BaseException) -> bool:
    """AMQP says AccessRefused (and NotAllowed for the virtual host), Redis one of three words."""
    return type(cause).__name__ in ("AccessRefused", "NotAllowed", "AuthenticationError") or any(
        word in str(cause) for word in ("WRONGPASS", "NOAUTH", "NOPERM")
    )

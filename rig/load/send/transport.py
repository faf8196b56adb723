"""Spares py-amqp system calls on gevent's sockets: some four for a send with its confirm.

py-amqp asks the socket for the seven bytes of a frame's head, then for the payload, then for the last byte; it copes
with getting more than it asked for, and that is all that is done here. What gevent does before it writes is for large
amounts of data, and a task fits into the socket's buffer as a rule.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from amqp.transport import TCPTransport
from gevent.socket import socket
from kombu.transport import pyamqp

AT_ONCE = 65536  # bytes to ask for
PLAIN_SCHEMES = ("amqp", "pyamqp")


def install(app: Any) -> None:
    """Have `app`, which has not connected yet, use these connections; all others of the process stay as they are.

    Only for plain AMQP: TLS has a transport of its own. Of several brokers the first one has them, the others not.
    """
    if app.conf.broker_url.partition("://")[0] in PLAIN_SCHEMES and not app.conf.broker_transport:
        app.conf.broker_transport = f"{__name__}:Transport"


class Quick(TCPTransport):  # type: ignore[misc]
    """A plain TCP connection with fewer system calls."""

    def _setup_transport(self) -> None:
        super()._setup_transport()
        if isinstance(self.sock, socket):
            self._quick_recv = lambda _: self.sock.recv(AT_ONCE)
            self._write = partial(_write, self.sock)


class Connection(pyamqp.Connection):  # type: ignore[misc]
    """py-amqp's connection over a `Quick` one."""

    def Transport(self, host: str, timeout: float, ssl: Any = False, *more: Any, **options: Any) -> Any:  # noqa: N802
        """Return what py-amqp asks its connection for."""
        if ssl:
            return super().Transport(host, timeout, ssl, *more, **options)
        return Quick(host, timeout, *more, **options)


class Transport(pyamqp.Transport):  # type: ignore[misc]
    """kombu's AMQP with these connections."""

    Connection = Connection


def _write(sock: Any, data: Any) -> None:
    try:
        sent = sock._sock.send(data)  # gevent's own socket never waits
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        sock.sendall(memoryview(data)[sent:])

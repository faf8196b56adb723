"""Spares py-amqp system calls on gevent's sockets: some four for a send with its confirm.

py-amqp asks the socket for the seven bytes of a frame's head, then for the payload, then for the last byte; it copes
with getting more than it asked for, and that is all that is done here. What gevent does before it writes is for large
amounts of data, and a task fits into the socket's buffer as a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from amqp.transport import TCPTransport
from gevent.socket import socket

AT_ONCE = 65536  # bytes to ask for
_set_up: Callable[[Any], None] = TCPTransport._setup_transport


def install() -> None:
    """Change the plain TCP connections that this process opens from now on. Again is harmless; TLS stays as it is."""
    TCPTransport._setup_transport = _quick


def _quick(transport: Any) -> None:
    _set_up(transport)
    if isinstance(transport.sock, socket):
        transport._quick_recv = lambda _: transport.sock.recv(AT_ONCE)
        transport._write = partial(_write, transport.sock)


def _write(sock: Any, data: Any) -> None:
    try:
        sent = sock._sock.send(data)  # gevent's own socket never waits
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        sock.sendall(memoryview(data)[sent:])

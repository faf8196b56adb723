"""Lets a process on the host reach, by name, what lives in the stack's network.

Sentinels answer with the name of the primary (`redis-2`), which only containers can resolve. The port of each such
node is published on 127.0.0.1, so those names, and no others, are looked up there.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from rig.load.send.target import LOOPBACK


def publish(ports: Mapping[str, int]) -> None:
    """Make `socket.getaddrinfo` find the given names at 127.0.0.1 and their published ports, in this process.

    Call it after gevent has patched `socket`: it wraps what is there. Again replaces the names.
    """
    original = getattr(socket.getaddrinfo, "original", socket.getaddrinfo)

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name in ports:
            host, port = LOOPBACK, ports[name]
        return original(host, port, *args, **kwargs)

    getaddrinfo.original = original  # type: ignore[attr-defined]
    socket.getaddrinfo = getaddrinfo

"""As much of a Redis as a sender talks to, which counts connections and the commands that it gets."""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SET_UP = {"HELLO", "AUTH", "CLIENT", "SELECT", "PING"}  # commands that a connection begins with


class FakeRedis(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1; `connections` counts those ever made, `commands` those that no set-up is."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.connections = 0
        self.commands: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    server: FakeRedis

    def handle(self) -> None:
        with self.server.lock:
            self.server.connections += 1
        self.protocol = 2
        while words := self.read():
            name = words[0].upper()
            if name not in SET_UP:
                with self.server.lock:
                    self.server.commands[name] += 1
            self.wfile.write(self.answer(name, words))

    def read(self) -> list[str]:
        try:
            head = self.rfile.readline()
        except ConnectionResetError:
            head = b""
        if not head:
            return []
        return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode() for _ in range(int(head[1:]))]

    def answer(self, name: str, words: list[str]) -> bytes:
        if name == "HELLO":
            self.protocol = int(words[1]) if len(words) > 1 else self.protocol
            return b"%1\r\n+proto\r\n:3\r\n" if self.protocol == 3 else b"*2\r\n+proto\r\n:2\r\n"
        if name in ("SUBSCRIBE", "UNSUBSCRIBE"):
            mark = b">" if self.protocol == 3 else b"*"
            return b"".join(mark + b"3\r\n" + bulk(name.lower()) + bulk(key) + b":1\r\n" for key in words[1:])
        if name == "GET":
            return b"_\r\n" if self.protocol == 3 else b"$-1\r\n"
        return {"LPUSH": b":1\r\n", "PING": b"+PONG\r\n"}.get(name, b"+OK\r\n")


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


@contextmanager
def fake_redis() -> Iterator[Any]:
    with FakeRedis() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()

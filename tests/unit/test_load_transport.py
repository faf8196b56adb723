"""py-amqp over gevent's sockets, with fewer system calls: the same frames whatever their size, and the same ends."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from amqp.transport import SSLTransport, TCPTransport
from celery import Celery
from gevent import socket

from rig.load.send import transport


@pytest.fixture
def pair() -> Iterator[tuple[TCPTransport, Any]]:
    near, far = socket.socketpair()
    made = transport.Quick("nowhere:1")
    made.sock, made.connected = near, True
    made._setup_transport()
    yield made, far
    near.close()
    far.close()


def frame(payload: bytes, channel: int = 1) -> bytes:
    return b"\x01" + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") + payload + b"\xce"


PAYLOADS = [b"", b"ack", b"x" * transport.AT_ONCE, b"y" * (3 * transport.AT_ONCE + 5), b"z"]


def test_frames_come_whole_however_they_are_cut(pair: tuple[TCPTransport, Any]) -> None:
    near, far = pair
    stream = b"".join(frame(payload, number) for number, payload in enumerate(PAYLOADS))

    def trickle() -> None:
        sent = 0
        for size in (1, 6, 1, 9, 70_000, 3, len(stream)):
            far.sendall(stream[sent : sent + size])
            sent += size
            gevent.sleep(0)

    writer = gevent.spawn(trickle)
    with gevent.Timeout(10):
        assert [near.read_frame() for _ in PAYLOADS] == [(1, number, body) for number, body in enumerate(PAYLOADS)]
    writer.join()


def test_a_frame_takes_one_call_where_all_of_it_is_there(pair: tuple[TCPTransport, Any]) -> None:
    near, far = pair
    far.sendall(frame(b"one") + frame(b"two"))
    asked: list[int] = []
    receive = near._quick_recv
    near._quick_recv = lambda size: asked.append(size) or receive(size)
    assert [near.read_frame()[2], near.read_frame()[2]] == [b"one", b"two"]
    assert len(asked) == 1


def test_more_than_the_buffer_takes_waits_and_gets_through(pair: tuple[TCPTransport, Any]) -> None:
    near, far = pair
    data = bytes(range(256)) * 20_000

    def read() -> bytes:
        got = b""
        while len(got) < len(data):
            got += far.recv(65536)
        return got

    with gevent.Timeout(10):
        reader = gevent.spawn(read)
        near.write(data)
        near.write(b"")
        assert reader.get() == data


def test_the_other_end_gone_is_said_as_before(pair: tuple[TCPTransport, Any]) -> None:
    near, far = pair
    far.sendall(frame(b"one")[:5])
    far.close()
    with pytest.raises(OSError, match="closed connection"):
        near.read_frame()
    with pytest.raises(OSError) as broken:
        for _ in range(2):
            near.write(b"x")
    assert broken.value.errno in (errno.EPIPE, errno.ECONNRESET)
    assert not near.connected


def test_a_timeout_keeps_what_has_come(pair: tuple[TCPTransport, Any]) -> None:
    near, far = pair
    whole = frame(b"slow")
    far.sendall(whole[:9])
    with near.having_timeout(0.02), pytest.raises(TimeoutError):
        near.read_frame()
    far.sendall(whole[9:])
    assert near.read_frame() == (1, 1, b"slow")


def test_sockets_that_are_not_gevents_are_left_alone() -> None:
    import socket as plain

    near, far = plain.socketpair()
    made = transport.Quick("nowhere:1")
    made.sock = near
    made._setup_transport()
    assert made._quick_recv == near.recv
    near.close()
    far.close()


def transport_of(url: str, installed: bool = True, **settings: Any) -> TCPTransport:
    """What a connection of an app to `url` would send its frames through."""
    app = Celery("transport", loader="app", set_as_current=False)
    app.conf.update(broker_url=url, **settings)
    if installed:
        transport.install(app)
    kombu = app.connection_for_write().transport
    opened = kombu.Connection(host="nowhere:1", ssl=kombu.client.ssl or False)
    return opened.Transport(opened.host, 1, opened.ssl, None, None, socket_settings=None)


@pytest.mark.parametrize("url", ["amqp://u:p@nowhere:1/v", "pyamqp://nowhere", "amqp://one;amqp://two"])
def test_it_is_that_of_one_app_and_of_no_other(url: str) -> None:
    assert type(transport_of(url)) is transport.Quick
    assert type(transport_of(url, installed=False)) is TCPTransport


def test_tls_and_what_the_settings_name_are_left_alone() -> None:
    assert type(transport_of("amqp://nowhere", broker_use_ssl={"cert_reqs": 0})) is SSLTransport
    assert type(transport_of("amqp://nowhere", broker_transport="kombu.transport.pyamqp:Transport")) is TCPTransport
    app = Celery("transport", broker="redis://nowhere", loader="app", set_as_current=False)
    transport.install(app)
    assert app.connection_for_write().transport.driver_type == "redis"


def test_broker_and_login_are_those_of_the_url() -> None:
    app = Celery("transport", broker="amqp://u:p@nowhere:1/v", loader="app", set_as_current=False)
    transport.install(app)
    connection = app.connection_for_write()
    info = connection.info()
    assert [info[name] for name in ("hostname", "port", "userid", "password", "virtual_host")] == [
        "nowhere", 1, "u", "p", "v",
    ]  # fmt: skip
    assert connection.transport.driver_type == "amqp"

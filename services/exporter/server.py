"""The HTTP side: /metrics for Prometheus, /healthy for the container's health check."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from exporter.metrics import LedgerCollector

STALE_AFTER: Final = 10.0  # seconds without a poll: the follower hangs


class _Server(ThreadingMixIn, WSGIServer):
    """A slow scraper shall not hold up the health check."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Write no line a request: there is one every few seconds, for ever."""


def serve(collector: LedgerCollector, port: int, host: str = "") -> WSGIServer:
    """Start serving in a background thread and return the server. Raises OSError if the port is taken."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(namespace="rig_exporter", registry=registry)
    server = make_server(host, port, _app(collector, registry), _Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server


def _app(collector: LedgerCollector, registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        if environ["PATH_INFO"] == "/healthy":
            age = time.monotonic() - collector.last_poll
            status = "200 OK" if age < STALE_AFTER else "503 Service Unavailable"
            start_response(status, [("Content-Type", "text/plain")])
            return [f"last poll {age:.1f} s ago\n".encode()]
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics or /healthy\n"]

    return app

"""A cell without containers: a generator that answers over HTTP, a worker that executes at once, counters of zero."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import made_up
from stamped import Stamped
from topologies import RABBITMQ

from rig.experiment.file.spec import Load
from rig.experiment.station import Station
from rig.experiment.turn import COMPONENTS
from rig.testbed.cells import Cell
from rig.testbed.cgroups import Reading
from rig.testbed.containers import Running
from rig.testbed.ended import Ended
from rig.testbed.variant import Kind, Variant
from rig.testbed.watch import Watch

LOAD = Load(kinds=(Kind(task="app.noop"),), backlog=30, users=4, run_in=0.2, seconds=0.5)
Said = tuple[int, Any]  # status and body of an answer


@dataclass
class Scene:
    """What happened to the cell, in order; and what shall happen."""

    directory: Path
    done: list[str] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    ended: Ended | None = None
    answer: Callable[[dict[str, Any]], Said] | None = None

    def __post_init__(self) -> None:
        self.ledger = Stamped(self.directory)

    def take(self, order: dict[str, Any]) -> Said:
        self.done.append("order")
        self.orders.append(order)
        return self.answer(order) if self.answer else self.execute(order)

    def execute(self, order: dict[str, Any], finished: int = 1 << 30, outcome: str = "") -> Said:
        """Send what was ordered; the first `finished` of it ends, of the rest a worker says `outcome`."""
        arrivals = order["arrivals"]
        count = arrivals.get("count") or int(arrivals["rate"] * arrivals["seconds"])
        ids = self.ledger.send(order["turn"], range(1, count + 1))
        self.ledger.finish(ids[:finished], range(1, len(ids[:finished]) + 1))
        if outcome:
            self.ledger.say(ids[finished:], outcome)
        return 200, {**made_up.ANSWER, "turn": order["turn"], "sent": count, "published": count}


@dataclass(frozen=True, kw_only=True)
class Played(Running):
    scene: Scene

    def read(self) -> Reading:
        zeros = dict.fromkeys(COMPONENTS, 0)
        reading = Reading(at_ns=time.monotonic_ns(), cpu_ns=zeros, host_ns=0, stolen_ns=0)
        self.scene.done.append("read")
        self.scene.readings.append(reading)
        return reading

    def ended(self) -> Ended | None:
        self.scene.done.append("look")
        return self.scene.ended

    def pause(self) -> None:
        self.scene.done.append("pause")

    def unpause(self) -> None:
        self.scene.done.append("unpause")


@contextlib.contextmanager
def played(directory: Path, load: Load = LOAD, variant: Variant | None = None) -> Iterator[tuple[Scene, Station]]:
    """Give a station and the scene that it plays in."""
    scene = Scene(directory)

    class Generator(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = scene.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Generator) as web:
        Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        own = variant or Variant(name="stored")
        cell = Cell(name="stored", code="c0", variant=own, topology=RABBITMQ, ledger=directory)
        running = Played(
            cell=cell, project="p", workers=("w",), generator="g", url=f"http://127.0.0.1:{web.server_port}",
            components={name: [] for name in COMPONENTS}, servers=[], scene=scene,
        )  # fmt: skip
        yield scene, Station(running, load, scene.done.append, Watch(directory))
        web.shutdown()

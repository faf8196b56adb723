"""Real Locust processes on kombu's in-memory broker: everything but a broker of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.ledger.reader import Ledger, read_ledger
from rig.load.ids import Origin, origin

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Locust:
    """One Locust with its children, in a process group of its own."""

    process: subprocess.Popen[str]
    ledger: Path
    web_port: int
    output: str = ""

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code; `output` is all it said."""
        self.output, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode

    def wait_for(self, words: str, timeout: float = 60) -> None:
        """Read its output until a line contains `words`."""
        deadline = time.monotonic() + timeout
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if words in line or time.monotonic() > deadline:
                break
        assert words in self.output

    def signal_all(self, number: signal.Signals) -> None:
        """What a terminal does on Ctrl-C: everybody in the foreground gets it."""
        os.killpg(self.process.pid, number)

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and decoded answer of the web UI; bytes are sent as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.web_port}{path}", data=data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def requests(self) -> int:
        """Return how many requests Locust's last table counts."""
        (*_, counted) = re.findall(r"^ +Aggregated +(\d+) +\d+\(", self.output, re.MULTILINE)
        return int(counted)

    def sends(self) -> list[Origin]:
        """Return the origin of each SEND slot of the ledger, which must be sound and closed."""
        ledger: Ledger = read_ledger(self.ledger)
        assert ledger.problems == []
        assert all(segment.closed for segment in ledger.segments)
        origins = [origin(slot["id"].decode()) for segment in ledger.segments for slot in segment.slots]
        assert None not in origins
        return [found for found in origins if found is not None]


@contextlib.contextmanager
def locust(directory: Path, *options: str, **environment: str) -> Iterator[Locust]:
    """Start Locust with a ledger below `directory` and kill what is left of it at the end."""
    ledger = directory / "ledger"
    ledger.mkdir(exist_ok=True)
    own = str(free_port())  # another Locust of this machine may be a master too
    settings = {
        **os.environ, "BROKER_URL": "memory://", "RIG_LEDGER_DIR": str(ledger), "LOCUST_METRICS_PORT": str(free_port()),
        **environment,
    }  # fmt: skip
    web_port = free_port()
    command = [
        sys.executable, "-m", "locust", "--master-bind-port", own, "--master-port", own, "--web-host", "127.0.0.1",
        "--web-port", str(web_port), *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env={name: value for name, value in settings.items() if value}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield Locust(process, ledger, web_port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

"""Locust's numbers reach Prometheus, from one process and from many."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Sample
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
# A load of exactly 30 requests, every third of which fails, that prints what the process serves, half-way and when it is done.
LOAD = """
import json, os, urllib.request
from locust import User, constant, events, task
import rig.load.metrics

class Finite(User):
    wait_time = constant(0)
    left = 15

    @task
    def send(self):
        if self.left == 0:
            self.environment.runner.quit() if os.environ["WORKERS"] == "0" else self.stop(force=True)
            return
        self.left -= 1
        if self.left == 7 and os.environ["WORKERS"] == "0":
            print("SERVED " + json.dumps(read()), flush=True)
        error = ValueError("no") if self.left % 3 == 0 else None
        self.environment.events.request.fire(
            request_type="send", name="app.noop", response_time=0.4 if error is None else 70.0, response_length=0,
            exception=error, context={})

@events.quitting.add_listener
def show_at_end(environment, **_):
    if type(environment.runner).__name__ != "WorkerRunner":
        print("SERVED " + json.dumps(read()), flush=True)

def read():
    return urllib.request.urlopen("http://127.0.0.1:" + os.environ["LOCUST_METRICS_PORT"] + "/metrics").read().decode()
"""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run_locust(tmp_path: Path, port: int, *options: str) -> list[list[Sample]]:
    """Run the load; return the samples of each time that Locust printed what it serves."""
    (tmp_path / "load.py").write_text(textwrap.dedent(LOAD))
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "LOCUST_METRICS_PORT": str(port), "RIG_RUN_ID": "run-7",
        "WORKERS": "1" if options else "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "locust", "-f", "load.py", "--headless", "-u", "2", "-r", "2", *options]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    texts = [json.loads(line.removeprefix("SERVED ")) for line in done.stdout.splitlines() if line.startswith("SERVED")]
    assert texts, done.stderr
    return [[s for family in text_string_to_metric_families(text) for s in family.samples] for text in texts]


def totals(samples: list[Sample]) -> Counter[str]:
    return Counter({s.labels["result"]: int(s.value) for s in samples if s.name == "locust_requests_total"})


@pytest.mark.parametrize("options", [(), ("--processes", "2", "-t", "4s")], ids=["one process", "two workers"])
def test_every_request_is_served_once_with_its_outcome_and_duration(
    tmp_path: Path, unused_port: int, options: tuple[str, ...]
) -> None:
    served = run_locust(tmp_path, unused_port, *options)[-1]
    assert totals(served) == {"ok": 20, "failed": 10}
    buckets = {(s.labels["result"], s.labels["le"]): s.value for s in served if s.name.endswith("seconds_bucket")}
    assert (buckets["ok", "0.00025"], buckets["ok", "0.0005"], buckets["ok", "+Inf"]) == (0, 20, 20)
    assert (buckets["failed", "0.05"], buckets["failed", "0.1"]) == (0, 10)
    (seconds,) = [s.value for s in served if s.name == "locust_response_seconds_sum" and s.labels["result"] == "ok"]
    assert seconds == pytest.approx(20 * 0.0004)


def test_a_running_test_is_marked_with_its_run_id(tmp_path: Path, unused_port: int) -> None:
    during, *_, after = run_locust(tmp_path, unused_port)
    assert [(s.labels["run_id"], s.value) for s in during if s.name == "locust_test_info"] == [("run-7", 1)]
    assert [s for s in after if s.name == "locust_test_info"] == []
    (users,) = [s.value for s in during if s.name == "locust_users"]
    assert users >= 1


def test_a_taken_port_is_a_warning_and_the_load_runs_on(tmp_path: Path, taken_port: int) -> None:
    (tmp_path / "load.py").write_text(
        "import rig.load.metrics\nfrom locust import User\n"
        "class Idle(User):\n    tasks = [lambda user: user.wait()]\n    wait_time = lambda user: 0.1\n"
    )
    command = [sys.executable, "-m", "locust", "-f", "load.py", "--headless", "-u", "1", "-t", "1s"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCUST_METRICS_PORT": str(taken_port)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert f"127.0.0.1:{taken_port}" in done.stderr

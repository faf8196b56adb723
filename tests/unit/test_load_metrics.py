"""Locust's numbers reach Prometheus, from one process and from many."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.core import Sample
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
# A load of exactly 30 requests, every third of which fails. It prints what the process serves, half-way and at its end.
LOAD = """
import json, os, urllib.request
from locust import User, constant, events, task
import rig.load.users.metrics

class Finite(User):
    wait_time = constant(0.01)
    left = 15

    @task
    def send(self):
        if self.left == 0:
            return
        self.left -= 1
        if self.left == 7 and type(self.environment.runner).__name__ == "LocalRunner":
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run_locust(directory: Path, load: str, *options: str, port: int = 0) -> tuple[str, str]:
    """Run `load` with two users for some seconds in its own process group; return stdout and stderr."""
    (directory / "load.py").write_text(load)
    own = str(free_port())  # another Locust of this machine may be a master too
    command = [
        sys.executable, "-m", "locust", "-f", "load.py", "--headless", "-u", "2", "-r", "2", "-t", "3s",
        "--exit-code-on-error", "0", "--master-bind-port", own, "--master-port", own, *options,
    ]  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "LOCUST_METRICS_PORT": str(port or free_port()), "RIG_RUN_ID": "run-7",
    }  # fmt: skip
    with subprocess.Popen(
        command, cwd=directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as locust:  # fmt: skip
        try:
            stdout, stderr = locust.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(locust.pid, signal.SIGKILL)
    assert locust.returncode == 0, stderr
    return stdout, stderr


def served(stdout: str) -> list[list[Sample]]:
    """Return the samples of each time that the load printed what is served."""
    texts = [json.loads(line.removeprefix("SERVED ")) for line in stdout.splitlines() if line.startswith("SERVED ")]
    return [[s for family in text_string_to_metric_families(text) for s in family.samples] for text in texts]


def totals(samples: list[Sample]) -> Counter[str]:
    return Counter({s.labels["result"]: int(s.value) for s in samples if s.name == "locust_requests_total"})


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one process", "two workers"])
def test_every_request_is_served_once_with_its_outcome_and_duration(tmp_path: Path, options: tuple[str, ...]) -> None:
    stdout, _ = run_locust(tmp_path, LOAD, *options)
    last = served(stdout)[-1]
    assert totals(last) == {"ok": 20, "failed": 10}
    buckets = {(s.labels["result"], s.labels["le"]): s.value for s in last if s.name.endswith("seconds_bucket")}
    assert (buckets["ok", "0.00025"], buckets["ok", "0.0005"], buckets["ok", "+Inf"]) == (0, 20, 20)
    assert (buckets["failed", "0.05"], buckets["failed", "0.1"]) == (0, 10)
    (seconds,) = [s.value for s in last if s.name == "locust_response_seconds_sum" and s.labels["result"] == "ok"]
    assert seconds == pytest.approx(20 * 0.0004)


def test_a_running_test_is_marked_with_its_run_id(tmp_path: Path) -> None:
    stdout, _ = run_locust(tmp_path, LOAD)
    during, *_, after = served(stdout)
    assert [(s.labels["run_id"], s.value) for s in during if s.name == "locust_test_info"] == [("run-7", 1)]
    assert [s for s in after if s.name == "locust_test_info"] == []
    (users,) = [s.value for s in during if s.name == "locust_users"]
    assert users >= 1


def test_a_taken_port_is_a_warning_and_the_load_runs_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        stdout, stderr = run_locust(tmp_path, LOAD.replace("json.dumps(read())", "'{}'"), port=port)
    assert f"127.0.0.1:{port}" in stderr
    assert "SERVED {}" in stdout
